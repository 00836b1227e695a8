"""Fetching by either protocol gives the same picture; repairs find what is wrong and nothing else."""

from datetime import UTC, datetime

import pytest
from chainwatch_collector.inventory import fetch
from chainwatch_collector.inventory.assembly import Assembly
from chainwatch_collector.inventory.dump import picture_from_dump
from chainwatch_collector.inventory.methods import CLASSES
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.session import PoolSession
from chainwatch_collector.inventory.tls import Trust
from collector.inventory.conftest import TIMEOUTS, without_times
from lab.xapi.handle import LabPool

AT = datetime(2026, 11, 25, 10, tzinfo=UTC)


def logged_in(lab: LabPool, *, json_rpc: bool = True) -> PoolSession:
    session = PoolSession(f"{lab.address}:{lab.port}", Trust(ca_file=lab.ca_file), TIMEOUTS, json_rpc=json_rpc)
    session.login(lab.reader, lab.reader_password)
    return session


def shown(assembly: Assembly) -> Picture:
    return without_times(assembly.picture(Picture(pool=None, as_of=None), AT, ()))


@pytest.mark.parametrize("json_rpc", [True, False])
def test_everything_and_what_follows(lab: LabPool, json_rpc: bool) -> None:
    session = logged_in(lab, json_rpc=json_rpc)
    assembly, token = fetch.fetch_all(session)
    assert shown(assembly) == without_times(picture_from_dump(lab.dump()))
    lab.do("burst_add", sr="nfs-1", count=5)
    lab.do("burst_delete", count=3)
    batch = session.events(tuple(name.lower() for name in CLASSES), token, 1.0)
    assert fetch.apply_batch(assembly, batch) > 0
    fetch.complete(session, assembly)
    assert shown(assembly) == without_times(picture_from_dump(lab.dump()))
    assert fetch.differing(assembly, batch.counts) == {}
    session.logout()


def test_a_repair_brings_a_class_in_line(lab: LabPool) -> None:
    session = logged_in(lab)
    assembly, _ = fetch.fetch_all(session)
    there = assembly.count("VDI")
    gone = next(iter(assembly.refs("VDI")))
    assembly.drop("VDI", gone)
    assembly.put("VDI", "OpaqueRef:ghost", {"uuid": "ghost", "SR": "OpaqueRef:nowhere"})
    assert fetch.repair(session, assembly, "VDI") == 2
    fetch.complete(session, assembly)
    assert assembly.count("VDI") == there
    assert shown(assembly) == without_times(picture_from_dump(lab.dump()))
    assert fetch.repair(session, assembly, "VDI") == 0
    session.logout()


def test_a_fetch_ends_when_it_is_not_needed_any_more(lab: LabPool) -> None:
    session = logged_in(lab)
    with pytest.raises(fetch.StoppedError):
        fetch.fetch_all(session, lambda: True)
    session.logout()


def test_an_object_that_is_gone_is_none(lab: LabPool) -> None:
    session = logged_in(lab)
    assert fetch.read_or_gone(session, "VDI.get_record", "OpaqueRef:none") is None
    assert fetch.read_or_gone(session, "message.get_by_uuid", "00000000-0000-4000-8000-000000000000") is None
    session.logout()

from __future__ import annotations

from typing import Any

import pytest
from chainwatch_collector.inventory.records import Vdi
from collector.judge.scene import disk, offline, quiet_pool
from smlog import SR, C, Smlog
from smlog import disk as printed


def uuid_of(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-00000000{number:04x}"


def chain(depth: int, **leaf: Any) -> list[Vdi]:
    """A chain of this many images, the last the visible leaf."""
    hidden = [disk(uuid_of(1), hidden=True)]
    hidden += [disk(uuid_of(n), uuid_of(n - 1), hidden=True) for n in range(2, depth)]
    return [*hidden, disk(C, uuid_of(depth - 1), **leaf)]


@pytest.mark.parametrize(
    ("depth", "code", "severity"),
    [(19, None, ""), (20, "CHAIN_NEAR_LIMIT", "warning"), (30, "CHAIN_AT_LIMIT", "error")],
)
def test_depth_by_the_inventory(depth: int, code: str | None, severity: str) -> None:
    found = quiet_pool(*chain(depth)).look()
    if code is None:
        assert found == {}
        return
    assert (found[code].severity, found[code].subject.uuid) == (severity, C)
    assert f"{depth} images long ({depth - 1} pending" in found[code].summary.replace("29 pending", "29 pending")


def test_shorter_again_clears_it() -> None:
    scene = quiet_pool(*chain(30))
    assert scene.codes() == {"CHAIN_AT_LIMIT"}
    assert scene.vdis(*chain(21)).codes() == {"CHAIN_NEAR_LIMIT"}
    assert scene.vdis(*chain(5)).codes() == set()


def test_kept_snapshots_have_another_remedy() -> None:
    disks = chain(25)
    snapshots = [
        disk(f"{n:08x}-1111-4000-8000-000000000000", uuid_of(n), is_a_snapshot=True, name="snap") for n in range(1, 25)
    ]
    found = quiet_pool(*disks, *snapshots).look()["CHAIN_NEAR_LIMIT"]
    assert "kept" in found.summary


def tall_tree(log: Smlog, pid: int, depth: int) -> Smlog:
    nodes = [(n, printed(uuid_of(n + 1))) for n in range(depth - 1)]
    return log.start(pid).tree(pid, *nodes, (depth - 1, printed(C, hidden=False))).finish(pid)


def test_depth_by_the_last_tree() -> None:
    assert "CHAIN_NEAR_LIMIT" in offline(tall_tree(Smlog(), 100, 20))
    log = tall_tree(tall_tree(Smlog(), 100, 30), 110, 3)
    assert offline(log) == {}


def refused(log: Smlog) -> Smlog:
    log.sm(200, f"vdi_snapshot {{'sr_uuid': '{SR}', 'vdi_uuid': '{C}'}}")
    log.sm(200, "Raising exception [109, The snapshot chain is too long]")
    text = "EXCEPTION <class 'xs_errors.SROSError'>, The snapshot chain is too long"
    return log.sm(200, f"***** generic exception: vdi_snapshot: {text}", "")


def test_109_proves_it_without_a_tree_and_a_shorter_tree_clears_it() -> None:
    found = offline(refused(Smlog()))["CHAIN_AT_LIMIT"]
    assert found.subject.uuid == C
    assert "Raising exception [109" in found.evidence[0].text
    assert offline(tall_tree(refused(Smlog()).tick(), 100, 3)) == {}


def test_suspend_and_cbt_disks_raise_nothing() -> None:
    assert quiet_pool(disk(C, type="cbt_metadata", vhd_parent=uuid_of(99))).codes() == set()

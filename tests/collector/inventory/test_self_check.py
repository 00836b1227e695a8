"""The picture compared with the pool read anew: what events never told is found, repaired and counted, nothing else."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from chainwatch_collector.inventory import fetch
from chainwatch_collector.inventory.assembly import Assembly
from chainwatch_collector.inventory.dump import picture_from_dump
from chainwatch_collector.inventory.methods import CLASSES
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.self_check import CheckPace, SelfCheck
from chainwatch_collector.inventory.session import PoolSession
from collector.inventory.conftest import RHYTHM, Followed, without_times
from collector.inventory.test_fetch import AT, logged_in
from lab.xapi.database import Row
from lab.xapi.handle import LabPool
from lab.xapi.pool import XapiPool

EVENTS = tuple(name.lower() for name in CLASSES)
PACE = CheckPace(every=1000, portion=10)


def rewrite(pool: XapiPool, kind: str, ref: str, **fields: object) -> None:
    """A change that no event tells of."""
    row = pool.database.tables[kind].rows[ref]
    row.fields.update(fields)
    row.json = row.xml = None


def replace_vdi(pool: XapiPool) -> None:
    """A VDI goes and another comes, no event tells of it, and their number stays."""
    table = pool.database.tables["VDI"]
    gone = next(reversed(table.rows))
    fields = table.rows.pop(gone).fields
    del table.order[gone]
    table.rows["OpaqueRef:new"] = Row("OpaqueRef:new", {**fields, "uuid": "new"}, 0)
    table.order = {"OpaqueRef:new": None, **table.order}


def snapshot_one(pool: XapiPool) -> None:
    """The first VM gets a snapshot."""
    rows = pool.database.tables["VM"].rows
    vm = next(ref for ref, row in rows.items() if row.fields["name_label"].startswith("vm-"))
    pool.storage.snapshot_vm(vm, "snap")


@dataclass
class Checked:
    """A session, what it fetched, and its check by a clock of its own."""

    lab: LabPool
    session: PoolSession
    assembly: Assembly
    token: str
    now: float = 0.0

    def __post_init__(self) -> None:
        self.check = SelfCheck(PACE, clock=lambda: self.now)

    def step(self, seconds: float = 10) -> int:
        """The next batch of events and a step; how many were wrong."""
        self.now += seconds
        batch = self.session.events(EVENTS, self.token, 0.0)
        fetch.apply_batch(self.assembly, batch)
        self.token = batch.token
        found = self.check.step(self.session, self.assembly, batch)
        fetch.complete(self.session, self.assembly)
        return found

    def whole(self) -> int:
        """A check from its beginning to its end; how many were wrong."""
        before = self.check.checks
        wrong = self.step(PACE.every)
        while self.check.checks == before:
            wrong += self.step()
        return wrong + self.step()

    def equals_server(self) -> bool:
        picture = self.assembly.picture(Picture(pool=None, as_of=None), AT, ())
        return without_times(picture) == without_times(picture_from_dump(self.lab.dump()))


@pytest.fixture
def checked(lab: LabPool) -> Iterator[Checked]:
    session = logged_in(lab)
    yield Checked(lab, session, *fetch.fetch_all(session))
    session.logout()
    assert lab.writes_called == []


def test_of_a_right_picture_nothing_is_found(checked: Checked) -> None:
    assert checked.whole() == 0
    assert checked.whole() == 0
    assert checked.check.checks == 2


def test_changes_meanwhile_are_no_faults(checked: Checked) -> None:
    chance = random.Random(1)
    checked.now = PACE.every
    for number in range(40):
        checked.lab.do("burst_add", sr="nfs-1", count=chance.randrange(5), prefix=f"new-{number}")
        checked.lab.do("burst_delete", count=chance.randrange(4), prefix="new-")
        checked.lab.do("set_enabled", host="xcp2", enabled=bool(number % 2))
        if number % 2:
            checked.lab.call(snapshot_one)
        assert checked.step() == 0
    assert checked.check.checks == 1
    assert checked.equals_server()


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("VM", {"name_label": "renamed"}),
        ("host", {"enabled": False}),
        ("SR", {"physical_utilisation": 7}),
        ("VDI", {"physical_utilisation": 7}),
        ("host_metrics", {"live": False}),
    ],
)
def test_an_object_that_no_event_told_of(checked: Checked, kind: str, changes: dict[str, object]) -> None:
    ref = next(iter(checked.assembly.refs(kind)))
    checked.lab.call(lambda pool: rewrite(pool, kind, ref, **changes))
    checked.step()
    assert not checked.equals_server()
    assert checked.whole() == 1
    assert checked.equals_server()
    assert checked.whole() == 0


def test_a_bitmap_that_no_event_told_of(checked: Checked) -> None:
    def take_bitmap(pool: XapiPool) -> None:
        rows = pool.database.tables["VDI"].rows
        ref, sm_config = next(
            (r, row.fields["sm_config"]) for r, row in rows.items() if "vhd-blocks" in row.fields["sm_config"]
        )
        rewrite(pool, "VDI", ref, sm_config={key: value for key, value in sm_config.items() if key != "vhd-blocks"})

    checked.lab.call(take_bitmap)
    assert checked.whole() == 1
    assert checked.equals_server()


def test_one_lost_and_one_never_seen_whose_number_is_right(checked: Checked) -> None:
    checked.lab.call(replace_vdi)
    assert checked.whole() == 2
    assert set(checked.assembly.refs("VDI")) == checked.lab.call(lambda pool: set(pool.database.tables["VDI"].rows))


def test_it_is_read_in_portions_and_from_the_beginning_after_a_fetch(checked: Checked) -> None:
    def reads() -> int:
        called = checked.lab.methods_called
        return sum(number for name, number in called.items() if "get_all_records" in name)

    before = reads()
    checked.step(PACE.every - 1)
    assert reads() == before
    checked.step(1)
    checked.step(PACE.portion - 1)
    assert reads() == before + 1
    checked.step(1)
    assert reads() == before + 2
    checked.check.restart()
    checked.step(PACE.every - 1)
    assert reads() == before + 2
    assert checked.check.checks == 0


def test_no_check_is_wanted(checked: Checked) -> None:
    checked.check = SelfCheck(CheckPace(every=0), clock=lambda: checked.now)
    checked.step(10**9)
    assert checked.check.checks == 0


def test_a_follower_repairs_what_no_event_told_of(lab: LabPool, caplog: pytest.LogCaptureFixture) -> None:
    followed = Followed(lab, rhythm=RHYTHM._replace(check=CheckPace(every=0.2, portion=0)))
    followed.follower.start()
    followed.until_equal()
    vm = next(iter(followed.picture.vms))
    lab.call(lambda pool: rewrite(pool, "VM", vm, name_label="renamed"))
    followed.until_equal()
    counters = followed.follower.counters
    followed.until(lambda _: counters.self_checks > 1, "two checks")
    assert (counters.self_check_repaired, counters.repaired, counters.full_fetches) == (1, 0, 1)
    assert "the self-check found 1 objects wrong and repaired them" in caplog.text
    assert followed.follower.stop(20)

"""Tasks over time: what moves, what stands still, what nobody will ever move."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from chainwatch_collector.backups.seen import TaskSeen
from chainwatch_collector.backups.task_names import Names, kind_of
from chainwatch_collector.backups.tasks import TaskWatch, transfer_rate
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import HostRates, Task
from chainwatch_collector.judge.thresholds import Thresholds
from collector.judge.scene import MASTER, SR_REF, START, a_host, a_picture, a_vbd, a_vm, disk, host_ref
from smlog import SR, C

MIB = 2**20
LIMITS = Thresholds()
GUEST = a_vm("c0000000-0000-4000-8000-000000000001", power_state="Running")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Exporting content of VDI disk c through NBD", "export"),
        ("Exporting content of VDI web-0 as vhd stream", "export"),
        ("[XO] Importing content into VDI web-0", "import"),
        ("Export of VM: db-1", "export"),
        ("VM.export", "export"),
        ("Async.VM.import", "import"),
        ("Async.VDI.copy", "copy"),
        ("VM.copy", "copy"),
        ("Async.VM.migrate_send", "migration"),
        ("VM.pool_migrate", "migration"),
        ("VDI.pool_migrate", "migration"),
        ("Garbage Collection", "gc"),
        ("SR.scan", "scan"),
        ("Async.VM.snapshot", "snapshot"),
        ("host.call_plugin", "other"),
        ("important housekeeping", "other"),
    ],
)
def test_kinds_are_told_by_name(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def export(progress: float = 0.0, **fields: Any) -> Task:
    given = {"name": "Exporting content of VDI disk c through NBD", "resident_on_ref": host_ref(MASTER), **fields}
    return Task(ref="OpaqueRef:t", uuid="7a5c0000-0000-4000-8000-000000000001", progress=progress,
                created_at=START, **given)  # fmt: skip


def rates(at: Any, *, sent: float = 0.0, sr_read: float | None = None, vif: float = 0.0) -> HostRates:
    return HostRates(
        at=at,
        network=(0.0, sent),
        vifs={"appliance": (vif, 0.0)} if vif else {},
        srs={SR[:8]: (sr_read, 0.0)} if sr_read is not None else {},
    )


class Course:
    """A pool whose one task is looked at every minute."""

    def __init__(self) -> None:
        self.watch = TaskWatch()
        self.minute = 0
        vbd = a_vbd(GUEST, disk(C))
        self.picture: Picture = a_picture((disk(C),), vms={GUEST.ref: GUEST}, vbds={vbd.ref: vbd})

    def go(self, minutes: int, task: Task, **moving: Any) -> TaskSeen:
        for _ in range(minutes):
            self.minute += 1
            at = START + timedelta(minutes=self.minute)
            known = {MASTER: rates(at, **moving)} if moving else {}
            self.picture = replace(self.picture, as_of=at, tasks={task.ref: task}, rates=known)
            self.watch.see(self.picture)
        (seen,) = self.watch.tasks(START + timedelta(minutes=self.minute), LIMITS)
        return seen


def test_a_healthy_export_moves_and_says_when_it_is_done() -> None:
    course = Course()
    for percent in range(1, 11):
        seen = course.go(1, export(percent / 100), sent=80 * MIB, sr_read=90 * MIB)
    assert seen.moving is True
    assert seen.rate_bytes_per_second == 80 * MIB
    assert seen.eta_seconds == pytest.approx(90 * 60, rel=0.15)
    assert (seen.sr_uuid, seen.vdi_uuid, seen.host_name) == (SR, C, "xcp1")


def test_one_that_stands_still_is_stalled_after_a_while() -> None:
    course = Course()
    assert course.go(3, export(0.42), sent=50 * MIB, sr_read=50 * MIB).moving is True
    assert course.go(14, export(0.42), sent=100.0, sr_read=0.0).moving is None
    assert course.go(2, export(0.42), sent=100.0, sr_read=0.0).moving is False
    assert course.go(1, export(0.42), sent=MIB, sr_read=MIB).moving is True


def test_a_slow_one_is_not_stalled() -> None:
    seen = Course().go(240, export(0.02), sent=100_000.0, sr_read=100_000.0)
    assert (seen.moving, seen.rate_bytes_per_second) == (True, 100_000.0)


def test_a_patience_shorter_than_the_age_of_rates_does_not_make_a_slow_one_stalled() -> None:
    """Rates are asked for once a minute: until newer ones say otherwise, what they say counts."""
    course = Course()
    course.go(1, export(0.02), sent=100_000.0, sr_read=100_000.0)
    short, later = replace(LIMITS, backup_stalled_seconds=3), START + timedelta(minutes=1, seconds=50)
    assert [one.moving for one in course.watch.tasks(later, short)] == [True]
    course.go(1, export(0.02), sent=100_000.0, sr_read=0.0)
    assert [one.moving for one in course.watch.tasks(later + timedelta(minutes=1), short)] == [False]


def test_bytes_of_others_do_not_hide_a_stalled_export() -> None:
    """The network is busy with something else, but nothing is read from the SR."""
    assert Course().go(20, export(0.42), sent=90 * MIB, sr_read=0.0).moving is False


def test_without_rates_it_takes_longer_to_be_sure() -> None:
    course = Course()
    assert course.go(59, export(0.42)).moving is None
    seen = course.go(3, export(0.42))
    assert (seen.moving, seen.bytes_known) == (False, False)


def test_what_was_told_before_a_restart_stays_told_until_the_rates_are_there() -> None:
    course = Course()
    task = export(0.42)
    course.watch.resume({task.uuid: (START - timedelta(minutes=20), 0.42)})
    assert course.go(1, task).moving is False
    assert course.go(1, export(0.43)).moving is not False
    assert course.go(20, export(0.43)).moving is not False
    moving = Course()
    moving.watch.resume({task.uuid: (START - timedelta(minutes=20), 0.42)})
    assert moving.go(1, task, sent=MIB, sr_read=MIB).moving is True


def test_an_appliance_in_the_pool_receives_by_its_interface() -> None:
    host = rates(START, sent=0.0, vif=70 * MIB)
    assert transfer_rate("export", None, [host]) == 70 * MIB
    assert transfer_rate("import", None, [replace(host, vifs={"appliance": (0.0, 5.0)})]) == 5.0
    assert transfer_rate("copy", SR, [rates(START, sr_read=3.0, sent=9.0)]) == 3.0
    assert transfer_rate("export", SR, []) is None


def test_guests_traffic_is_none_of_dom0s() -> None:
    host = HostRates(at=START, network=(0.0, 100.0), vifs={"guest": (0.0, 90.0)})
    assert transfer_rate("export", None, [host]) == 10.0


def test_ghosts_say_why() -> None:
    gone = Course().go(1, export(0.1, resident_on_ref="OpaqueRef:gone"))
    assert (gone.moving, gone.ghost) == (False, "the host that ran it is no longer in the pool")
    dead = Course()
    dead.picture = replace(dead.picture, hosts={host_ref(MASTER): a_host(MASTER, live=False)})
    assert "not live" in dead.go(1, export(0.1)).ghost
    old = Course()
    assert old.go(1400, export(0.1)).ghost == ""
    assert old.go(60, export(0.1)).ghost == "nothing has moved it for a day"


def test_what_is_done_or_no_transfer_is_not_judged() -> None:
    course = Course()
    gc = export(0.0, name="Garbage Collection", applies_to_ref=SR_REF)
    seen = course.go(2000, gc)
    assert (seen.kind, seen.moving, seen.ghost, seen.sr_uuid) == ("gc", None, "", SR)
    course.picture = replace(
        course.picture, as_of=START + timedelta(days=3), tasks={"t": replace(gc, status="success")}
    )
    course.watch.see(course.picture)
    assert course.watch.tasks(START + timedelta(days=3), LIMITS) == ()


def test_a_pool_that_cannot_be_asked_says_nothing_new() -> None:
    course = Course()
    course.go(2, export(0.1), sent=MIB, sr_read=MIB)
    course.watch.see(replace(course.picture, problem="network: gone", tasks={}))
    assert len(course.watch.tasks(START + timedelta(minutes=3), LIMITS)) == 1


def test_names_say_what_a_task_is_about() -> None:
    twin = disk("cccccccc-1111-4000-8000-000000000003", name="disk c")
    names = Names(a_picture((disk(C), twin), vms={GUEST.ref: GUEST}, vbds={"v": a_vbd(GUEST, disk(C))}))
    assert names.place(export()) == (SR, None)
    assert names.place(export(name=f"[XO] Importing content into VDI {C}")) == (SR, C)
    assert names.place(export(name="Export of VM: vm c")) == (SR, None)
    assert names.place(export(name="Exporting content of VDI unheard of through NBD")) == (None, None)

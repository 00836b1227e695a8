"""Rule 10 of the design in virtual time: a week of normal operation through read, track and judge raises nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from chainwatch_collector.inventory.records import Sr, Task, Vdi
from chainwatch_collector.track.observations import ProcessSeen
from collector.judge.scene import (
    GIB,
    MASTER,
    MEMBER,
    SR_REF,
    Scene,
    a_host,
    a_pbd,
    a_picture,
    a_vbd,
    a_vm,
    an_sr,
    disk,
    host_ref,
    process,
)
from smlog import SR, A, B, C, Smlog
from smlog import disk as printed

KEPT = "ddddddd4-0000-4000-8000-000000000004"
NEW_SNAPSHOT = "abcdef12-0000-4000-8000-000000000012"
NEW_BASE = "abcdef34-0000-4000-8000-000000000034"
CBT = "abcdef56-0000-4000-8000-000000000056"
ISO_REF, UDEV_REF, SMAPI3_REF = "OpaqueRef:iso", "OpaqueRef:udev", "OpaqueRef:smapiv3"
GUEST = a_vm("eeeeeee5-0000-4000-8000-000000000005", power_state="Running", resident_on_ref=host_ref(MEMBER))
DOM0 = a_vm("fffffff6-0000-4000-8000-000000000006", is_control_domain=True)


def other_srs() -> dict[str, Sr]:
    """What SM does not coalesce, or what nobody plugs in."""
    return {
        ISO_REF: Sr(ref=ISO_REF, uuid="iso0-uuid", name="isos", type="iso", content_type="iso", shared=True),
        UDEV_REF: Sr(ref=UDEV_REF, uuid="udev-uuid", name="Removable storage", type="udev", content_type="disk"),
        SMAPI3_REF: Sr(ref=SMAPI3_REF, uuid="gfs2-uuid", name="gfs2", type="gfs2", shared=True),
    }


def at_rest() -> tuple[Vdi, ...]:
    """A kept snapshot over the guest's disk, an HA state file, a CBT log."""
    return (
        disk(A, hidden=True),
        disk(KEPT, A, is_a_snapshot=True),
        disk(C, A, attached_hosts={host_ref(MEMBER): "RW"}),
        disk(CBT, type="cbt_metadata"),
    )


def in_backup() -> tuple[Vdi, ...]:
    return (
        disk(A, hidden=True),
        disk(KEPT, A, is_a_snapshot=True),
        disk(NEW_BASE, A, hidden=True),
        disk(NEW_SNAPSHOT, NEW_BASE, is_a_snapshot=True),
        disk(C, NEW_BASE, attached_hosts={host_ref(MEMBER): "RW"}),
        disk(CBT, type="cbt_metadata"),
    )


def after_delete() -> tuple[Vdi, ...]:
    """The snapshot is gone: its base copy waits to be merged into nothing but its own leaf."""
    return tuple(vdi for vdi in in_backup() if vdi.uuid != NEW_SNAPSHOT)


def scan_and_idle_run(log: Smlog, pid: int) -> Smlog:
    """The auto-scan of every 30 s, and the GC run that it kicks."""
    log.sm(pid, f"sr_scan {{'sr_uuid': '{SR}'}}", "Kicking GC", f"Kicking SMGC@{SR}...")
    tree = ((0, printed(A)), (1, printed(KEPT, hidden=False)), (1, printed(C, hidden=False)))
    return log.start(pid + 1).tree(pid + 1, *tree).finish(pid + 1)


def leaf_merge(log: Smlog, pid: int) -> Smlog:
    log.sm(pid, f"vdi_delete {{'sr_uuid': '{SR}', 'vdi_uuid': '{NEW_SNAPSHOT}'}}", "Kicking GC").start(pid + 1)
    log.tree(pid + 1, (0, printed(A)), (1, printed(KEPT, hidden=False)), (1, printed(NEW_BASE)), (2, printed(C)))
    log.gc(pid + 1, f"Leaf-coalescing {printed(C, hidden=False)} -> {printed(NEW_BASE)}")
    return log.gc(pid + 1, f"  Running VHD coalesce on {printed(C, hidden=False)}")


def leaf_merged(log: Smlog, pid: int) -> Smlog:
    log.copied(pid + 1, pid + 2).updated(pid + 1)
    tree = ((0, printed(A)), (1, printed(KEPT, hidden=False)), (1, printed(C, hidden=False)))
    return log.tree(pid + 1, *tree).finish(pid + 1)


class Week:
    """The scene and what has been told in it that was no information."""

    def __init__(self) -> None:
        vbd = a_vbd(GUEST, disk(C))
        fields = {"srs": {SR_REF: an_sr(), **other_srs()}, "vms": {GUEST.ref: GUEST, DOM0.ref: DOM0}}
        self.scene = Scene(a_picture(at_rest(), vbds={vbd.ref: vbd}, **fields))
        self.bad: list[str] = []
        self.pid = 1000
        self.master = MASTER

    def look(self, seconds: float) -> None:
        self.scene.now += timedelta(seconds=seconds)
        for finding in self.scene.look().values():
            if finding.severity != "info":
                self.bad.append(f"{self.scene.now:%a %H:%M} {finding.code}: {finding.summary}")

    def smlog(self) -> Smlog:
        self.pid += 10
        return Smlog(host="xcp1" if self.master == MASTER else "xcp2", now=self.scene.now)

    def hours(self, count: float) -> None:
        """Scans and idle runs, seen every ten minutes."""
        for _ in range(round(count * 6)):
            self.scene.log(scan_and_idle_run(self.smlog(), self.pid), self.master)
            self.look(600)

    def backup(self) -> None:
        """Snapshot, an NBD export of 40 minutes by dom0, the snapshot deleted, its leaf merged while the guest runs."""
        scene = self.scene
        task = Task(ref="OpaqueRef:export", uuid="export", name="Async.VDI.export_raw")
        before = scene.picture
        assert before is not None
        nbd = a_vbd(DOM0, disk(NEW_SNAPSHOT))
        scene.vdis(*in_backup()).seen(vbds={**before.vbds, nbd.ref: nbd}, tasks={task.ref: task})
        for _ in range(4):
            self.look(600)
        scene.vdis(*after_delete()).seen(vbds=before.vbds, tasks={})
        log = leaf_merge(self.smlog(), self.pid)
        scene.log(log, self.master)
        self.copying(5)
        scene.log(leaf_merged(Smlog(host=log.host, now=scene.now), self.pid), self.master)
        scene.vdis(*at_rest())
        self.look(10)

    def copying(self, minutes: int) -> None:
        for minute in range(minutes):
            moving: ProcessSeen = process(C, written=minute * GIB)
            self.scene.processes[self.master] = (moving,)
            self.look(60)
        self.scene.processes = {}

    def lost_race(self) -> None:
        """A busy database: this leaf merge is given up for this round, without a word of failure."""
        log = leaf_merge(self.smlog(), self.pid)
        log.gc(self.pid + 1, "The VDI appears to have been concurrently snapshotted").updated(self.pid + 1)
        self.scene.log(log.finish(self.pid + 1), self.master)
        self.look(60)

    def member_maintenance(self) -> None:
        """Disabled, evacuated, its storage unplugged, off for two hours, back."""
        scene, other = self.scene, a_host(MASTER)
        pbds = scene.picture.pbds if scene.picture is not None else {}
        resting = a_host(MEMBER, enabled=False)
        moved = replace(GUEST, resident_on_ref=host_ref(MASTER))
        scene.seen(vms={GUEST.ref: moved, DOM0.ref: DOM0})
        scene.seen(hosts={host.ref: host for host in (other, resting)})
        self.look(300)
        off = replace(a_pbd(MEMBER), currently_attached=False)
        scene.seen(pbds={**pbds, off.ref: off}, hosts={h.ref: h for h in (other, replace(resting, live=False))})
        scene.agents = {MASTER}
        self.hours(2)
        scene.agents = {MASTER, MEMBER}
        scene.seen(pbds=pbds, hosts={host.ref: host for host in (other, a_host(MEMBER))})
        scene.seen(vms={GUEST.ref: GUEST, DOM0.ref: DOM0})
        self.look(10)

    def failover(self) -> None:
        """The master moves in the middle of a merge: aborted there, begun anew here."""
        scene, old = self.scene, self.master
        scene.vdis(*after_delete())
        log = leaf_merge(self.smlog(), self.pid)
        log.gc(self.pid + 500, f"=== SR {SR}: abort ===").gc(self.pid + 1, "Aborted")
        scene.log(log.finish(self.pid + 1, clean=False), old)
        self.master = MEMBER if old == MASTER else MASTER
        picture = scene.picture
        assert picture is not None
        assert picture.pool is not None
        pool = replace(picture.pool, master_ref=host_ref(self.master))
        scene.seen(pool=pool, master_since=scene.now)
        self.look(60)
        log = leaf_merge(self.smlog(), self.pid)
        scene.log(log, self.master)
        self.copying(3)
        scene.log(leaf_merged(Smlog(host=log.host, now=scene.now), self.pid), self.master)
        scene.vdis(*at_rest())
        self.look(10)

    def quiet_period(self) -> None:
        """8.2 sleeps for five minutes before it works."""
        log = self.smlog().start(self.pid).gc(self.pid, "GC active, about to go quiet")
        self.scene.log(log, self.master)
        self.look(299)
        log = Smlog(host=log.host, now=self.scene.now).gc(self.pid, "GC active, quiet period ended")
        tree = ((0, printed(A)), (1, printed(KEPT, hidden=False)), (1, printed(C, hidden=False)))
        self.scene.log(log.tree(self.pid, *tree).finish(self.pid), self.master)
        self.look(10)


def test_a_healthy_week_raises_no_warning() -> None:
    week = Week()
    week.look(0)
    for day in range(7):
        week.hours(10)
        week.backup()
        week.lost_race()
        if day == 2:
            week.member_maintenance()
        if day == 4:
            week.failover()
        week.quiet_period()
        week.hours(10)
    assert week.bad == []
    words = {sr.uuid: sr.state for sr in week.scene.last.answer.srs} if week.scene.last is not None else {}
    assert words == {SR: "quiet", "iso0-uuid": "no_gc", "udev-uuid": "no_gc", "gfs2-uuid": "no_gc"}
    assert B not in words

from __future__ import annotations

from datetime import timedelta
from typing import Any

from chainwatch_collector.backups.keeper import BackupsKeeper
from chainwatch_collector.inventory.records import HostRates, Task
from chainwatch_collector.keep.folded import FindingIn
from collector.judge.scene import MASTER, Scene, disk, host_ref, quiet_pool
from smlog import SR, C

MIB = 2**20
TASK = "7a5c0000-0000-4000-8000-000000000001"


def exporting(scene: Scene, minutes: int, sent: float, progress: float = 0.42, **fields: Any) -> Scene:
    """An export of C is looked at every minute while so many bytes a second go out."""
    name = "Exporting content of VDI disk c through NBD"
    given = {"resident_on_ref": host_ref(MASTER), **fields}
    task = Task(ref="t", uuid=TASK, name=name, progress=progress, created_at=scene.now, **given)
    for _ in range(minutes):
        scene.now += timedelta(minutes=1)
        rates = HostRates(at=scene.now, network=(0.0, sent), srs={SR[:8]: (sent, 0.0)})
        scene.seen(tasks={"t": task}, rates={MASTER: rates}).look()
    return scene


def test_a_stalled_export_is_told_and_clears_when_bytes_move() -> None:
    scene = exporting(quiet_pool(disk(C)), 20, 100.0)
    found = scene.look()["BACKUP_STALLED"]
    assert (found.severity, found.subject.kind, found.subject.uuid) == ("warning", "task", TASK)
    assert "42 %" in found.summary
    assert "on xcp1" in found.summary
    assert any(step.command == f"xe task-cancel uuid={TASK}" for step in found.next)
    assert exporting(scene, 1, 90.0 * MIB).codes() == set()


def test_a_stalled_export_is_still_stalled_after_a_restart() -> None:
    scene = exporting(quiet_pool(disk(C)), 20, 100.0)
    scene.look()
    assert scene.last is not None
    (row,) = [one for one in scene.last.findings if one.code == "BACKUP_STALLED"] or exporting_rows(scene)
    scene.backups = BackupsKeeper(scene.thresholds)
    scene.backups.resume([row])
    assert "BACKUP_STALLED" in exporting(scene, 1, 100.0).codes()
    scene.backups = BackupsKeeper(scene.thresholds)
    scene.backups.resume([row])
    assert "BACKUP_STALLED" not in exporting(scene, 1, 100.0, progress=0.5).codes()


def exporting_rows(scene: Scene) -> list[FindingIn]:
    """The finding as it was stored, where this look had nothing new to store."""
    scene.now += timedelta(seconds=61)
    scene.look()
    assert scene.last is not None
    return [one for one in scene.last.findings if one.code == "BACKUP_STALLED"]


def test_a_slow_export_is_not_stalled() -> None:
    assert exporting(quiet_pool(disk(C)), 120, 100_000.0).codes() == set()


def test_a_ghost_is_called_one() -> None:
    scene = exporting(quiet_pool(disk(C)), 1, 100.0, resident_on_ref="OpaqueRef:gone")
    found = scene.look()["BACKUP_STALLED"]
    assert "is a ghost" in found.summary
    assert [step.risk for step in found.next] == ["disruptive", "disruptive"]


def test_a_finding_goes_with_its_task() -> None:
    scene = exporting(quiet_pool(disk(C)), 20, 0.0)
    scene.look()
    assert scene.seen(tasks={}).codes() == set()

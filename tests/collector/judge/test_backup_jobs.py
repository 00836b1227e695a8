from __future__ import annotations

from datetime import timedelta
from typing import Any

from chainwatch_collector.backups.keeper import BackupsKeeper
from chainwatch_collector.backups.news import BackupNews
from chainwatch_collector.backups.objects import replicas_of
from chainwatch_collector.backups.seen import JobSeen, TargetSeen
from chainwatch_collector.chains.pool_index import PoolIndex
from collector.backups.test_objects import JOB, TARGET, VM_UUID, Pool
from collector.judge.scene import START, Scene

DAY = timedelta(days=1)
GIB = 2**30


def scene_of(pool: Pool | None = None, **fields: Any) -> Scene:
    scene = Scene((pool or Pool()).picture)
    scene.backups = BackupsKeeper(scene.thresholds)
    return told(scene, **fields)


def told(scene: Scene, **fields: Any) -> Scene:
    """The pool hears of a job."""
    assert scene.backups is not None
    assert scene.picture is not None
    given = {"uuid": "job-1", "name": "nightly", "home": True, "vms": (VM_UUID,), "total": 1, **fields}
    replicas = replicas_of((PoolIndex(scene.picture),))
    scene.backups.tell(BackupNews(jobs=(JobSeen(**given),), replicas=replicas))
    return scene


def test_an_empty_pattern_is_told_by_its_home_and_clears() -> None:
    scene = scene_of(empty="clause tags takes away all 3 VMs that the others leave", vms=(), total=0)
    assert "BACKUP_PATTERN_EMPTY" not in scene.look()
    found = scene.wait(130).look()["BACKUP_PATTERN_EMPTY"]
    assert (found.severity, found.subject.kind, found.subject.name) == ("warning", "job", "nightly")
    assert "clause tags" in found.summary
    assert "BACKUP_PATTERN_EMPTY" not in told(scene, home=False, empty="clause tags").look()
    assert "BACKUP_PATTERN_EMPTY" not in told(scene).look()


def test_a_restart_keeps_what_was_told_until_the_jobs_were_looked_at() -> None:
    scene = scene_of(due=nights(8), successes={VM_UUID: START - 7 * DAY}, skipped={VM_UUID: 7})
    assert not scene.look()["BACKUP_OVERDUE"].stale
    scene.backups = BackupsKeeper(scene.thresholds)
    assert scene.wait(1).look()["BACKUP_OVERDUE"].stale
    scene.backups.tell(BackupNews(jobs_known=False))
    assert scene.wait(1).look()["BACKUP_OVERDUE"].stale
    scene.backups.tell(BackupNews())
    assert "BACKUP_OVERDUE" not in scene.wait(1).look()


def nights(count: int) -> tuple[Any, ...]:
    """Due times of the last nights, ascending."""
    return tuple(START - n * DAY - timedelta(hours=7) for n in reversed(range(count)))


def test_a_job_that_is_skipped_for_a_week_is_overdue_and_clears_with_a_success() -> None:
    week: dict[str, Any] = {
        "due": nights(8),
        "successes": {VM_UUID: START - 7 * DAY - timedelta(hours=6)},
        "skipped": {VM_UUID: 7},
    }
    scene = scene_of(**week)
    found = scene.look()["BACKUP_OVERDUE"]
    assert (found.severity, found.subject.uuid, found.count) == ("error", VM_UUID, 7)
    assert "7 runs missed; 7 runs were skipped" in found.summary
    assert "BACKUP_OVERDUE" not in told(scene, due=nights(8), successes={VM_UUID: START - timedelta(hours=5)}).look()


def test_one_missed_run_or_one_that_may_still_go_on_is_not_overdue() -> None:
    last = {VM_UUID: START - 2 * DAY - timedelta(hours=6)}
    assert "BACKUP_OVERDUE" not in scene_of(due=nights(2)[:1], successes=last).look()
    late = (*nights(2)[:1], START - timedelta(hours=5))
    assert "BACKUP_OVERDUE" not in scene_of(due=late, successes=last).look()
    assert "BACKUP_OVERDUE" in scene_of(due=nights(2), successes=last).look()


def test_a_weekend_without_runs_is_no_miss() -> None:
    friday = {VM_UUID: START - 2 * DAY}
    assert "BACKUP_OVERDUE" not in scene_of(due=nights(1), successes=friday).look()


def test_marks_on_snapshots_tell_of_successes_too() -> None:
    pool = Pool()
    pool.snapshot()
    assert (
        "BACKUP_OVERDUE"
        in scene_of(pool, due=nights(4), tried={VM_UUID: START - 9 * DAY}, uuid="x", name="other").look()
    )
    assert "BACKUP_OVERDUE" not in scene_of(pool, due=nights(2), tried={VM_UUID: START - 9 * DAY}, uuid=JOB).look()


def test_a_vm_of_which_nothing_is_known_is_not_judged() -> None:
    assert "BACKUP_OVERDUE" not in scene_of(due=nights(8)).look()


def target(**fields: Any) -> dict[str, Any]:
    return {"targets": (TargetSeen(uuid="r1", name="/mnt/nas", **fields),)}


def test_a_remote_that_fills_up_is_told_and_clears() -> None:
    scene = scene_of(**target(free_bytes=100 * GIB))
    assert "BACKUP_TARGET_FULL" not in scene.look()
    found = told(scene, **target(free_bytes=GIB // 2)).look()["BACKUP_TARGET_FULL"]
    assert (found.severity, found.subject.kind, found.subject.name) == ("error", "remote", "/mnt/nas")
    assert "512 MiB free" in found.summary
    assert "BACKUP_TARGET_FULL" not in told(scene, **target(free_bytes=20 * GIB)).look()


def test_a_run_that_met_enospc_is_told_where_nothing_can_be_measured() -> None:
    scene = scene_of(**target(problem="not observable", full_at=START))
    assert "ENOSPC" in scene.look()["BACKUP_TARGET_FULL"].summary
    assert "BACKUP_TARGET_FULL" not in told(scene, **target(full_at=START, free_bytes=90 * GIB)).look()
    assert "BACKUP_TARGET_FULL" not in told(scene, **target(problem="not observable")).look()


def test_a_declared_target_sr_without_the_replica_makes_the_next_run_full() -> None:
    pool = Pool()
    pool.snapshot()
    scene = scene_of(pool, target_srs=(TARGET,))
    scene.look()
    assert "BACKUP_BASE_MISSING" in scene.wait(700).look()

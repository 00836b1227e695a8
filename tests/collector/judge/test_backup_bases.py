from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from chainwatch_collector.backups.keeper import BackupsKeeper
from chainwatch_collector.backups.news import BackupNews
from chainwatch_collector.backups.objects import replicas_of
from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.inventory.records import Message
from collector.backups.test_objects import EXPORTED, Pool, uuid
from collector.judge.scene import START, Scene


def scene_of(pool: Pool) -> Scene:
    scene = Scene(pool.picture)
    scene.backups = BackupsKeeper(scene.thresholds)
    return _told(scene, pool)


def _told(scene: Scene, pool: Pool) -> Scene:
    """The pool hears of the replicas that there are."""
    assert scene.backups is not None
    scene.backups.tell(BackupNews(replicas=replicas_of((PoolIndex(pool.picture),))))
    return scene


def again(scene: Scene, pool: Pool) -> Scene:
    """XenAPI shows the pool as it is now."""
    picture = pool.picture
    return _told(scene.seen(vms=picture.vms, vbds=picture.vbds, vdis_by_sr=picture.vdis_by_sr), pool)


def test_a_deleted_replica_is_told_with_the_snapshot_to_delete_and_clears_with_a_new_one() -> None:
    pool = Pool()
    old = pool.snapshot()
    new = pool.snapshot(keys={**EXPORTED, "xo:backup:datetime": "20261122T013000Z"})
    pool.replica(old)
    scene = scene_of(pool)
    scene.look()
    assert "BACKUP_BASE_MISSING" not in scene.wait(500).look()
    found = scene.wait(200).look()["BACKUP_BASE_MISSING"]
    assert (found.severity, found.subject.kind, found.subject.name) == ("warning", "vm", "db")
    assert "job 'nightly'" in found.summary
    assert "1.0 GiB" in found.summary
    assert "[XO Backup nightly] db" in found.summary
    assert new.uuid[:8] in found.next[0].text
    assert found.next[0].risk == "disruptive"
    pool.replica(new)
    assert "BACKUP_BASE_MISSING" not in again(scene, pool).wait(10).look()


def test_a_base_in_order_raises_nothing() -> None:
    pool = Pool(2)
    pool.replica(pool.snapshot())
    scene = scene_of(pool)
    scene.look()
    assert not {"BACKUP_BASE_MISSING", "BACKUP_LEFTOVER", "CBT_BROKEN"} & scene.wait(1300).codes()


def test_a_dead_runs_snapshot_is_told_until_it_is_gone() -> None:
    pool = Pool()
    left = pool.snapshot(name="xo-backup-temp-snapshot-name", keys={})
    pool.vms[left.ref] = replace(left, snapshot_time=START - timedelta(days=2))
    scene = scene_of(pool)
    found = scene.look()["BACKUP_LEFTOVER"]
    assert (found.severity, found.subject.name) == ("info", "db")
    assert found.next[0].precheck
    pool.drop(left)
    assert "BACKUP_LEFTOVER" not in again(scene, pool).wait(10).look()


def message(name: str = "VDI_CBT_SNAPSHOT_FAILED") -> Message:
    at = Scene().now - timedelta(hours=1)
    return Message(uuid="m", name=name, priority=3, subject_class="VDI", subject_uuid=uuid(0), at=at)


def test_tracking_that_xenapi_gave_up_is_broken_until_it_is_on_again() -> None:
    pool = Pool()
    pool.vdis[uuid(0)] = pool.disks[0]._replace(cbt_enabled=False)
    scene = scene_of(pool).seen(messages=(message(),))
    found = scene.look()["CBT_BROKEN"]
    assert (found.subject.kind, found.subject.uuid) == ("vdi", uuid(0))
    assert "VDI_CBT_SNAPSHOT_FAILED" in found.summary
    pool.vdis[uuid(0)] = pool.disks[0]._replace(cbt_enabled=True)
    assert "CBT_BROKEN" not in again(scene, pool).look()


def test_tracking_that_was_never_on_or_another_message_is_no_break() -> None:
    pool = Pool()
    pool.vdis[uuid(0)] = pool.disks[0]._replace(cbt_enabled=False)
    pool.snapshot()
    assert "CBT_BROKEN" not in scene_of(pool).look()
    assert "CBT_BROKEN" not in scene_of(pool).seen(messages=(message("ALARM"),)).look()


def test_tracking_that_the_last_backup_had_and_the_disk_lost() -> None:
    pool = Pool()
    taken = pool.snapshot()
    ref = next(vbd.vdi_ref for vbd in pool.vbds.values() if vbd.vm_ref == taken.ref)
    old = next(vdi.uuid for vdi in pool.vdis.values() if vdi.ref == ref)
    pool.vdis[old] = pool.vdis[old]._replace(cbt_enabled=True)
    pool.vdis[uuid(0)] = pool.disks[0]._replace(cbt_enabled=False)
    assert "its last backup had it" in scene_of(pool).look()["CBT_BROKEN"].summary

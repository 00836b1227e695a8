from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from chainwatch_collector.backups.keeper import BackupsKeeper
from chainwatch_collector.backups.news import BackupNews
from chainwatch_collector.backups.seen import JobSeen
from chainwatch_collector.inventory.records import Vdi
from collector.judge.scene import (
    GIB,
    MASTER,
    SR_REF,
    START,
    TIB,
    Scene,
    a_vbd,
    a_vm,
    an_sr,
    disk,
    host_ref,
    quiet_pool,
)
from smlog import A, B, C

VM = a_vm("eeeeeee5-0000-4000-8000-000000000005", power_state="Running", resident_on_ref=host_ref(MASTER))


def with_vm(*vdis: Vdi, vm: Any = VM, **fields: Any) -> Scene:
    """The VM has the last of these disks."""
    vbd = a_vbd(vm, vdis[-1])
    return quiet_pool(*vdis, vms={vm.ref: vm}, vbds={vbd.ref: vbd}, **fields)


def verdict(scene: Scene) -> Any:
    assert scene.last is not None
    return scene.last.answer.verdicts[0]


def test_a_vm_in_order_has_a_good_verdict() -> None:
    scene = with_vm(disk(C))
    assert scene.codes() == set()
    assert (verdict(scene).snapshot, verdict(scene).backup) == ("ok", "ok")


def test_xen_orchestra_would_skip_when_it_lasts() -> None:
    more = [f"{n:08x}-0000-4000-8000-000000000000" for n in (1, 2)]
    chain = (
        disk(A, hidden=True),
        disk(B, A, hidden=True),
        disk(more[0], B, hidden=True),
        disk(more[1], more[0], hidden=True),
        disk(C, more[1]),
    )
    scene = with_vm(*chain)
    scene.look()
    assert verdict(scene).xo_would_skip is True
    assert "BACKUP_WILL_SKIP" not in scene.wait(1700).codes()
    found = scene.wait(200).look()
    assert found["BACKUP_WILL_SKIP"].subject.uuid == VM.uuid
    assert found["BACKUP_WILL_SKIP"].because == (found["GC_NOT_RUNNING"].id,)
    scene.vdis(disk(C))
    assert "BACKUP_WILL_SKIP" not in scene.wait(6).codes()


@pytest.mark.parametrize(("leaf", "severity"), [({"raw": True}, "info"), ({"on_boot": "reset"}, "warning"), ({}, None)])
def test_snapshots_that_cannot_be_made(leaf: dict[str, Any], severity: str | None) -> None:
    scene = with_vm(disk(C, **leaf))
    scene.look()
    found = scene.wait(130).look()
    assert (found["SNAPSHOT_NOT_SUPPORTED"].severity if found else None) == severity
    scene.vdis(disk(C))
    assert scene.wait(6).codes() == set()


def test_the_next_snapshot_has_no_room() -> None:
    tight = an_sr(type="lvmoiscsi", physical_utilisation_bytes=TIB - (16 << 20))
    full = disk(C, physical_utilisation_bytes=8 << 20)
    scene = with_vm(full, srs={SR_REF: tight})
    found = scene.look()
    assert found["SNAPSHOT_NO_SPACE"].severity == "error"
    assert "would refuse the next snapshot of 1 VM" in found["SNAPSHOT_NO_SPACE"].summary
    scene.seen(srs={SR_REF: an_sr(type="lvmoiscsi")})
    assert "SNAPSHOT_NO_SPACE" not in scene.wait(6).codes()


def two_vms(free_gib: int, **fields: Any) -> Scene:
    """Two VMs with a thin-grown disk of 10 GiB each on a thick SR, and the job that takes both."""
    pairs = [(a_vm(f"{n}eeeeee5-0000-4000-8000-000000000005"), disk(uuid)) for n, uuid in ((1, B), (2, C))]
    disks = [one._replace(physical_utilisation_bytes=8 << 20) for _, one in pairs]
    vbds = [a_vbd(vm, one) for vm, one in pairs]
    store = an_sr(type="lvmoiscsi", physical_utilisation_bytes=TIB - free_gib * GIB)
    scene = quiet_pool(
        *disks, vms={vm.ref: vm for vm, _ in pairs}, vbds={vbd.ref: vbd for vbd in vbds}, srs={SR_REF: store}
    )
    given = {"next_at": START + timedelta(hours=17), "vms": tuple(vm.uuid for vm, _ in pairs), **fields}
    scene.backups = BackupsKeeper(scene.thresholds)
    scene.backups.tell(BackupNews(jobs=(JobSeen(uuid="job", name="nightly", **given),)))
    scene.look()
    return scene.wait(130)


def test_a_window_without_room_for_all_its_snapshots_is_told_before_it_begins() -> None:
    scene = two_vms(15)
    found = scene.look()["SNAPSHOT_NO_SPACE"]
    assert found.severity == "warning"
    assert "next run of job 'nightly', 2026-11-23 01:00:00Z, keeps snapshots of 2 disks there" in found.summary
    assert "15.0 GiB free" in found.summary
    assert "SNAPSHOT_NO_SPACE" not in two_vms(25).codes()


@pytest.mark.parametrize("fields", [{"whole": True}, {"next_at": None}, {"vms": ()}])
def test_a_run_that_keeps_no_snapshots_or_does_not_come_is_no_trouble(fields: dict[str, Any]) -> None:
    assert "SNAPSHOT_NO_SPACE" not in two_vms(15, **fields).codes()


def test_a_vm_that_finds_no_room_alone_is_told_once() -> None:
    found = two_vms(5)
    told = [one for one in found.look().values() if one.code == "SNAPSHOT_NO_SPACE"]
    assert [one.severity for one in told] == ["error"]
    assert found.last is not None
    assert sum(one.code == "SNAPSHOT_NO_SPACE" for one in found.last.answer.findings) == 1


def test_pool_that_cannot_be_asked_has_unknown_verdicts() -> None:
    scene = with_vm(disk(C))
    scene.look()
    scene.seen(problem="connection refused", problem_since=scene.now).wait(60)
    assert verdict(scene).snapshot == "unknown"


def test_srs_nobody_watches_have_unknown_verdicts() -> None:
    scene = with_vm(disk(C))
    scene.agents = set()
    scene.wait(10)
    assert (verdict(scene).snapshot, verdict(scene).reasons) == ("unknown", ("AGENT_MISSING",))

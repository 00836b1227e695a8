"""`why` of a disk, a VM, a host and a pool."""

from __future__ import annotations

from dataclasses import replace

import pytest
from chainwatch_collector.judge.answer import DiskVerdict, Verdict
from chainwatch_collector.judge.checklist import Subject
from chainwatch_collector.judge.why import NoChecklistError, why
from collector.judge.pages import asked, finding, line, worked
from collector.judge.scene import (
    GIB,
    MASTER,
    MEMBER,
    POOL_UUID,
    START,
    Scene,
    a_host,
    a_vbd,
    a_vm,
    disk,
    pending_chain,
    process,
    quiet_pool,
)
from smlog import SR, A, B, C
from smlog import disk as printed


def test_a_disk_tells_its_chain_and_what_keeps_it() -> None:
    snapshot = disk("ddddddd4-0000-4000-8000-000000000004", A, is_a_snapshot=True, name="before update")
    scene = worked(quiet_pool(disk(A, hidden=True), disk(C, A), snapshot))
    page = asked(scene, "vdi", C, "disk c")
    assert page.status == "ok"
    assert page.sentence == "disk c is fine: nothing to merge in its chain, 2 of 30 deep, room for 28 more snapshots."
    assert "1 kept" in line(page, "what its chain is made of").detail
    assert "snapshot 'before update' (ddddddd4)" in line(page, "what its chain is made of").detail


def test_a_disk_whose_merge_waits() -> None:
    scene = worked(quiet_pool(*pending_chain()))
    page = asked(scene, "vdi", B, "base copy")
    assert "to be merged into its parent aaaaaaa1" in line(page, "its own merge").detail
    assert "1 merge to do in its chain" in page.sentence


def test_a_disk_whose_merge_is_blocked_by_a_setting() -> None:
    scene = worked(quiet_pool(disk(A, hidden=True), disk(C, A, on_boot="reset")))
    told = line(asked(scene, "vdi", C, "disk c"), "its own merge")
    assert told.status == "info"
    assert "on_boot=reset" in told.detail


def test_a_disk_whose_parent_is_missing() -> None:
    scene = worked(quiet_pool(disk(C, A)))
    page = asked(scene, "vdi", C, "disk c")
    assert line(page, "image readable").status in ("warning", "error")
    assert page.status in ("warning", "error")


def test_a_failed_merge_shows_on_the_disk_and_not_on_its_neighbour() -> None:
    other = disk("eeeeeee5-0000-4000-8000-000000000005")
    scene = quiet_pool(*pending_chain(), other)
    log = scene.smlog().start(100).chain(100).inner_start(100).copy(101)
    log.failed_command(101, 22, "error coalescing: -22").gc(101, "Child process failed with : (Invalid argument)")
    log.sm(101, f"IPCFlag: set {SR}:failure").banner(100, "coalesce", f"VHD {printed(B)} corrupted")
    scene.log(log.gc(100, "Coalesce failed, skipping").finish(100))
    page = asked(scene, "vdi", B, "base copy")
    assert page.code in ("COALESCE_FAILED", "VDI_CORRUPT")
    assert line(page, "last merge of its chain").status == "info"
    assert asked(scene, "vdi", other.uuid, "disk e").code is None


def vm_scene() -> tuple[Scene, str]:
    vm = a_vm("77777777-0000-4000-8000-000000000007", power_state="Running")
    chain = pending_chain()
    vbd = a_vbd(vm, chain[2], device="xvda")
    scene = worked(quiet_pool(*chain, vms={vm.ref: vm}, vbds={vbd.ref: vbd}))
    scene.look()
    return scene, vm.uuid


def verdict(vm: str, snapshot: str, **fields: object) -> Verdict:
    disks = (DiskVerdict(C, 3, 27, 1, 1, 0, 0, None),)
    given = {"reasons": (), "xo_would_skip": False, "backup": snapshot, "disks": disks, **fields}
    return Verdict(vm, "vm 7", START, snapshot, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ready", "status", "words"),
    [
        ("ok", "ok", "snapshot yes, backup yes"),
        ("at_risk", "warning", "yes, at a risk"),
        ("refused", "error", "snapshot no"),
        ("unknown", "unknown", "cannot be told"),
    ],
)
def test_a_vm_says_whether_it_may_be_snapshot(ready: str, status: str, words: str) -> None:
    scene, uuid = vm_scene()
    assert scene.last is not None
    answer = replace(scene.last.answer, verdicts=(verdict(uuid, ready),))
    page = why(scene.tracker.state(scene.now), answer, Subject("vm", uuid, "vm 7"), scene.now)
    assert line(page, "disk xvda ccccccc3").detail.startswith("'disk c': chain 3 of 30; SR store is ")
    assert line(page, "may be snapshot now").status == status
    assert words in line(page, "may be snapshot now").detail
    assert page.status == status


@pytest.mark.parametrize(
    ("need", "status", "words"),
    [
        (None, "unknown", "cannot be told"),
        ((GIB, GIB), "ok", "1.0 GiB, and that is free"),
        ((GIB, 3 * GIB), "ok", "1.0 GiB to 3.0 GiB, and that is free"),
    ],
)
def test_a_vm_tells_what_a_snapshot_needs(need: tuple[int, int] | None, status: str, words: str) -> None:
    scene, uuid = vm_scene()
    assert scene.last is not None
    given = verdict(uuid, "ok", disks=(DiskVerdict(C, 3, 27, 1, 1, 0, 0, need),))
    answer = replace(scene.last.answer, verdicts=(given,), findings=())
    page = why(scene.tracker.state(scene.now), answer, Subject("vm", uuid, "vm 7"), scene.now)
    assert line(page, "space for a snapshot").status == status
    assert words in line(page, "space for a snapshot").detail


def test_a_vm_that_xen_orchestra_would_skip() -> None:
    scene, uuid = vm_scene()
    assert scene.last is not None
    skip = finding("f-skip", "BACKUP_WILL_SKIP", "warning", "vm", uuid, "vm 7")
    answer = replace(scene.last.answer, verdicts=(verdict(uuid, "ok"),), findings=(skip,))
    page = why(scene.tracker.state(scene.now), answer, Subject("vm", uuid, "vm 7"), scene.now)
    assert line(page, "Xen Orchestra would take it").status == "warning"
    assert page.sentence == "vm 7: Xen Orchestra would skip this VM now."


def test_a_vm_without_a_verdict_is_unknown() -> None:
    scene, uuid = vm_scene()
    assert scene.last is not None
    answer = replace(scene.last.answer, verdicts=())
    page = why(scene.tracker.state(scene.now), answer, Subject("vm", uuid, "vm 7"), scene.now)
    assert page.status == "unknown"


def test_a_host_tells_its_duties_and_what_a_reboot_would_cut_off() -> None:
    scene = quiet_pool(*pending_chain())
    scene.log(scene.smlog().start(100).chain(100).inner_start(100).copy(101))
    scene.processes = {MASTER: (process(written=GIB),)}
    page = asked(scene, "host", MASTER, "xcp1")
    assert page.status == "ok"
    assert line(page, "GC of its SRs").detail == "1 SR, all well"
    assert line(page, "merges running on it").status == "info"
    assert line(page, "merges running on it").detail == "vhd coalesce of bbbbbbb2 (pid 4242): 1.0 GiB"
    assert line(page, "may be rebooted now").status == "error"
    assert "would cut off 1 running merge" in line(page, "may be rebooted now").detail
    member = asked(scene, "host", MEMBER, "xcp2")
    assert line(member, "may be rebooted now").detail.startswith("yes")
    scene.agents = {MASTER}
    silent = asked(scene.wait(1200), "host", MEMBER, "xcp2")
    assert line(silent, "may be rebooted now").status == "unknown"
    assert line(member, "GC of its SRs").status == "skipped"
    assert line(member, "merges running on it").status == "ok"


def test_a_host_that_is_down() -> None:
    hosts = (a_host(MASTER), a_host(MEMBER, live=False))
    scene = worked(quiet_pool(hosts={host.ref: host for host in hosts}))
    scene.look()
    page = asked(scene.wait(120), "host", MEMBER, "xcp2")
    assert line(page, "up and enabled").status in ("warning", "error")
    assert page.status in ("warning", "error")


def test_a_pool_counts_what_is_not_well() -> None:
    scene = quiet_pool(*pending_chain())
    scene.look()
    page = asked(scene.wait(1801), "pool", POOL_UUID, "prod")
    assert line(page, "SRs coalesce").detail == "1 of 1 not well: store starved"
    assert line(page, "agents reporting").detail == "2 of 2"
    assert page.status == "error"
    assert page.sentence == "prod: merges are pending and no GC run starts (store)."


@pytest.mark.parametrize("kind", ["sr", "vdi", "vm", "host"])
def test_a_subject_that_nobody_knows_is_unknown(kind: str) -> None:
    page = asked(quiet_pool(), kind, "no-such-uuid", "ghost")
    assert (page.status, page.checks) == ("unknown", ())
    assert page.sentence.startswith(f"Nothing is known of {kind} ghost")


def test_a_kind_without_a_checklist_is_refused_by_name() -> None:
    with pytest.raises(NoChecklistError, match="give an SR, a VDI, a VM, a host or a pool"):
        asked(quiet_pool(), "job", "j", "nightly")

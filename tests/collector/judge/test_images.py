from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from collector.judge.scene import MEMBER, SR_REF, Scene, an_sr, disk, offline, pending_chain, quiet_pool
from smlog import SR, A, B, C, Smlog, path
from smlog import disk as printed

GONE = "75310171-a53b-4347-a027-698d2a55d69d"


def check_fails(log: Smlog, pid: int, said: str = "block 3 clobbers block 4", rc: int = 22) -> Smlog:
    """The check of the child ends with this, the merge with C41."""
    log.start(pid).chain(pid).gc(pid, f"Coalescing {printed(B)} -> {printed(A)}")
    log.sm(pid, f"['/usr/bin/vhd-util', 'check', '--debug', '-n', '{path(B)}']").failed_command(pid, rc, said)
    log.banner(pid, "coalesce", f"VHD {printed(B)} corrupted").gc(pid, "Coalesce failed, skipping")
    return log.updated(pid).finish(pid)


# --- VDI_CORRUPT ----------------------------------------------------------------------------------------------


def test_failed_check_names_the_image_and_causes_the_failed_merge() -> None:
    found = offline(check_fails(Smlog(), 100))
    corrupt = found["VDI_CORRUPT"]
    assert (corrupt.severity, corrupt.subject.uuid) == ("error", B)
    assert "clobbers" in corrupt.summary
    assert found["COALESCE_FAILED"].because == (corrupt.id,)


def test_the_steps_name_the_host_of_the_gc() -> None:
    scene = quiet_pool(*pending_chain())
    found = scene.log(check_fails(scene.smlog(), 100)).look()
    for code in ("VDI_CORRUPT", "COALESCE_FAILED"):
        assert [step.text for step in found[code].next if step.text.startswith("On xcp1,")]
    assert f"chainwatch report {SR}" in [step.command for step in found["VDI_CORRUPT"].next]


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"type": "nfs"}, f"vhd-util check --debug -n /var/run/sr-mount/{SR}/{B}.vhd"),
        ({"type": "lvmoiscsi"}, f"vhd-util check --debug -n /dev/VG_XenStorage-{SR}/VHD-{B}"),
        ({"type": "linstor"}, None),
    ],
)
def test_the_check_is_told_with_the_path_of_the_image(fields: dict[str, str], shown: str | None) -> None:
    scene = quiet_pool(*pending_chain(), srs={SR_REF: an_sr(**fields)})
    step = next(
        one for one in scene.log(check_fails(scene.smlog(), 100)).look()["VDI_CORRUPT"].next if "check" in one.text
    )
    assert step.command == shown
    assert f"chainwatch coalesce --sr {SR} --running" in (step.precheck or "")


def test_a_qcow2_image_is_not_checked_as_a_vhd() -> None:
    chain = disk(A, hidden=True), disk(B, A, hidden=True, image_format="qcow2"), disk(C, B)
    scene = quiet_pool(*chain)
    found = scene.log(check_fails(scene.smlog(), 100)).look()["VDI_CORRUPT"]
    assert not any((step.command or "").startswith("vhd-util") for step in found.next)


def test_gone_image_clears_it() -> None:
    log = check_fails(Smlog(), 100).tick().start(110).tree(110, (0, printed(C, hidden=False))).finish(110)
    assert offline(log) == {}


@pytest.mark.parametrize("image", [A, B])
def test_a_merge_that_both_images_passed_clears_it(image: str) -> None:
    log = Smlog().start(100).chain(100).gc(100, f"Coalescing {printed(B)} -> {printed(A)}")
    log.sm(100, f"['/usr/bin/vhd-util', 'check', '--debug', '-n', '{path(image)}']").failed_command(100, 22, "bad")
    log.banner(100, "coalesce", f"VHD {printed(image)} corrupted").gc(100, "Coalesce failed, skipping")
    log.updated(100).finish(100)
    assert "VDI_CORRUPT" in offline(log)
    log.tick().start(110).chain(110).inner_start(110).copy(111).copied(110, 111).updated(110)
    log.tree(110, (0, printed(A)), (1, printed(C, hidden=False))).finish(110)
    assert "VDI_CORRUPT" not in offline(log)


def test_a_copy_that_starts_shows_that_both_images_passed() -> None:
    log = check_fails(Smlog(), 100).tick().start(110).chain(110).inner_start(110).copy(111)
    assert "VDI_CORRUPT" not in offline(log)


def after_a_failover(rc: int = 22) -> tuple[Scene, Smlog]:
    """The old master found B corrupt; the pool's other host is master now, and its log begins."""
    scene = quiet_pool(*pending_chain())
    scene.log(check_fails(scene.smlog(), 100, rc=rc))
    assert "VDI_CORRUPT" in scene.codes()
    assert scene.picture is not None
    assert scene.picture.pool is not None
    scene.seen(pool=replace(scene.picture.pool, master_ref="OpaqueRef:xcp2"), master_since=scene.now)
    scene.now += timedelta(seconds=5)
    return scene, scene.smlog(MEMBER)


def test_after_a_failover_the_new_masters_merge_clears_it() -> None:
    scene, log = after_a_failover()
    log.start(200).chain(200).inner_start(200).copy(201)
    assert "VDI_CORRUPT" not in scene.log(log, MEMBER).codes(), "SM copies what passed its check, and nothing else"
    scene.log(scene.smlog(MEMBER).copied(200, 201).updated(200).finish(200), MEMBER)
    assert "VDI_CORRUPT" not in scene.codes()


def test_after_a_failover_a_run_that_did_not_check_it_clears_nothing() -> None:
    scene, log = after_a_failover()
    assert "VDI_CORRUPT" in scene.log(log.start(200).chain(200).finish(200), MEMBER).codes()


def test_after_a_failover_an_image_that_was_only_out_of_reach_is_there_for_the_new_master() -> None:
    scene, log = after_a_failover(rc=2)
    assert "VDI_CORRUPT" not in scene.log(log.start(200).chain(200).finish(200), MEMBER).codes()


def test_after_a_failover_what_the_new_master_finds_stays() -> None:
    scene, log = after_a_failover()
    found = scene.log(check_fails(log, 200), MEMBER).look()["VDI_CORRUPT"]
    assert found.severity == "error"


def test_an_image_that_nothing_merges_any_more_stays_corrupt() -> None:
    log = check_fails(Smlog(), 100).tick().start(110).chain(110).finish(110)
    assert "VDI_CORRUPT" in offline(log)


def test_unavailable_is_said_and_clears_with_a_good_run() -> None:
    log = check_fails(Smlog(), 100, "No such file or directory", rc=2)
    assert "may only be unavailable" in offline(log)["VDI_CORRUPT"].summary
    log.tick().start(110).chain(110).finish(110)
    assert "VDI_CORRUPT" not in offline(log)


def test_after_a_killed_merge_the_footer_is_the_suspect() -> None:
    log = Smlog().start(100).chain(100).inner_start(100).copy(101)
    found = offline(check_fails(log.tick(), 110, "primary footer invalid: invalid cookie"))
    assert "killed merge" in found["VDI_CORRUPT"].summary


# --- VDI_PARENT_MISSING, VDI_LOST -----------------------------------------------------------------------------


def parent_missing(log: Smlog, pid: int) -> Smlog:
    log.start(pid).banner(pid, "gc", f"Parent VDI {GONE} of {B} not found")
    return log.gc(pid, f"* * * * * SR {SR}: ERROR", "").finish(pid, clean=False)


def test_missing_parent_is_the_root_of_the_crash() -> None:
    found = offline(parent_missing(Smlog(), 100))
    assert found["VDI_PARENT_MISSING"].subject.uuid == B
    assert found["GC_CRASHED"].because == (found["VDI_PARENT_MISSING"].id,)


def test_a_scan_that_goes_through_clears_it() -> None:
    assert offline(parent_missing(Smlog(), 100).tick().start(110).chain(110).finish(110)) == {}


def test_a_parent_that_only_xenapi_lacks_is_its_stale_picture() -> None:
    scene = quiet_pool(disk(B, A, hidden=True), disk(C, B))
    scene.look()
    assert "VDI_PARENT_MISSING" in scene.wait(61).codes()
    scene.log(scene.smlog().start(100).chain(100).finish(100))
    assert "VDI_PARENT_MISSING" not in scene.codes()


def test_a_parent_that_comes_a_moment_later_is_nothing() -> None:
    scene = quiet_pool(disk(B, A, hidden=True), disk(C, B))
    scene.look()
    scene.vdis(*pending_chain()).wait(30)
    assert "VDI_PARENT_MISSING" not in scene.wait(60).codes()


def test_forgotten_parent_that_is_still_needed_is_lost() -> None:
    log = parent_missing(Smlog(), 100).tick()
    log.sm(200, f"sr_scan {{'sr_uuid': '{SR}'}}", f"VDIs missing from disk: ['{GONE}']")
    log.sm(200, f"Forgetting VDI with location={GONE} uuid={GONE}")
    found = offline(log)
    assert found["VDI_LOST"].subject.uuid == GONE
    assert found["VDI_PARENT_MISSING"].because == (found["VDI_LOST"].id,)


def test_forgetting_a_deleted_image_is_normal() -> None:
    log = Smlog().start(100).chain(100).finish(100).tick()
    log.sm(200, f"vdi_delete {{'sr_uuid': '{SR}', 'vdi_uuid': '{C}'}}").tick()
    log.sm(201, f"sr_scan {{'sr_uuid': '{SR}'}}", f"VDIs missing from disk: ['{C}']")
    log.sm(201, f"Forgetting VDI with location={C} uuid={C}")
    assert offline(log) == {}


def test_disk_that_the_last_scan_did_not_find() -> None:
    scene = quiet_pool(disk(A, hidden=True), disk(C, A, missing=True))
    assert scene.look()["VDI_LOST"].subject.uuid == C
    scene.vdis(disk(A, hidden=True), disk(C, A))
    assert "VDI_LOST" not in scene.codes()


# --- DISK_FROZEN ----------------------------------------------------------------------------------------------


def frozen(log: Smlog) -> Smlog:
    log.start(100).chain(100).gc(100, f"Leaf-coalescing {printed(C, hidden=False)} -> {printed(B)}")
    return log.gc(100, f"ERROR: Failed to unpause VDI {printed(C, hidden=False)}")


def test_disk_that_could_not_be_unpaused() -> None:
    found = offline(frozen(Smlog()))["DISK_FROZEN"]
    assert found.severity == "error"
    assert found.subject.uuid.startswith(C[:8])


def test_unpaused_after_all() -> None:
    log = frozen(Smlog()).tick().sm(100, f"Unpause request for {C} secondary=None")
    assert "DISK_FROZEN" not in offline(log)


def test_pause_and_unpause_are_normal() -> None:
    log = Smlog().start(100).chain(100).sm(100, f"Pause request for {C}").tick()
    log.sm(100, f"Unpause request for {C} secondary=None").finish(100)
    assert offline(log) == {}

from __future__ import annotations

import pytest
from chainwatch_collector.judge.answer import Finding
from collector.judge.scene import (
    MASTER,
    SR_REF,
    a_vbd,
    a_vm,
    an_sr,
    disk,
    merged_chain,
    offline,
    pending_chain,
    quiet_pool,
)
from smlog import SR, A, B, C, Smlog
from smlog import disk as printed

VM = "eeeeeee5-0000-4000-8000-000000000005"
SISTER = "ddddddd4-0000-4000-8000-000000000004"


def copy_fails(log: Smlog, pid: int, rc: int, text: str) -> Smlog:
    """The child's copy dies with this exit code, the run goes on to its end."""
    log.start(pid).chain(pid).inner_start(pid).copy(pid + 1).failed_command(pid + 1, rc, "error coalescing")
    log.banner(pid + 1, "This exception has occured", text, "util.CommandException")
    log.sm(pid + 1, f"IPCFlag: set {SR}:failure")
    log.banner(pid, "coalesce", "Child process exited with error").gc(pid, "Coalesce failed, skipping")
    return log.updated(pid).finish(pid)


def merged(log: Smlog, pid: int) -> Smlog:
    log.tick().start(pid).chain(pid).inner_start(pid).copy(pid + 1).copied(pid, pid + 1)
    log.gc(pid, f"Deleting unlinked VDI {printed(B)}").updated(pid)
    return log.tree(pid, (0, printed(A)), (1, printed(C, hidden=False))).finish(pid)


def failed(log: Smlog) -> Finding:
    return offline(log)["COALESCE_FAILED"]


def test_io_error_is_an_error_at_once() -> None:
    found = failed(copy_fails(Smlog(), 100, 5, "Input/output error"))
    assert found.severity == "error"
    assert found.subject.uuid.startswith(B[:8])
    assert "I/O error" in found.summary


def test_transient_cause_is_info_until_it_persists() -> None:
    log = copy_fails(Smlog(), 100, -9, "Signalled 9")
    assert failed(log).severity == "info"
    assert failed(copy_fails(log.tick(3600), 110, -9, "Signalled 9")).severity == "info"
    found = failed(copy_fails(log.tick(3700), 120, -9, "Signalled 9"))
    assert (found.severity, found.count) == ("warning", 3)


def test_merging_the_pair_clears_it() -> None:
    assert offline(merged(copy_fails(Smlog(), 100, 5, "Input/output error"), 110)) == {}


def test_a_pair_that_vanished_clears_it() -> None:
    log = copy_fails(Smlog(), 100, 5, "Input/output error").tick().start(110)
    assert offline(log.tree(110, (0, printed(C, hidden=False))).finish(110)) == {}


def test_a_pair_that_is_not_tried_again_is_not_healed() -> None:
    log = copy_fails(Smlog(), 100, 5, "Input/output error").tick().start(110).chain(110).finish(110)
    assert failed(log).count == 1


def test_the_inventory_heals_what_it_no_longer_has() -> None:
    scene = quiet_pool(*pending_chain())
    scene.log(copy_fails(scene.smlog(), 100, 5, "Input/output error").tick(5))
    scene.wait(10)
    assert "COALESCE_FAILED" in scene.codes()
    assert scene.look()["COALESCE_FAILED"].subject.uuid == B
    scene.vdis(*merged_chain()).wait(1)
    assert "COALESCE_FAILED" not in scene.codes()


def test_a_frozen_picture_heals_nothing() -> None:
    scene = quiet_pool(*pending_chain())
    scene.log(copy_fails(scene.smlog(), 100, 5, "Input/output error").tick(5)).wait(10)
    scene.vdis(*merged_chain()).seen(problem="connection refused").wait(1)
    found = scene.look()["COALESCE_FAILED"]
    assert found.severity == "error"


# --- COALESCE_NO_SPACE ----------------------------------------------------------------------------------------


def refused(log: Smlog, pid: int, free: int = 1 << 20) -> Smlog:
    log.tick().start(pid).chain(pid).gc(pid, f"No space to coalesce {printed(B)} (free space: {free})")
    return log.sm(pid, f"Could not coalesce due to a lack of space in SR {SR}").finish(pid)


def test_refused_beforehand_says_what_is_free() -> None:
    found = offline(refused(Smlog(), 100))["COALESCE_NO_SPACE"]
    assert (found.severity, found.subject.kind) == ("error", "sr")
    assert "refused" in found.summary
    assert "free: 1.0 MiB" in found.summary


def test_died_of_it_and_the_merge_points_to_it() -> None:
    log = copy_fails(Smlog(), 100, 28, "No space left on device")
    found = offline(log)
    assert "died" in found["COALESCE_NO_SPACE"].summary
    assert found["COALESCE_FAILED"].because == (found["COALESCE_NO_SPACE"].id,)


def test_a_full_run_that_refused_nothing_clears_it() -> None:
    log = refused(Smlog(), 100)
    assert offline(log.tick().start(110).chain(110).finish(110)) == {}


def test_refused_again_stays_one_finding() -> None:
    found = offline(refused(refused(Smlog(), 100), 110))["COALESCE_NO_SPACE"]
    assert found.count == 2


def test_need_comes_from_the_inventory() -> None:
    vdis = (
        disk(A, hidden=True, allocated_blocks=100),
        disk(B, A, hidden=True, allocated_blocks=50, merged_blocks=120),
        disk(C, B),
    )
    tight = an_sr(physical_utilisation_bytes=an_sr().physical_size_bytes - (16 << 20))
    scene = quiet_pool(*vdis, srs={"OpaqueRef:sr": tight})
    found = scene.log(refused(scene.smlog(), 100)).look()["COALESCE_NO_SPACE"]
    assert "free: 16.0 MiB" in found.summary
    assert "needs" in found.summary or scene.tracker.state(scene.now).srs[SR].forest is None


# --- LEAF_COALESCE_GAVE_UP ------------------------------------------------------------------------------------


def gave_up(log: Smlog, pid: int) -> Smlog:
    log.start(pid).tree(pid, (0, printed(A)), (1, printed(C, hidden=False)))
    log.gc(pid, f"Leaf-coalescing {printed(C, hidden=False)} -> {printed(A)}")
    log.gc(pid, "No progress, attempt: 3", "Aborted coalesce", "No progress made for 3 iterations")
    log.banner(pid, "leaf-coalesce", f"VDI {C} could not be coalesced")
    return log.gc(pid, f"Leaf-coalesce failed on {printed(C, hidden=False)}, skipping").updated(pid).finish(pid)


def test_a_busy_guest_is_info_first_and_warning_when_it_goes_on() -> None:
    log = gave_up(Smlog(), 100)
    assert offline(log)["LEAF_COALESCE_GAVE_UP"].severity == "info"
    gave_up(log.tick(1000), 110)
    assert offline(log)["LEAF_COALESCE_GAVE_UP"].severity == "info"
    found = offline(gave_up(log.tick(3000), 120))["LEAF_COALESCE_GAVE_UP"]
    assert (found.severity, found.count) == ("warning", 3)


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        (
            "lvmoiscsi",
            f"xe host-call-plugin host-uuid={MASTER} plugin=coalesce-leaf fn=leaf-coalesce args:vm_uuid={VM}",
        ),
        ("nfs", None),
    ],
)
def test_the_plugin_is_told_with_host_and_vm_where_it_can_help(kind: str, shown: str | None) -> None:
    guest, leaf = a_vm(VM), disk(C, B)
    vbd = a_vbd(guest, leaf)
    store = {SR_REF: an_sr(type=kind)}
    scene = quiet_pool(disk(A, hidden=True), disk(B, A, hidden=True), leaf, vms={guest.ref: guest}, srs=store)
    scene.seen(vbds={vbd.ref: vbd})
    found = scene.log(gave_up(scene.smlog(), 100)).look()["LEAF_COALESCE_GAVE_UP"]
    steps = {step.text.split()[0]: step for step in found.next}
    assert next(step for step in found.next if "plugin" in step.text).command == shown
    assert (
        steps["other-config:leaf-coalesce=force"].command
        == f"xe vdi-param-set uuid={C} other-config:leaf-coalesce=force"
    )


def test_gave_up_is_no_failed_merge_and_clears_when_the_leaf_merged() -> None:
    log = gave_up(Smlog(), 100)
    assert "COALESCE_FAILED" not in offline(log)
    log.tick().start(110).tree(110, (0, printed(C, hidden=False))).finish(110)
    assert offline(log) == {}


def test_one_lost_race_is_nothing() -> None:
    log = Smlog().start(100).tree(100, (0, printed(A)), (1, printed(C, hidden=False)))
    log.gc(100, f"Leaf-coalescing {printed(C, hidden=False)} -> {printed(A)}")
    log.gc(100, "The VDI appears to have been concurrently snapshotted")
    assert offline(log.updated(100).finish(100)) == {}


# --- CHAIN_MULTI_HOST -----------------------------------------------------------------------------------------


def test_active_on_several_hosts_ends_the_run() -> None:
    message = "Not coalesceable, chain activated more than once"
    log = Smlog(cow=True).start(100).chain(100).gc(100, f"Coalescing {printed(B)} -> {printed(A)}", message)
    log.banner(100, "gc", message, "Exception").gc(100, f"* * * * * SR {SR}: ERROR", "").finish(100, clean=False)
    found = offline(log)
    assert found["CHAIN_MULTI_HOST"].severity == "error"
    assert found["GC_CRASHED"].because == (found["CHAIN_MULTI_HOST"].id,)
    log.tick().start(110).chain(110).finish(110)
    assert offline(log) == {}


@pytest.mark.parametrize(("image_format", "raised"), [("qcow2", True), ("vhd", False)])
def test_several_hosts_in_the_inventory(image_format: str, raised: bool) -> None:
    """Fast clones of a VHD on several hosts are normal; QCOW2 merges are refused."""
    both = {"OpaqueRef:xcp1": "RW"}
    other = {"OpaqueRef:xcp2": "RW"}
    vdis = [
        disk(A, hidden=True),
        disk(B, A, hidden=True),
        disk(C, B, attached_hosts=both),
        disk(SISTER, B, attached_hosts=other),
    ]
    vdis = [vdi._replace(image_format="qcow2" if image_format == "qcow2" else "vhd") for vdi in vdis]
    scene = quiet_pool(*vdis)
    assert ("CHAIN_MULTI_HOST" in scene.codes()) is raised

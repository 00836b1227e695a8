"""Kinds of runs and merges, each told by the lines that tell it (SMlog catalogue 2.14, 3.3, 3.7)."""

from __future__ import annotations

import pytest
from chainwatch_collector.read.facts import (
    GcFailureLogged,
    JournalReplayed,
    LeafGaveUp,
    MultiAttachSeen,
    ParentMissing,
    ScanFailed,
    VdiCorrupt,
)
from smlog import SR, A, B, C, Smlog, brief, disk, path, read

INNER = ("inner", B[:8], A[:8])
LEAF = ("leaf", C[:8], B[:8])


def one_inner(log: Smlog, pid: int = 100, child: int = 110) -> Smlog:
    return log.inner_start(pid).copy(child).tick(5).copied(pid, child).updated(pid)


def test_healthy_inner_merge() -> None:
    log = Smlog().start(100).chain(100)
    assert brief(one_inner(log).finish(100)) == [("worked", [(*INNER, "done", None)])]


def test_with_thread_and_cow_wording() -> None:
    log = Smlog(thread="MainThread", cow=True).start(100).chain(100)
    assert brief(one_inner(log).finish(100)) == [("worked", [(*INNER, "done", None)])]


def test_two_runs_of_one_pid_are_two_runs() -> None:
    log = Smlog()
    for _ in range(2):
        log = one_inner(log.start(100).chain(100)).finish(100).tick(60)
    assert [run[0] for run in brief(log)] == ["worked", "worked"]


def test_enospc_in_the_copy() -> None:
    log = Smlog().start(100).chain(100).inner_start(100).copy(110).failed_command(110, 28, "error coalescing: -28")
    log.sm(110, f"Coalesce failed on SR {SR}: No space left on device (Run out of space while coalescing.)")
    log.gc(110, "Child process failed with : (No space left on device)")
    log.banner(110, "This exception has occured", "No space left on device", "util.CommandException")
    log.sm(100, f"Coalesce failed on {B}, attempting repair on parent {path(A)}")
    log.banner(100, "coalesce", "Child process exited with error").gc(100, "Coalesce failed, skipping").updated(100)
    assert brief(log.finish(100)) == [("failed", [(*INNER, "no_space", "no_space")])]


@pytest.mark.parametrize(
    ("rc", "text", "cause"),
    [
        (-9, "Signalled 9", "killed"),
        (-9, "Bad file descriptor", "killed"),
        (5, "Connection timed out", "io_error"),
        (1, "Operation not permitted", "unknown"),
        (22, "Invalid argument", "unknown"),
    ],
)
def test_cause_is_the_tools_not_strerrors(rc: int, text: str, cause: str) -> None:
    log = Smlog().start(100).chain(100).inner_start(100).copy(110).failed_command(110, rc, "")
    log.gc(110, f"Child process failed with : ({text})").sm(110, f"IPCFlag: set {SR}:failure")
    log.banner(110, "This exception has occured", text, "util.CommandException")
    log.banner(100, "coalesce", "Child process exited with error").gc(100, "Coalesce failed, skipping").updated(100)
    assert brief(log.finish(100)) == [("failed", [(*INNER, "failed", cause)])]


def test_copy_of_more_than_one_tib_that_only_seems_to_fail() -> None:
    log = Smlog().start(100).chain(100).inner_start(100).copy(110)
    log.failed_command(110, 64, "error coalescing: -2147483392")
    log.banner(100, "coalesce", "Child process exited with error").gc(100, "Coalesce failed, skipping").updated(100)
    assert brief(log.finish(100)) == [("failed", [(*INNER, "failed", "tool_bug")])]


def test_vhd_that_fails_its_check() -> None:
    log = Smlog().start(100).chain(100).gc(100, f"Coalescing {disk(B)} -> {disk(A)}")
    log.sm(100, f"['/usr/bin/vhd-util', 'check', '--debug', '-n', '{path(B)}']")
    log.failed_command(100, 22, "block 3 (offset 0x302f) clobbers block 4")
    log.banner(100, "coalesce", f"VHD {disk(B)} corrupted").gc(100, "Coalesce failed, skipping").updated(100)
    assert brief(log.finish(100)) == [("failed", [(*INNER, "failed", "corrupt")])]
    corrupt = [fact for fact in read(log)[1] if isinstance(fact, VdiCorrupt)]
    assert [(fact.vdi, fact.sure, fact.after_kill) for fact in corrupt] == [(B, True, False)]
    assert corrupt[0].detail.startswith("block 3")


def test_check_that_met_an_io_error_is_not_sure_of_corruption() -> None:
    log = Smlog().start(100).chain(100).gc(100, f"Coalescing {disk(B)} -> {disk(A)}")
    log.sm(100, f"['/usr/bin/vhd-util', 'check', '--debug', '-n', '{path(B)}']").failed_command(100, 5, "read error")
    log.banner(100, "coalesce", f"VHD {disk(B)} corrupted").gc(100, "Coalesce failed, skipping").updated(100)
    assert brief(log.finish(100)) == [("failed", [(*INNER, "failed", "io_error")])]
    assert [fact.sure for fact in read(log)[1] if isinstance(fact, VdiCorrupt)] == [False]


def test_killed_then_parent_without_footer() -> None:
    log = Smlog().start(100).chain(100).inner_start(100).copy(110).tick(60)
    log.start(200).chain(200).gc(200, f"Coalescing {disk(B)} -> {disk(A)}")
    log.sm(200, f"['/usr/bin/vhd-util', 'check', '--debug', '-n', '{path(A)}', '-B']")
    log.failed_command(200, 22, "primary footer invalid: invalid cookie")
    log.banner(200, "coalesce", f"VHD {disk(A)} corrupted").gc(200, "Coalesce failed, skipping").updated(200)
    assert brief(log.finish(200)) == [
        ("killed", [(*INNER, "interrupted", "killed")]),
        ("failed", [(*INNER, "failed", "corrupt")]),
    ]
    assert [fact.after_kill for fact in read(log)[1] if isinstance(fact, VdiCorrupt)] == [True]


def test_only_the_gc_killed_its_child_lives_on() -> None:
    log = Smlog().start(90, worker=100).chain(100).inner_start(100).copy(110).tick(5)
    log.start(190, worker=200).chain(200).inner_start(200).copy(210).tick(3)
    log.failed_command(110, -9, "").sm(110, f"IPCFlag: set {SR}:failure")
    log.gc(110, "Child process failed with : (Signalled 9)")
    log.copied(200, 210).updated(200).finish(200)
    assert brief(log) == [
        ("killed", [(*INNER, "interrupted", "killed")]),
        ("worked", [(*INNER, "done", None)]),
    ]


def test_died_between_copy_and_relink_and_replayed() -> None:
    log = Smlog().start(100).chain(100).inner_start(100).copy(110).copied(100, 110).tick(60)
    log.start(200).chain(200).gc(200, f"Coalescing {disk(B)} -> {disk(A)}")
    log.gc(200, "==> Coalesce apparently already done: skipping")
    log.gc(200, f"  Relinking {disk(C, hidden=False)} from {disk(B)} to {disk(A)}").updated(200).finish(200)
    assert brief(log) == [
        ("killed", [(*INNER, "interrupted", "killed")]),
        ("worked", [(*INNER, "done", None)]),
    ]


def leaf_start(log: Smlog, pid: int) -> Smlog:
    log.gc(pid, f"Leaf-coalesce candidate: {disk(C, hidden=False)}")
    return log.gc(pid, f"Leaf-coalescing {disk(C, hidden=False)} -> {disk(B)}")


def live_copy(log: Smlog, pid: int, child: int) -> Smlog:
    return log.gc(pid, f"  Running VHD coalesce on {disk(C, hidden=False)}").copy(child, C)


def undo(log: Smlog, pid: int) -> Smlog:
    return log.gc(
        pid,
        "*** UNDO LEAF-COALESCE",
        f"Renaming child back to {C}",
        "Updating the VDI record",
        "*** leaf-coalesce undo successful",
    )


def leaf_failed(log: Smlog, pid: int, message: str, cls: str = "util.SMException") -> Smlog:
    log.banner(pid, "leaf-coalesce", message, cls)
    return log.gc(pid, f"Leaf-coalesce failed on {disk(C, hidden=False)}, skipping").updated(pid)


def test_leaf_merge_with_rounds_is_one_merge() -> None:
    log = leaf_start(Smlog().start(100).chain(100), 100)
    snapshot = "ddddddd4-0000-4000-8000-000000000004"
    log.gc(100, f"Single-snapshotting {disk(C, hidden=False)}", f"Coalescing parent {disk(snapshot)}")
    log.gc(100, f"  Running VHD coalesce on {disk(snapshot)}").copy(110, snapshot).copied(100, 110)
    log.gc(100, "Coalesce summary", "Performed 1 iterations")
    live_copy(log, 100, 111).copied(100, 111)
    log.gc(100, f"Removed leaf-coalesce from {disk(C, hidden=False)}").updated(100).finish(100)
    assert brief(log) == [("worked", [(*LEAF, "done", None)])]


def test_leaf_merge_whose_rounds_succeed_and_live_part_does_not() -> None:
    log = live_copy(leaf_start(Smlog().start(100).chain(100), 100), 100, 111).tick(11)
    log.banner(100, "_doCoalesceLeaf", "Timed out")
    leaf_failed(undo(log, 100), 100, "Timed out").finish(100)
    assert brief(log) == [("failed", [(*LEAF, "timed_out", "timed_out")])]
    assert [f.interrupted for f in read(log)[1] if isinstance(f, JournalReplayed)] == [False]


def test_leaf_merge_undone_by_the_next_run() -> None:
    log = live_copy(leaf_start(Smlog().start(100).chain(100), 100), 100, 111).copied(100, 111).tick(60)
    log.start(200).chain(200)
    undo(log, 200)
    live_copy(leaf_start(log, 200), 200, 211).copied(200, 211).updated(200).finish(200)
    assert brief(log) == [
        ("killed", [(*LEAF, "interrupted", "killed")]),
        ("worked", [(*LEAF, "done", None)]),
    ]
    journals = [fact for fact in read(log)[1] if isinstance(fact, JournalReplayed)]
    assert [(fact.what, fact.vdi, fact.interrupted) for fact in journals] == [("undone", C, True)]


def test_leaf_merge_finished_by_the_next_run() -> None:
    log = live_copy(leaf_start(Smlog().start(100).chain(100), 100), 100, 111).copied(100, 111).tick(60)
    log.start(200).chain(200)
    log.gc(200, "*** FINISH LEAF-COALESCE", "*** finished leaf-coalesce successfully").finish(200)
    assert brief(log) == [("killed", [(*LEAF, "interrupted", "killed")]), ("worked", [])]


def test_leaf_gives_up() -> None:
    log = leaf_start(Smlog().start(100).chain(100), 100)
    log.gc(100, f"Single-snapshotting {disk(C, hidden=False)}", "No progress, attempt: 1", "Aborted coalesce")
    log.gc(100, "Iteration: 1 -- Initial size 100 --> Final size 200", "No progress made for 3 iterations")
    leaf_failed(log, 100, f"VDI {C} could not be coalesced").finish(100)
    assert brief(log) == [("failed", [(*LEAF, "gave_up", "guest_writes")])]
    assert [fact.reason for fact in read(log)[1] if isinstance(fact, LeafGaveUp)] == [
        "No progress made for 3 iterations"
    ]


def test_lost_race_is_no_failure() -> None:
    log = leaf_start(Smlog().start(100).chain(100), 100)
    log.gc(100, f"Single-snapshotting {disk(C, hidden=False)}", "The VDI tree appears to have been altered since")
    assert brief(log.updated(100).finish(100)) == [("idle", [(*LEAF, "interrupted", "busy")])]


def test_leaf_fails_in_xenapi() -> None:
    log = leaf_start(Smlog().start(100).chain(100), 100)
    leaf_failed(log, 100, "['HANDLE_INVALID', 'VDI', 'OpaqueRef:x']", "XenAPI.XenAPI.Failure").finish(100)
    assert brief(log) == [("failed", [(*LEAF, "failed", "xapi")])]


def test_refused_thrice_is_one_refusal() -> None:
    log = Smlog().start(100).chain(100)
    log.gc(100, *[f"No space to coalesce {disk(B)} (free space: 79691776)"] * 3)
    assert brief(log.finish(100)) == [("failed", [(*INNER, "no_space", "no_space")])]


def test_multi_attach_ends_the_run() -> None:
    log = Smlog(thread="MainThread", cow=True).start(100).chain(100)
    log.gc(100, f"Coalescing {disk(B)} -> {disk(A)}", "Not coalesceable, chain activated more than once")
    log.gc(100, "GC process exiting, no work left")
    log.banner(100, "gc", "Not coalesceable, chain activated more than once", "Exception")
    log.gc(100, f"* * * * * SR {SR}: ERROR", "")
    assert brief(log) == [("crashed", [(*INNER, "failed", "multi_attach")])]
    facts = read(log)[1]
    assert any(isinstance(fact, MultiAttachSeen) for fact in facts)
    assert [fact.reason for fact in facts if isinstance(fact, GcFailureLogged)] == ["multi_attach"]


def test_what_ended_the_run_ended_its_merge() -> None:
    log = Smlog().start(100).chain(100).gc(100, f"Coalescing {disk(B)} -> {disk(A)}")
    log.gc(100, "GC process exiting, no work left")
    log.banner(100, "gc", "['HOST_OFFLINE', 'OpaqueRef:1']", "XenAPI.Failure").gc(100, f"* * * * * SR {SR}: ERROR", "")
    assert brief(log) == [("crashed", [(*INNER, "failed", "xapi")])]


def test_hidden_crash() -> None:
    assert brief(Smlog().start(100).chain(100).finish(100, clean=False)) == [("crashed", [])]


def test_hidden_scan_error_uses_up_its_tries() -> None:
    log = Smlog().start(100)
    for attempt in range(3):
        log.gc(100, f"Scan error on attempt {attempt}")
    assert brief(log.finish(100, clean=False)) == [("crashed", [])]
    assert [fact.final for fact in read(log)[1] if isinstance(fact, ScanFailed)] == [False, False, True]
    assert read(log)[0].runs[0].reason == "scan_failed"


def test_logged_crash_names_the_missing_parent() -> None:
    log = Smlog().start(90, worker=100).finish(100, clean=False)
    log.banner(100, "gc", f"Parent VDI {A} of {B} not found").gc(100, f"* * * * * SR {SR}: ERROR", "")
    assert brief(log) == [("crashed", [])]
    reader, facts = read(log)
    assert [(fact.parent, fact.child) for fact in facts if isinstance(fact, ParentMissing)] == [(A, B)]
    assert (reader.runs[0].reason, reader.runs[0].launcher_pid, reader.runs[0].pid) == ("parent_missing", 90, 100)


@pytest.mark.parametrize("message", ["This host is NOT master, will not run", f"SR {SR} not attached on this host"])
def test_not_the_host_to_run_it(message: str) -> None:
    log = Smlog().gc(90, f"=== SR {SR}: gc ===").gc(99, "Will finish as PID [100]").gc(90, "New PID [99]")
    log.banner(100, "gc", message).gc(100, f"* * * * * SR {SR}: ERROR", "")
    assert brief(log) == [("not_here", [])]
    assert not any(isinstance(fact, GcFailureLogged) for fact in read(log)[1])


def test_no_longer_attached() -> None:
    log = Smlog().gc(100, f"=== SR {SR}: gc ===", "SR no longer attached, exiting", "In cleanup")
    log.gc(100, "SR 0a1b ('x') (0 VDIs in 0 VHD trees): no changes")
    assert brief(log) == [("not_here", [])]


def test_superseded_on_8_2_does_not_end_the_run_that_holds_the_lock() -> None:
    log = Smlog().start(90, worker=100).chain(100).inner_start(100).copy(110)
    log.start(190, worker=200).gc(200, "Another GC instance already active, exiting", "In cleanup")
    log.gc(200, "SR 0a1b ('x') (0 VDIs in 0 VHD trees): no changes")
    log.copied(100, 110).updated(100).finish(100)
    assert brief(log) == [("worked", [(*INNER, "done", None)]), ("superseded", [])]


def abort(log: Smlog, pid: int) -> Smlog:
    log.gc(pid, f"=== SR {SR}: abort ===", f"Aborting currently-running instance (SR {SR})")
    return log.sm(pid, f"IPCFlag: set {SR}:abort")


def test_abort_in_the_foreground_says_nothing() -> None:
    log = abort(Smlog().start(100).chain(100).inner_start(100).copy(110), 300).tick()
    log.gc(100, "In cleanup").finish(100, clean=False).gc(300, "abort: releasing the process lock")
    assert brief(log) == [("aborted", [(*INNER, "interrupted", "aborted")])]


def test_abort_in_the_quiet_period() -> None:
    log = abort(Smlog().start(90, worker=100).chain(100).gc(100, "GC active, about to go quiet"), 300)
    log.finish(100, clean=False).gc(100, "Aborted")
    assert brief(log) == [("aborted", [])]


def test_sigterm_to_the_whole_unit() -> None:
    log = Smlog().start(100).chain(100).inner_start(100).copy(110)
    log.sm(100, "GC: recieved SIGTERM").sm(110, "GC: recieved SIGTERM").failed_command(110, -15, "")
    log.gc(110, "Child process failed with : (Signalled 15)")
    log.banner(100, "coalesce", "Child process exited with error").gc(100, "Coalesce failed, skipping").updated(100)
    log.gc(100, "Term requested").finish(100, clean=False)
    assert brief(log) == [("aborted", [(*INNER, "interrupted", "aborted")])]


def test_switched_off() -> None:
    assert brief(Smlog().gc(100, f"=== SR {SR}: gc ===", "GC is disabled for this SR, abort")) == [("disabled", [])]


def test_forced_run() -> None:
    log = Smlog().gc(100, f"=== SR {SR}: gc_force ===", "Nothing was running, clear to proceed").chain(100)
    log.gc(100, "Found 0 cache files", "Found 1 VDIs for deletion:", f"  {disk(B)}", f"Deleting unlinked VDI {disk(B)}")
    log.gc(100, "In cleanup", "SR 0a1b ('x') (2 VDIs in 1 VHD trees): no changes")
    assert brief(log) == [("worked", [])]


def test_plugin_run_has_no_start_line() -> None:
    log = Smlog(thread="MainThread").gc(100, f"Coalescing all in SR {SR}...").chain(100)
    live_copy(leaf_start(log, 100), 100, 111).copied(100, 111).updated(100).finish(100)
    assert brief(log) == [("worked", [(*LEAF, "done", None)])]


def test_run_whose_start_was_not_read() -> None:
    log = Smlog().inner_start(100).copy(110).copied(100, 110).updated(100).finish(100)
    reader, _ = read(log)
    assert brief(log) == [("worked", [(*INNER, "done", None)])]
    assert (reader.runs[0].start_seen, reader.runs[0].sr) == (False, SR)


def test_driver_call_under_the_pid_of_a_run_shows_that_it_is_gone() -> None:
    log = Smlog().start(100).chain(100).inner_start(100).tick(600)
    log.sm(100, f"sr_scan {{'sr_uuid': '{SR}', 'command': 'sr_scan'}}")
    assert brief(log) == [("killed", [(*INNER, "interrupted", "killed")])]


def test_run_without_an_end_is_running() -> None:
    assert brief(Smlog().start(100).chain(100).inner_start(100)) == [("running", [(*INNER, "running", None)])]


def test_dry_run_that_loops_is_one_merge() -> None:
    log = Smlog().start(100).chain(100).gc(100, *[f"Coalescing {disk(B)} -> {disk(A)}"] * 5)
    assert [len(merges) for _, merges in brief(log)] == [1]

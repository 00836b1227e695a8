from __future__ import annotations

import pytest
from collector.judge.scene import (
    MASTER,
    MEMBER,
    START,
    Scene,
    a_host,
    a_picture,
    an_sr,
    offline,
    pending_chain,
    quiet_pool,
)
from smlog import SR, A, B, Smlog, disk

MISSING = "Parent VDI 75310171-a53b-4347-a027-698d2a55d69d of df8b14c8-6376-4743-98aa-6a8fceb60ef5 not found"


def hidden_crash(log: Smlog, pid: int) -> Smlog:
    """8.3 in systemd mode: an end without `No work`."""
    return log.start(pid).chain(pid).finish(pid, clean=False)


def loud_crash(log: Smlog, pid: int, message: str) -> Smlog:
    """With the banner and the ERROR line."""
    log.start(pid).banner(pid, "gc", message)
    return log.gc(pid, f"* * * * * SR {SR}: ERROR", "").finish(pid, clean=False)


def good_run(log: Smlog, pid: int) -> Smlog:
    return log.tick().start(pid).chain(pid).finish(pid)


# --- GC_CRASHED -----------------------------------------------------------------------------------------------


def test_hidden_crash_is_a_warning_and_an_error_when_it_repeats() -> None:
    log = hidden_crash(Smlog(), 100)
    assert offline(log)["GC_CRASHED"].severity == "warning"
    found = offline(hidden_crash(log.tick(), 101))["GC_CRASHED"]
    assert (found.severity, found.count) == ("error", 2)
    assert any("GC process exiting" in line.text for line in found.evidence)


def test_proven_crash_is_an_error_at_once_and_hidden_ones_after_it_are_the_same() -> None:
    log = loud_crash(Smlog(), 100, MISSING)
    log.tick().start(101).finish(101, clean=False)
    found = offline(log)["GC_CRASHED"]
    assert (found.severity, found.count) == ("error", 2)
    assert "parent" in found.summary


def test_hidden_crashes_before_a_proven_one_join_it() -> None:
    log = loud_crash(hidden_crash(Smlog(), 99).tick(), 100, MISSING)
    assert offline(log)["GC_CRASHED"].count == 2


def test_crash_clears_with_the_next_full_run() -> None:
    log = good_run(loud_crash(Smlog(), 100, MISSING), 101)
    assert offline(log) == {}


def test_ending_without_work_is_no_crash() -> None:
    log = good_run(Smlog(), 100)
    log.tick().start(101).gc(101, "Another GC instance already active, exiting").gc(101, "In cleanup")
    assert offline(log) == {}


# --- GC_INTERRUPTED -------------------------------------------------------------------------------------------


def aborted(log: Smlog, pid: int) -> Smlog:
    log.tick().start(pid).chain(pid).inner_start(pid).copy(pid + 1)
    log.gc(pid + 500, f"=== SR {SR}: abort ===", f"Aborting currently-running instance (SR {SR})")
    return log.gc(pid, "Aborted").finish(pid, clean=False)


def test_interrupted_again_and_again() -> None:
    log = Smlog()
    for pid in (100, 110):
        aborted(log, pid)
    assert "GC_INTERRUPTED" not in offline(log)
    found = offline(aborted(log, 120))["GC_INTERRUPTED"]
    assert (found.severity, found.count) == ("warning", 3)


def test_a_half_merge_that_is_taken_back_is_because_of_the_host_that_died_in_it() -> None:
    hosts = (a_host(MASTER), a_host(MEMBER, live=False))
    scene = Scene(a_picture(pending_chain(), hosts={host.ref: host for host in hosts}))
    died = scene.smlog(MEMBER).start(50).chain(50).gc(50, f"Leaf-coalescing {disk(B)} -> {disk(A)}").copy(51)
    scene.log(died, MEMBER)
    log = scene.smlog().tick(5).start(100).chain(100).gc(100, "*** UNDO LEAF-COALESCE")
    log.gc(100, f"Renaming child back to {B}", "*** leaf-coalesce undo successful")
    found = scene.log(log).look()
    assert "had to be undone" in found["GC_INTERRUPTED"].summary
    assert found["GC_INTERRUPTED"].because == (found["HOST_DOWN"].id,)


def test_a_finished_merge_in_between_clears_it() -> None:
    log = Smlog()
    for pid in (100, 110, 120):
        aborted(log, pid)
    log.tick().start(130).chain(130).inner_start(130).copy(131).copied(130, 131)
    log.gc(130, f"Deleting unlinked VDI *{B[:8]}(4.000G/400.790M?)").updated(130)
    assert "GC_INTERRUPTED" not in offline(log)


# --- GC_DISABLED ----------------------------------------------------------------------------------------------


def switched_off(log: Smlog, pid: int) -> Smlog:
    return log.tick().start(pid).chain(pid).gc(pid, "Coalesce disabled for this SR").finish(pid)


def test_switch_off_while_merges_are_pending() -> None:
    found = offline(switched_off(Smlog(), 100))["GC_DISABLED"]
    assert found.severity == "warning"
    assert "coalesce=false" in found.summary


def test_switch_back_on_clears_it() -> None:
    assert "GC_DISABLED" not in offline(good_run(switched_off(Smlog(), 100), 101))


def test_switch_off_with_nothing_pending_is_nothing() -> None:
    log = Smlog().start(100).tree(100, (0, f"{A[:8]}(4.000G/400.790M?)"))
    assert offline(log.gc(100, "Coalesce disabled for this SR").finish(100)) == {}


@pytest.mark.parametrize("switch", ["gc", "coalesce", "leaf-coalesce"])
def test_switch_in_the_inventory(switch: str) -> None:
    scene = quiet_pool(*pending_chain(), srs={"OpaqueRef:sr": an_sr(other_config={switch: "false"})})
    assert scene.look()["GC_DISABLED"].severity == "warning"
    assert scene.sr().state == "disabled"
    scene.seen(srs={"OpaqueRef:sr": an_sr()})
    assert "GC_DISABLED" not in scene.codes()


# --- GC_BLOCKED_BY_HOST ---------------------------------------------------------------------------------------


def test_pool_member_that_does_not_answer_holds_up_the_run() -> None:
    scene = quiet_pool(*pending_chain())
    log = scene.smlog().start(100).chain(100)
    log.gc(100, "Found 1 orphaned vdis", "Found 1 VDIs for deletion:", f"  *{B[:8]}(4.000G/1.000M?)")
    log.gc(100, f"Deleting unlinked VDI *{B[:8]}(4.000G/1.000M?)", "Checking with slave xcp2 (path /x)")
    scene.log(log)
    scene.wait(60)
    assert "GC_BLOCKED_BY_HOST" not in scene.codes()
    scene.wait(200)
    found = scene.look()["GC_BLOCKED_BY_HOST"]
    assert "xcp2" in found.summary
    assert "Checking with slave" in found.evidence[0].text


@pytest.mark.parametrize("asked", ["xcp2 (path /x)", "('OpaqueRef:xcp2', 'nfs-on-slave', 'check', {'path': '/x'})"])
def test_run_that_ended_over_a_host_and_the_host_that_is_down(asked: str) -> None:
    hosts = (a_host(MASTER), a_host(MEMBER, live=False))
    scene = Scene(a_picture(pending_chain(), hosts={host.ref: host for host in hosts}), agents={MASTER})
    colon = ":" if asked.startswith("(") else ""
    log = scene.smlog().start(100).chain(100).gc(100, f"Checking with slave{colon} {asked}")
    loud = "['HOST_OFFLINE', 'OpaqueRef:xcp2']"
    log.banner(100, "gc", loud, "XenAPI.Failure").gc(100, f"* * * * * SR {SR}: ERROR", "").finish(100, clean=False)
    found = scene.log(log).look()
    assert found["GC_BLOCKED_BY_HOST"].because == (found["HOST_DOWN"].id,)
    assert "because host xcp2 (down, says XenAPI) could not be asked" in found["GC_BLOCKED_BY_HOST"].summary
    assert "['HOST_OFFLINE', 'xcp2']" in found["GC_CRASHED"].summary
    scene.log(good_run(Smlog(host="xcp1", now=scene.now), 101))
    assert not {"GC_BLOCKED_BY_HOST", "GC_CRASHED"} & scene.codes()


def test_asking_hosts_in_passing_is_normal() -> None:
    scene = quiet_pool(*pending_chain())
    log = scene.smlog().start(100).chain(100).gc(100, "Checking with slave xcp2 (path /x)").updated(100).finish(100)
    scene.log(log).wait(900)
    assert "GC_BLOCKED_BY_HOST" not in scene.codes()
    assert scene.now > START

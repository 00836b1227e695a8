from __future__ import annotations

from dataclasses import replace

import pytest
from chainwatch_collector.track.coverage import Coverage
from chainwatch_collector.track.observations import LockHeld
from collector.judge.scene import MASTER, MEMBER, Scene, offline, pending_chain, process, quiet_pool
from smlog import OTHER_SR, SR, Smlog


def copying(scene: Scene) -> Scene:
    return scene.log(scene.smlog().start(100).chain(100).inner_start(100).copy(101))


def test_copy_that_moves_may_take_for_ever() -> None:
    scene = copying(quiet_pool(*pending_chain()))
    for number in range(30):
        scene.processes[MASTER] = (process(written=number << 20),)
        scene.wait(600)
    assert "GC_STUCK" not in scene.codes()
    assert scene.sr().state == "running"


def test_copy_without_progress_is_stuck_and_clears_when_it_moves() -> None:
    scene = copying(quiet_pool(*pending_chain()))
    scene.processes[MASTER] = (process(written=1 << 20),)
    scene.look()
    assert "GC_STUCK" not in scene.wait(890).codes()
    found = scene.wait(20).look()["GC_STUCK"]
    assert "without progress" in found.summary
    assert "state D" in found.summary
    assert scene.sr().state == "stuck"
    scene.processes[MASTER] = (process(written=2 << 20),)
    assert "GC_STUCK" not in scene.codes()


def test_progress_counts_on_whichever_host_the_copy_runs() -> None:
    scene = copying(quiet_pool(*pending_chain()))
    for number in range(5):
        scene.processes[MEMBER] = (process(written=number << 20),)
        scene.wait(600)
    assert "GC_STUCK" not in scene.codes()


def test_checks_are_progress() -> None:
    scene = copying(quiet_pool(*pending_chain()))
    for number in range(5):
        scene.processes[MASTER] = (process(kind="vhd_check", written=number << 20),)
        scene.wait(600)
    assert "GC_STUCK" not in scene.codes()


def test_copying_with_no_process_anywhere() -> None:
    scene = copying(quiet_pool(*pending_chain()))
    found = scene.wait(1000).look()["GC_STUCK"]
    assert "no image process is there" in found.summary


def test_copying_where_nobody_looks_is_unknown() -> None:
    scene = copying(quiet_pool(*pending_chain()))
    scene.agents = {MEMBER}
    codes = scene.wait(5000).codes()
    assert "GC_STUCK" not in codes
    assert "AGENT_SILENT" not in codes  # it never reported; only its log was read


def test_waiting_for_a_lock_names_the_holder() -> None:
    scene = quiet_pool(*pending_chain())
    scene.locks = (LockHeld(sr_uuid=SR, lock="sr", pid=777, start_ticks=1, waiting=False),)
    scene.log(Smlog(host="xcp1", now=scene.now).gc(100, f"=== SR {SR}: gc ==="))
    assert "GC_STUCK" not in scene.wait(590).codes()
    found = scene.wait(20).look()["GC_STUCK"]
    assert "held by pid 777" in found.summary
    scene.log(scene.smlog().gc(100, "Found 0 cache files").chain(100).finish(100))
    assert "GC_STUCK" not in scene.codes()


def test_offline_a_dead_run_looks_like_a_stuck_one_and_that_is_said() -> None:
    log = Smlog().start(100).chain(100).gc(100, f"Starting asynch srUpdate for SR {SR}")
    log.tick(3600).sm(200, f"sr_scan {{'sr_uuid': '{OTHER_SR}'}}")
    found = offline(log)["GC_STUCK"]
    assert found.summary.endswith("unless its process has died, which SMlog does not tell.")


GC_LOCK = LockHeld(sr_uuid=SR, lock="gc_active", pid=100, start_ticks=1, waiting=False)


def seen_to_show_gcs(of: str = SR) -> Scene:
    """An agent that has shown a GC at work and shows none now."""
    scene = quiet_pool(*pending_chain())
    scene.locks = (replace(GC_LOCK, pid=90, sr_uuid=of),)
    scene.look()
    scene.locks = ()
    return scene


@pytest.mark.parametrize("of", [SR, OTHER_SR])
def test_a_run_that_died_between_two_looks_is_killed_and_not_stuck(of: str) -> None:
    scene = seen_to_show_gcs(of)
    scene.log(scene.smlog().start(100).chain(100).gc(100, f"Starting asynch srUpdate for SR {SR}"))
    assert "GC_STUCK" not in scene.wait(300).codes()
    assert scene.last is not None
    assert [run.outcome for run in scene.last.answer.runs] == ["killed"]
    assert scene.sr().state == "waiting"
    found = scene.wait(1800).look()["GC_NOT_RUNNING"]
    assert "the last run was killed" in found.summary
    assert scene.codes() == {"GC_NOT_RUNNING"}


def test_the_copy_of_a_run_that_died_between_two_looks_is_interrupted() -> None:
    scene = copying(seen_to_show_gcs())
    assert "GC_STUCK" not in scene.wait(1000).codes()
    assert scene.last is not None
    (run,) = scene.last.answer.runs
    assert [(merge.outcome, merge.cause) for merge in run.merges] == [("interrupted", "killed")]


def test_a_run_that_holds_its_lock_is_stuck_whatever_else_is_seen() -> None:
    scene = seen_to_show_gcs()
    scene.locks = (GC_LOCK,)
    scene.log(scene.smlog().start(100).chain(100).gc(100, f"Starting asynch srUpdate for SR {SR}"))
    assert "GC_STUCK" in scene.wait(300).codes()


def test_a_run_that_waits_for_xapi_before_its_lock_is_no_dead_one() -> None:
    scene = seen_to_show_gcs()
    scene.processes[MASTER] = (process("", kind="gc", pid=100),)
    scene.log(Smlog(host="xcp1", now=scene.now).gc(100, f"=== SR {SR}: gc ===")).look()
    assert "GC_STUCK" in scene.wait(700).codes()


def test_what_the_log_still_owes_is_waited_for_before_a_run_is_called_killed() -> None:
    scene = seen_to_show_gcs()
    scene.coverage = Coverage(since=scene.now, until=scene.now)
    scene.log(scene.smlog().start(100).chain(100))
    scene.wait(60)
    assert scene.last is not None
    assert [run.outcome for run in scene.last.answer.runs] == ["running"]
    assert scene.sr().state != "stuck"


def test_update_that_takes_its_minute_is_normal() -> None:
    scene = quiet_pool(*pending_chain())
    scene.log(scene.smlog().start(100).chain(100).gc(100, f"Starting asynch srUpdate for SR {SR}"))
    assert "GC_STUCK" not in scene.wait(65).codes()
    assert "GC_STUCK" in scene.wait(200).codes()


def test_quiet_period_of_8_2_is_normal() -> None:
    scene = quiet_pool(*pending_chain())
    scene.log(scene.smlog().start(100).gc(100, "GC active, about to go quiet"))
    assert "GC_STUCK" not in scene.wait(310).codes()
    scene.log(scene.smlog().gc(100, "GC active, quiet period ended").chain(100).finish(100))
    assert "GC_STUCK" not in scene.codes()

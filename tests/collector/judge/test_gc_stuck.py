from __future__ import annotations

from chainwatch_collector.track.observations import LockHeld
from collector.judge.scene import MASTER, MEMBER, Scene, pending_chain, process, quiet_pool
from smlog import SR, Smlog


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

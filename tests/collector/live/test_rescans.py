"""What a rescan came to, read off the state that real lines make."""

from dataclasses import replace
from datetime import timedelta

from chainwatch_collector.live.rescans import advanced, from_row, pending, runs_of, to_row
from chainwatch_collector.show.views import Check, Rescan, Subject
from chainwatch_collector.track.state import SrState
from collector.judge.scene import MASTER, MEMBER, POOL_UUID, Scene, merged_chain, pending_chain, quiet_pool
from smlog import SR, C
from smlog import disk as printed


def state(scene: Scene) -> SrState:
    scene.look()
    return scene.tracker.state(scene.now).srs[SR]


def asked(scene: Scene) -> Rescan:
    subject = Subject("sr", SR, "store", POOL_UUID)
    checks = (Check("no GC run is active", "ok", "no run is active"),)
    return Rescan("7", subject, "op", scene.now, "asked", checks, "asked for", pending_before=pending(state(scene)))


def older_run() -> Scene:
    scene = quiet_pool(*pending_chain())
    scene.log(scene.smlog().start(90).chain(90).finish(90))
    scene.now += timedelta(seconds=600)
    return scene


def test_a_run_that_was_there_before_is_not_its_run() -> None:
    scene = older_run()
    rescan, before = asked(scene), runs_of(state(scene))
    assert advanced(rescan, state(scene), before, scene.now, scene.now) == rescan


def test_started_then_ended_with_the_backlog_before_and_after() -> None:
    scene = older_run()
    rescan, before = asked(scene), runs_of(state(scene))
    assert rescan.pending_before == 2
    scene.now += timedelta(seconds=5)
    scene.log(scene.smlog().start(100).chain(100))
    started = advanced(rescan, state(scene), before, scene.now, scene.now)
    assert (started.state, started.run_outcome) == ("started", "running")
    scene.log(scene.smlog().tree(100, (0, printed(C, hidden=False))).finish(100))
    scene.vdis(*merged_chain())
    ended = advanced(started, state(scene), before, scene.now, scene.now)
    assert (ended.state, ended.pending_after) == ("ended", 0)
    assert ended.sentence.endswith("The backlog fell from 2 to 0.")


def test_a_run_that_left_the_backlog_is_no_success() -> None:
    scene = older_run()
    rescan, before = asked(scene), runs_of(state(scene))
    scene.log(scene.smlog().start(100).chain(100).finish(100))
    ended = advanced(rescan, state(scene), before, scene.now, scene.now)
    assert ended.state == "ended"
    assert ended.sentence.endswith("The backlog did not fall: 2 pending before, 2 after.")


def test_a_kick_alone_is_kicked_not_started() -> None:
    scene = older_run()
    rescan, before = asked(scene), runs_of(state(scene))
    scene.log(scene.smlog().sm(99, f"Kicking SMGC@{SR}..."))
    later = scene.now + timedelta(seconds=61)
    waiting = advanced(rescan, state(scene), before, scene.now, scene.now + timedelta(seconds=59))
    assert waiting == rescan
    done = advanced(rescan, state(scene), before, scene.now, later)
    assert (done.state, done.pending_after) == ("kicked_not_started", 2)


def test_no_kick_at_all_is_a_failure_with_what_to_look_at() -> None:
    scene = older_run()
    rescan, before = asked(scene), runs_of(state(scene))
    done = advanced(rescan, state(scene), before, scene.now, scene.now + timedelta(seconds=61))
    assert done.state == "failed"
    assert "auto-scan" in done.sentence


def test_a_run_on_another_host_is_not_its_run() -> None:
    scene = older_run()
    rescan, before = asked(scene), runs_of(state(scene))
    scene.log(scene.smlog(MEMBER).start(100).chain(100), MEMBER)
    assert advanced(rescan, state(scene), before, scene.now, scene.now) == rescan
    assert state(scene).gc_host == MASTER


def test_what_is_kept_is_what_is_shown() -> None:
    scene = older_run()
    rescan = replace(asked(scene), state="ended", pending_after=0, run_outcome="worked", run_started_at=scene.now)
    assert from_row(to_row(rescan)) == rescan

from __future__ import annotations

from datetime import timedelta

import pytest
from chainwatch_collector.judge import strangers
from chainwatch_collector.judge.judge import Judge
from collector.judge.scene import MASTER, START, Scene, disk, offline, quiet_pool
from smlog import SR, Smlog


def invented(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-00000000beef"


def crash(log: Smlog, sr: str, pid: int = 100) -> Smlog:
    log.start(pid, sr).banner(pid, "gc", "Unable to acquire the SR lock")
    return log.gc(pid, f"* * * * * SR {sr}: ERROR", "")


def crashes(scene: Scene, first: int, behind: int) -> None:
    """SRs that nobody has, one after the other."""
    log = scene.smlog()
    for number in range(first, behind):
        crash(log, invented(number), 100 + 4 * number)
    scene.log(log)


def of_strangers(scene: Scene) -> list[str]:
    scene.look()
    assert scene.last is not None
    return [one.subject.uuid for one in scene.last.answer.findings if one.code == "GC_CRASHED"]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "AT_ONCE", 10)
    monkeypatch.setattr(strangers._Room, "__init__", _full_room)


def _full_room(self: strangers._Room) -> None:
    self.left, self.at = 10.0, None


@pytest.mark.usefixtures("few")
def test_so_many_are_told_and_the_host_is_named_for_the_rest() -> None:
    scene = quiet_pool()
    crashes(scene, 0, 10)
    assert len(of_strangers(scene)) == 10
    assert "AGENT_MISBEHAVES" not in scene.look()
    crashes(scene, 10, 50)
    assert len(of_strangers(scene)) == 10
    found = scene.look()["AGENT_MISBEHAVES"]
    assert (found.subject.uuid, found.severity) == (MASTER, "warning")
    assert "40 findings of them are left out" in found.summary


@pytest.mark.usefixtures("few")
def test_what_the_pool_has_is_told_whatever_else_there_is() -> None:
    scene = quiet_pool(disk(f"{7:08x}-1111-4000-8000-000000000001"))
    crashes(scene, 0, 50)
    of_strangers(scene)
    scene.log(crash(scene.smlog(), SR, 9000))
    log = scene.smlog().start(9004)
    log.gc(9004, f"ERROR: Failed to unpause VDI {7:08x}(4.000G/400.790M?)")
    scene.log(log)
    found = scene.look()
    assert found["DISK_FROZEN"].subject.uuid == f"{7:08x}-1111-4000-8000-000000000001"
    assert SR in of_strangers(scene)
    assert len(of_strangers(scene)) == 11


@pytest.mark.usefixtures("few")
def test_images_that_the_sr_does_not_have_are_strangers_too() -> None:
    scene = quiet_pool()
    log = scene.smlog()
    for number in range(50):
        pid = 100 + 4 * number
        log.start(pid).gc(pid, f"ERROR: Parent VDI {invented(1000 + number)} not found! (for {invented(number)})")
    scene.log(log)
    scene.look()
    assert scene.last is not None
    missing = [one for one in scene.last.answer.findings if one.code == "VDI_PARENT_MISSING"]
    assert len(missing) == 10
    assert "40 findings" in scene.look()["AGENT_MISBEHAVES"].summary


@pytest.mark.usefixtures("few")
def test_they_come_slowly_once_there_were_many() -> None:
    """Those that are over make room, but each new one is a message: so many an hour, whatever goes."""
    scene = quiet_pool()
    raised = 0
    for number in range(30):
        crashes(scene, 10 * number, 10 * number + 10)
        assert len(of_strangers(scene)) <= 10
        assert scene.last is not None
        raised += sum(1 for row in scene.last.transitions if row.change == "raised" and row.code == "GC_CRASHED")
        log = scene.smlog()
        for one in range(10 * number, 10 * number + 10):
            pid = 100 + 4 * one
            log.start(pid, invented(one)).tree(pid, sr=invented(one)).finish(pid, sr=invented(one))
        scene.log(log)
        scene.now += timedelta(minutes=3)
    assert raised <= 10 + 1.5 * strangers.AN_HOUR
    assert raised > 10


@pytest.mark.usefixtures("few")
def test_what_was_told_stays_told_after_a_restart() -> None:
    scene = quiet_pool()
    crashes(scene, 0, 50)
    before = of_strangers(scene)
    scene.judge = Judge(scene.thresholds)
    assert of_strangers(scene) == before
    assert scene.last is not None
    assert not [row for row in scene.last.transitions if row.code == "GC_CRASHED"]


@pytest.mark.usefixtures("few")
def test_one_hosts_strangers_take_no_room_from_anothers() -> None:
    scene = quiet_pool()
    crashes(scene, 0, 50)
    other = Smlog(host="xcp2", now=scene.now)
    from_other = invented(9999)
    scene.log(crash(other, from_other), "22222222-0000-4000-8000-000000000002")
    assert from_other in of_strangers(scene)


@pytest.mark.usefixtures("few")
def test_offline_everything_is_told() -> None:
    log = Smlog(now=START)
    for number in range(50):
        crash(log, invented(number), 100 + 4 * number)
    assert "AGENT_MISBEHAVES" not in offline(log)


def test_an_sr_of_a_log_alone_is_listed_where_something_is_told_of_it() -> None:
    scene = quiet_pool()
    crashes(scene, 0, 1)
    log = scene.smlog().start(8000, invented(1)).tree(8000, sr=invented(1)).finish(8000, sr=invented(1))
    scene.log(log)
    scene.look()
    assert scene.last is not None
    assert {sr.uuid for sr in scene.last.answer.srs} == {SR, invented(0)}

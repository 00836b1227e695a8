from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from chainwatch_collector.read.words import LineRef, RunKey
from chainwatch_collector.track import crowding
from chainwatch_collector.track.host_log import HostLog
from chainwatch_collector.track.incidents import Incident
from chainwatch_collector.track.runs_seen import RUNS_MOST, RunSeen
from chainwatch_collector.track.sr_log import SrLog
from chainwatch_collector.track.stored import Packer
from chainwatch_collector.track.tracker import PoolTracker
from collector.judge.scene import MASTER, Scene, quiet_pool
from smlog import OTHER_SR, SR, Smlog

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def invented(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-00000000beef"


def names(scene: Scene, first: int, behind: int) -> None:
    """Its log waits for the locks of SRs that nobody has."""
    log = scene.smlog()
    for number in range(first, behind):
        log.sm(7, f"Failed to lock /var/lock/sm/{invented(number)}/sr on first attempt, blocked by PID 4711")
    scene.log(log)


def srs(scene: Scene) -> set[str]:
    return set(scene.tracker.state(scene.now).srs)


def test_srs_that_no_pool_has_go_in_the_order_in_which_they_were_last_spoken_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crowding, "SRS_UNPROVED", 10)
    scene = quiet_pool()
    for number in range(10):
        names(scene, number, number + 1)
    names(scene, 0, 1)
    names(scene, 10, 12)
    assert srs(scene) == {invented(0), *(invented(number) for number in range(3, 12))}


def test_an_sr_that_the_pool_has_or_had_is_never_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowding, "SRS_UNPROVED", 10)
    scene = quiet_pool()
    scene.look()
    scene.log(scene.smlog().start(100).chain(100).finish(100))
    # A run whose first line was not read: the SR has its 4 digits alone.
    scene.log(scene.smlog().chain(200).finish(200))
    before = scene.tracker.state(scene.now).srs[SR]
    assert before.full_run is not None
    # After a restart no picture is there yet.
    scene.tracker = PoolTracker.load(scene.tracker.dump())
    names(scene, 0, 50)
    assert srs(scene) == {SR, *(invented(number) for number in range(40, 50))}
    assert scene.picture is not None
    scene.tracker.see(scene.picture)
    assert scene.tracker.state(scene.now).srs[SR].runs == before.runs


def test_offline_every_sr_is_from_the_log_and_all_are_kept() -> None:
    scene = Scene(tracker=PoolTracker(None, offline=True))
    names(scene, 0, crowding.SRS_UNPROVED + 50)
    assert len(srs(scene)) == crowding.SRS_UNPROVED + 50


def test_the_host_is_named_as_long_as_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowding, "SRS_UNPROVED", 10)
    scene = quiet_pool()
    names(scene, 0, 10)
    assert "AGENT_MISBEHAVES" not in scene.look()
    names(scene, 10, 11)
    found = scene.look()["AGENT_MISBEHAVES"]
    assert (found.subject.kind, found.subject.uuid, found.severity) == ("host", MASTER, "error")
    assert "more than 10 SRs that its pool does not have" in found.summary
    began = found.since
    names(scene.wait(500), 20, 21)
    assert scene.look()["AGENT_MISBEHAVES"].since == began
    assert "AGENT_MISBEHAVES" in scene.wait(600).codes()
    assert "AGENT_MISBEHAVES" not in scene.wait(1).codes()


def ref(number: int) -> LineRef:
    return LineRef(MASTER, "/var/log/SMlog", 0, number, START + timedelta(seconds=number), f"line {number}")


def with_troubles(counts: dict[str, int]) -> HostLog:
    host = HostLog(MASTER)
    for sr, count in counts.items():
        log = host.srs[sr] = SrLog(sr)
        for number in range(count):
            log.incidents.met(Incident(kind="corrupt", key=str(number), first=ref(number), last=ref(number)))
    return host


def test_those_with_the_most_troubles_give_up_their_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowding, "INCIDENTS", 100)
    host = with_troubles({SR: 10, OTHER_SR: 80, invented(1): 200})
    assert "more than 100 troubles" in crowding.cut_down(host, set)
    assert [len(host.srs[sr].incidents) for sr in (SR, OTHER_SR, invented(1))] == [10, 45, 45]
    assert next(iter(host.srs[OTHER_SR].incidents)).key == "35"
    assert crowding.cut_down(host, set) == ""


def test_what_is_stored_of_a_host_is_bounded_and_the_others_keep_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowding, "BYTES", 200_000)
    hostile = with_troubles({SR: 2000, **{invented(number): 200 for number in range(20)}})
    hostile.sr_versions = {invented(number): number for number in range(20)}
    honest = with_troubles({SR: 100})
    packer = Packer()
    told = crowding.fit({"hostile": hostile, "honest": honest}, {SR}, packer)
    assert list(told) == ["hostile"]
    assert sum(packer.sizes("hostile", hostile).values()) <= 150_000
    assert packer.sizes("hostile", hostile) == Packer().sizes("hostile", hostile)
    assert SR in hostile.srs
    assert len(honest.srs[SR].incidents) == 100


def test_a_dump_is_bounded_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = quiet_pool()
    names(scene, 0, 500)
    monkeypatch.setattr(crowding, "BYTES", 20_000)
    loaded = PoolTracker.load(scene.tracker.dump())
    assert 0 < len(loaded.state(scene.now).srs) < 500
    assert "MiB that are kept of one host" in scene.look()["AGENT_MISBEHAVES"].summary


def test_runs_that_never_end_are_bounded() -> None:
    log = SrLog(SR)
    for number in range(3 * RUNS_MOST):
        log.runs.take(open_run(number))
    assert len(log.runs.by_key) <= RUNS_MOST
    assert max(log.runs.by_key).offset == 3 * RUNS_MOST - 1


def open_run(number: int) -> RunSeen:
    return RunSeen(
        key=RunKey(MASTER, 0, number),
        sr=SR,
        pid=number,
        op="gc",
        start=ref(number),
        start_seen=True,
        last=None,
        end=None,
        outcome="running",
        reason=None,
        error="",
        proof=None,
        deleted_count=0,
        lost=False,
    )


def test_snapshots_that_nobody_hears_the_end_of_settle_in_order() -> None:
    scene = quiet_pool()
    log = scene.smlog()
    for number in range(100):
        log.sm(7, f"vdi_snapshot {{'sr_uuid': '{SR}', 'vdi_uuid': '{invented(number)}'}}").tick(60)
    scene.log(log)
    host = scene.tracker._hosts[MASTER]
    assert list(host.srs[SR].snapshots_open) == [invented(number) for number in range(90, 100)]


def test_a_state_that_was_stored_before_is_gone_on_from() -> None:
    """Nothing but what is asked for by key is new in memory; what is stored is as it was."""
    scene = quiet_pool()
    scene.log(Smlog(now=scene.now).start(100).chain(100).finish(100))
    state = PoolTracker.load(scene.tracker.dump())._hosts[MASTER].srs[SR]
    assert state.incidents.__getstate__() == (None, {"found": {}, "limit": 2000})
    assert len(state.trees.__getstate__()) == 7

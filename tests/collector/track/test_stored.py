"""What is stored after every step is what there is, whatever was stored before; and older stores are read."""

from __future__ import annotations

import pickle
import zlib
from datetime import timedelta

import pytest
from chainwatch_collector.read.words import LineRef
from chainwatch_collector.track import crowding
from chainwatch_collector.track.incidents import Incident
from chainwatch_collector.track.merge_log import _remember
from chainwatch_collector.track.stored import Kept, Packer, TrackerRefusedError, unpack
from chainwatch_collector.track.tracker import PoolTracker
from collector.judge.scene import MASTER, MEMBER, START, Scene, pending_chain, quiet_pool
from smlog import OTHER_SR, SR, Smlog


def steps(scene: Scene) -> list[tuple[str, Smlog]]:
    """Logs of two hosts about two SRs."""
    first = Smlog(now=scene.now).start(100).chain(100).inner_start(100).copy(101)
    second = Smlog(host="xcp2", now=scene.now).start(5, OTHER_SR).banner(5, "gc", "Unable to acquire the SR lock")
    second.gc(5, f"* * * * * SR {OTHER_SR}: ERROR", "")
    third = Smlog(now=scene.now).tick(5).copied(100, 101).updated(100).finish(100)
    fourth = Smlog(now=scene.now).tick(9).start(200).finish(200)
    return [(MASTER, first), (MEMBER, second), (MASTER, third), (MASTER, fourth)]


def test_every_step_is_stored_as_it_is() -> None:
    scene = quiet_pool(*pending_chain())
    for host, log in steps(scene):
        scene.log(log, host)
        loaded = PoolTracker.load(scene.tracker.dump())
        assert loaded._hosts == scene.tracker._hosts
        assert loaded.dump() == PoolTracker.load(loaded.dump()).dump()
    scene.look()
    assert PoolTracker.load(scene.tracker.dump())._hosts == scene.tracker._hosts


def test_only_what_changed_is_written_anew() -> None:
    scene = quiet_pool()
    for host, log in steps(scene):
        scene.log(log, host)
    scene.tracker.dump()
    packed = dict(scene.tracker._packer._srs)
    scene.log(scene.smlog().start(300), MASTER)
    scene.tracker.dump()
    again = scene.tracker._packer._srs
    assert again[MEMBER, OTHER_SR] is packed[MEMBER, OTHER_SR]
    assert again[MASTER, SR] is not packed[MASTER, SR]


def test_one_that_was_stored_in_one_piece_is_read() -> None:
    scene = quiet_pool()
    for host, log in steps(scene):
        scene.log(log, host)
    tracker = scene.tracker
    older = (tracker.pool_uuid, tracker._hosts, tracker._since, tracker._held)
    loaded = PoolTracker.load(tracker.dump()[:7] + zlib.compress(pickle.dumps(older, protocol=5), 1))
    assert loaded._hosts == tracker._hosts


def test_damage_is_refused() -> None:
    kept = Kept(None, {}, {}, {})
    data = Packer().pack(kept)
    assert unpack(data) == kept
    rest, _ = pickle.loads(data)
    no_log = zlib.compress(pickle.dumps({"a": 1}))
    for damaged in (
        data[:-3],
        b"",
        b"\x80",
        pickle.dumps((rest, [(MASTER, SR, no_log)])),
        pickle.dumps((rest[:5], [])),
    ):
        with pytest.raises(TrackerRefusedError, match="damaged"):
            unpack(damaged)
    with pytest.raises(TrackerRefusedError, match="none of its own"):
        unpack(pickle.dumps((print, [])))


def test_what_proves_nothing_that_is_open_goes_first_and_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = quiet_pool()
    for host, written in steps(scene):
        scene.log(written, host)
    log = scene.tracker._hosts[MASTER].srs[SR]
    ref = LineRef(MASTER, "SMlog", 0, 0, START, "")
    log.incidents.met(Incident(kind="corrupt", key="x", first=ref, last=ref))
    for number in range(3000):
        _remember(log.merged_at, f"{number:08x}", ref._replace(at=START + timedelta(seconds=number)), 5000)
    scene.tracker.dump()
    size = scene.tracker._packer.size(MASTER, scene.tracker._hosts[MASTER], SR)
    scene.log(scene.smlog().start(300), MASTER)
    monkeypatch.setattr(crowding, "BYTES", size - 1000)
    scene.tracker.dump()
    assert 1000 <= len(log.merged_at) <= 1501
    assert "00000bb7" in log.merged_at
    assert len(log.incidents) == 1
    assert "AGENT_MISBEHAVES" not in scene.look()

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import methodcaller

import pytest
from chainwatch_collector.read.reader import HostReader
from chainwatch_collector.track.coverage import Coverage
from chainwatch_collector.track.observations import ProcessesObserved
from chainwatch_collector.track.state import PoolState
from chainwatch_collector.track.tracker import PoolTracker, TrackerRefusedError
from collector.judge.scene import (
    MASTER,
    MEMBER,
    POOL_UUID,
    START,
    a_picture,
    merged_chain,
    pending_chain,
    process,
    quiet_pool,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from smlog import OTHER_SR, SR, Smlog

Step = Callable[[PoolTracker], None]
NOW = START + timedelta(hours=2)


def story(host: str, name: str, start: datetime) -> list[Step]:
    """What one host brings, in its own order: three runs, two of them bad."""
    log = Smlog(host=name, now=start).start(100).chain(100).inner_start(100).copy(101).tick(30)
    log.start(110).chain(110).finish(110, clean=False).tick(30)
    log.start(120, OTHER_SR).chain(120, OTHER_SR).finish(120, sr=OTHER_SR)
    reader = HostReader(host, UTC)
    steps: list[Step] = []
    lines = log.as_lines()
    for begin in range(0, len(lines), 7):
        facts = reader.feed(lines[begin : begin + 7])
        # Frozen copies: what a tracker gets is how the runs stood at that time.
        runs = [replace(run, merges=list(run.merges)) for run in reader.take_changed_runs()]
        coverage = Coverage(since=start, until=start + timedelta(seconds=begin))
        steps.append(methodcaller("take", host, facts, runs, coverage))
    return steps


def observed(host: str) -> list[Step]:
    steps: list[Step] = [methodcaller("stream_changed", host, True, START)]
    for turn in range(4):
        at = START + timedelta(seconds=10 * turn)
        samples = ProcessesObserved(
            host_uuid=host, at=at, processes=(process(written=turn << 20),), ended=(), dropped_total=0
        )
        steps.append(methodcaller("observe", samples))
    return steps


def pictures() -> list[Step]:
    first = a_picture(pending_chain())
    second = replace(a_picture(merged_chain()), as_of=START + timedelta(minutes=30), srs=first.srs, hosts=first.hosts)
    return [methodcaller("see", first), methodcaller("see", second)]


def sources() -> list[list[Step]]:
    return [
        story(MASTER, "xcp1", START),
        story(MEMBER, "xcp2", START + timedelta(minutes=5)),
        observed(MASTER),
        observed(MEMBER),
        pictures(),
    ]


def told(tracker: PoolTracker) -> PoolState:
    """Everything in the order given: sources keep theirs."""
    return tracker.state(NOW)


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False))
def test_only_interleaving_is_free(shuffle: random.Random) -> None:
    plain = PoolTracker(POOL_UUID)
    for steps in sources():
        for step in steps:
            step(plain)
    mixed = PoolTracker(POOL_UUID)
    queues = [list(steps) for steps in sources()]
    while any(queues):
        queue = shuffle.choice([queue for queue in queues if queue])
        queue.pop(0)(mixed)
    assert told(mixed) == told(plain)


@settings(max_examples=20, deadline=None)
@given(st.integers(min_value=0, max_value=30))
def test_dumped_and_loaded_in_between_it_goes_on(cut: int) -> None:
    steps = [step for source in sources() for step in source]
    plain, other = PoolTracker(POOL_UUID), PoolTracker(POOL_UUID)
    for number, step in enumerate(steps):
        step(plain)
        step(other)
        if number == cut:
            other = PoolTracker.load(other.dump())
            other.see(a_picture(pending_chain()))
    left, right = told(other), told(plain)
    assert {uuid: sr.incidents for uuid, sr in left.srs.items()} == {u: sr.incidents for u, sr in right.srs.items()}
    assert {uuid: sr.runs for uuid, sr in left.srs.items()} == {uuid: sr.runs for uuid, sr in right.srs.items()}
    assert left.hosts.keys() == right.hosts.keys()


def test_state_of_another_version_or_make_is_refused() -> None:
    data = PoolTracker(POOL_UUID).dump()
    with pytest.raises(TrackerRefusedError, match="version"):
        PoolTracker.load(data[:3] + (999).to_bytes(4, "big") + data[7:])
    with pytest.raises(TrackerRefusedError, match="damaged"):
        PoolTracker.load(data[:-4])
    import pickle
    import zlib

    hostile = zlib.compress(pickle.dumps((datetime.now, {}, {}, {}, print), protocol=5))
    with pytest.raises(TrackerRefusedError, match="none of its own"):
        PoolTracker.load(data[:7] + hostile)


def test_what_did_not_change_is_the_very_same_object() -> None:
    scene = quiet_pool(*pending_chain())
    scene.log(scene.smlog().start(120, OTHER_SR).chain(120, OTHER_SR).finish(120, sr=OTHER_SR))
    scene.look()
    before = scene.tracker.state(scene.now)
    scene.log(scene.smlog().start(100).chain(100).finish(100))
    after = scene.tracker.state(scene.now)
    assert after.srs[OTHER_SR] is before.srs[OTHER_SR]
    assert after.srs[SR] is not before.srs[SR]


def test_prefix_resolves_where_one_sr_fits_and_never_where_two_do() -> None:
    log = Smlog().chain(100).finish(100)  # a run whose first line was not read: 4 digits are all there is
    reader = HostReader("", UTC)
    facts = [*reader.feed(log.as_lines()), *reader.finish()]

    def srs_with(*uuids: str) -> set[str]:
        tracker = PoolTracker(None, offline=True)
        tracker.take(reader.host, facts, reader.runs)
        for uuid in uuids:
            other = Smlog(host="other").start(5, uuid).finish(5, sr=uuid)
            second = HostReader("other", UTC)
            tracker.take("other", second.feed(other.as_lines()), second.runs)
        return set(tracker.state(NOW).srs)

    assert srs_with() == {SR[:4]}
    assert srs_with(SR) == {SR}
    twin = SR[:4] + OTHER_SR[4:]
    assert srs_with(SR, twin) == {SR[:4], SR, twin}


def test_failover_heals_with_the_new_masters_log() -> None:
    scene = quiet_pool(*pending_chain())
    scene.log(scene.smlog().start(100).chain(100).finish(100, clean=False))
    assert "GC_CRASHED" in scene.codes()
    assert scene.picture is not None
    pool = replace(scene.picture.pool, master_ref="OpaqueRef:xcp2") if scene.picture.pool else None
    scene.seen(pool=pool, master_since=scene.now)
    scene.now += timedelta(seconds=5)
    log = Smlog(host="xcp2", now=scene.now).start(200).chain(200).finish(200)
    assert "GC_CRASHED" not in scene.log(log, MEMBER).codes()
    assert scene.tracker.state(scene.now).srs[SR].gc_host == MEMBER

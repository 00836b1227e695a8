"""A dom0 that lies for ever costs a bounded share: what is remembered, stored, found and told of it, and each line.

The pools of a collector are folded by one thread, so that what one host makes large or slow all of them would pay for.
`CHAINWATCH_FUZZ_FACTOR` multiplies the variants, up to ten times: every bound is met long before.
"""

from __future__ import annotations

import os
import tracemalloc

import pytest
from chainwatch_collector.judge.strangers import AT_ONCE
from chainwatch_collector.track.crowding import SRS_UNPROVED
from smlog import SR

from fuzz.hostile_evidence import KINDS
from fuzz.hostile_pool import Hostile

pytestmark = pytest.mark.usefixtures("no_collections")
FACTOR = min(10.0, float(os.environ.get("CHAINWATCH_FUZZ_FACTOR", "1")))
VARIANTS = int(1_600 * FACTOR)
# Of one host, uncompressed: some hundred bytes for each of what is kept at most.
MOST_TRACKER_BYTES = 8 * 1024 * 1024
MOST_MEMORY_BYTES = 96 * 1024 * 1024
# What is true of a host or its SR as a whole: a few codes.
WHOLE = 10
# A line costs about the same whatever came before; the quarters of one run are measured against each other.
SLOWER = 6.0
# Both are measured in steps of so much.
SMALL_SECONDS = 0.05


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_one_host_makes_up_is_bounded(kind: str) -> None:
    pool = Hostile()
    pool.reads(kind, 0, VARIANTS // 4)
    lines, seconds = pool.lines, pool.seconds
    pool.reads(kind, VARIANTS // 4, 3 * VARIANTS // 4)
    before_lines, before_seconds = pool.lines, pool.seconds
    pool.reads(kind, 3 * VARIANTS // 4, VARIANTS)
    assert pool.judged is not None
    assert pool.judged.state is not None
    assert SR in pool.judged.state.srs
    assert len(pool.judged.state.srs) <= SRS_UNPROVED + 1
    assert pool.tracker_bytes <= MOST_TRACKER_BYTES
    answer = pool.judged.answer
    assert len(answer.findings) <= AT_ONCE + WHOLE
    assert len(answer.srs) <= AT_ONCE + 1
    raised = [row for step in pool.steps for row in step.transitions if row.change == "raised"]
    assert len(raised) <= AT_ONCE + WHOLE, "each is a message to every channel"
    first = max(SMALL_SECONDS, seconds) / lines
    last = (pool.seconds - before_seconds) / (pool.lines - before_lines)
    assert last <= SLOWER * first, (
        f"{1e6 * first:.0f} µs for one of the first lines, {1e6 * last:.0f} for one of the last"
    )


def test_the_host_is_named_for_what_is_left_out() -> None:
    pool = Hostile()
    pool.reads("srs_that_crash", 0, SRS_UNPROVED + 200)
    assert pool.judged is not None
    told = {one.severity: one.summary for one in pool.judged.answer.findings if one.code == "AGENT_MISBEHAVES"}
    assert f"more than {SRS_UNPROVED:,} SRs that its pool does not have" in told["error"]
    assert "are left out" in told["warning"]


def test_observations_that_are_new_each_time_leave_nothing_behind() -> None:
    pool = Hostile()
    pool.hears(0)
    sizes = []
    for number in range(1, int(12 * max(1.0, FACTOR))):
        pool.hears(number)
        sizes.append(pool.tracker_bytes)
    assert max(sizes) <= 1.2 * sizes[0]
    assert pool.judged is not None
    assert pool.judged.state is not None
    assert set(pool.judged.state.srs) == {SR}
    assert len(pool.judged.answer.findings) <= WHOLE


def test_memory_is_bounded() -> None:
    pool = Hostile()
    tracemalloc.start()
    try:
        pool.reads("whatever", 0, VARIANTS)
        pool.steps.clear()
        held = tracemalloc.get_traced_memory()[0]
        print(f"measured: {pool.lines} lines that lie leave {held >> 20} MiB")
        assert held <= MOST_MEMORY_BYTES
    finally:
        tracemalloc.stop()

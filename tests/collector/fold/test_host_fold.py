"""Gaps are met where they lie, whatever else is in the batch."""

from datetime import UTC, datetime

from chainwatch_collector.fold.fetch import HostBatch
from chainwatch_collector.fold.host_fold import HostFold
from chainwatch_collector.keep.rows import Cursor, GapSeen, HostRow, StoredLine
from chainwatch_collector.read.facts import CoverageLost
from hypothesis import given
from hypothesis import strategies as st

SMLOG, DAEMON = "/var/log/SMlog", "/var/log/daemon.log"
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
HOST = HostRow(1, "h", "xcp1", True, "1", "3.6", "", "UTC", 0, (), 0.0, None, None, NOW, 0, 1)
PLACES = st.none() | st.tuples(st.just(1), st.integers(0, 20))
GAPS = st.lists(st.tuples(st.sampled_from([SMLOG, DAEMON]), PLACES, PLACES), max_size=12)


def line(log: str, offset: int) -> StoredLine:
    return StoredLine(1, log, 1, offset, b"Nov 22 08:00:00 xcp1 SM: [1] lock: acquired x", NOW, None)


@given(GAPS, st.lists(st.tuples(st.sampled_from([SMLOG, DAEMON]), st.integers(0, 20)), max_size=30))
def test_each_gap_lies_before_the_first_line_that_is_behind_it(
    gaps: list[tuple[str, tuple[int, int] | None, tuple[int, int] | None]], offsets: list[tuple[str, int]]
) -> None:
    fold = HostFold.new(HOST)
    seen = [
        GapSeen(number, log, "truncated", after, before, 1, "", NOW)
        for number, (log, after, before) in enumerate(gaps, 1)
    ]
    fold.cursors = {SMLOG: Cursor(1, 15), DAEMON: Cursor(1, 15)}
    batch = HostBatch(1, [line(log, offset) for log, offset in offsets], seen, fold.cursors, False)
    due = {gap.gap_id for gap in seen if fold._due(gap)}
    met: list[StoredLine] = []
    taken: set[int] = set()
    for part in fold._in_order(batch):
        if isinstance(part, GapSeen):
            taken.add(part.gap_id)
            at = part.before or part.after
            behind = [one for one in met if one.log == part.log and (at is None or (one.ordinal, one.offset) >= at)]
            assert not behind
        else:
            met += part
            ahead = [gap for gap in seen if gap.gap_id in due - taken]
            assert not [gap for gap in ahead for one in part if _is_behind(one, gap)]
    assert taken == due
    assert met == list(batch.lines)


def _is_behind(one: StoredLine, gap: GapSeen) -> bool:
    at = gap.before or gap.after
    return one.log == gap.log and (at is None or (one.ordinal, one.offset) >= at)


def test_a_thousand_gaps_in_a_batch_are_as_many_facts() -> None:
    fold = HostFold.new(HOST)
    seen = [GapSeen(number, SMLOG, "truncated", None, (1, number), 1, "", NOW) for number in range(1, 1001)]
    batch = HostBatch(1, [line(SMLOG, number) for number in range(2000)], seen, {SMLOG: Cursor(1, 2000)}, False)
    step = fold.take(batch)
    assert sum(isinstance(fact, CoverageLost) for fact in step.facts) == 1000
    assert step.coverage.lost_bytes == 1000
    assert fold.gap_id == 1000

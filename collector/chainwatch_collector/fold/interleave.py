"""The logs of one host, each in its own order, merged into the order in which the agent read them. Pure.

Between logs no order is written down; `read_at` is as near as anybody knows, and it is stored, so that a rebuild meets
the lines in the order in which they were met live.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from chainwatch_collector.keep.rows import Cursor, LineBatch, StoredLine

_FIRST = datetime.min.replace(tzinfo=UTC)


class Interleaved(NamedTuple):
    """Lines to read now, and the cursors behind them. `more`: there is more now."""

    lines: Sequence[StoredLine]
    cursors: Mapping[str, Cursor]
    more: bool


def interleave(batches: Mapping[str, LineBatch], cursors: Mapping[str, Cursor]) -> Interleaved:
    """Merge one batch per log. What lies behind the end of a batch that is not a log's last is left for later."""
    keyed = {log: list(_keyed(log, batch, cursors.get(log, Cursor()))) for log, batch in batches.items()}
    ends = [keyed[log][-1][0] for log, batch in batches.items() if batch.more and keyed[log]]
    horizon = min(ends, default=None)
    taken: dict[str, list[tuple[datetime, str, StoredLine]]] = {}
    after: dict[str, Cursor] = {}
    left = False
    for log, batch in batches.items():
        rows = keyed[log]
        taken[log] = rows if horizon is None else [row for row in rows if row[0] <= horizon]
        after[log] = batch.cursor
        if len(taken[log]) < len(rows):
            first = rows[len(taken[log])][2]
            after[log] = Cursor(first.ordinal, first.offset, batch.cursor.late_id)
            left = True
    merged = heapq.merge(*taken.values(), key=lambda row: row[:2])
    lines = [line for _, _, line in merged]
    return Interleaved(lines, {**cursors, **after}, left or any(batch.more for batch in batches.values()))


def _keyed(log: str, batch: LineBatch, cursor: Cursor) -> Iterator[tuple[datetime, str, StoredLine]]:
    """Each line with a time that never goes back. Late lines come first: they cannot be left for later."""
    newest = _FIRST
    for line in batch.lines:
        if (line.ordinal, line.offset) >= (cursor.ordinal, cursor.offset) and line.read_at is not None:
            newest = max(newest, line.read_at)
        yield newest, log, line

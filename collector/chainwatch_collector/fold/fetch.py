"""What a fold reads of one host: the lines and gaps behind its cursors. A function for `Readers`."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from chainwatch_collector.fold.interleave import interleave
from chainwatch_collector.keep.evidence import files, gaps_after, lines_after, logs
from chainwatch_collector.keep.rows import Cursor, GapSeen, StoredLine

LINES_PER_BATCH = 5000


class HostBatch(NamedTuple):
    """Lines of all logs of a host in order, the gaps not taken yet, and the cursors behind the lines."""

    host_id: int
    lines: Sequence[StoredLine]
    gaps: Sequence[GapSeen]
    cursors: Mapping[str, Cursor]
    more: bool


def fetch(
    connection: Connection, host_id: int, cursors: Mapping[str, Cursor], gap_id: int, limit: int = LINES_PER_BATCH
) -> HostBatch:
    """At most about `limit` lines of each log."""
    batches = {
        log: lines_after(connection, host_id, log, cursors.get(log, Cursor()), limit)
        for log in logs(connection, host_id)
    }
    merged = interleave(batches, cursors)
    gaps = gaps_after(connection, host_id, gap_id)
    return HostBatch(host_id, merged.lines, gaps, merged.cursors, merged.more)


def file_ids(connection: Connection, host_id: int) -> dict[tuple[str, int], int]:
    """(log, ordinal) → the file's id: what finds the line that a fact of an earlier step stands on."""
    return {(file.log, file.ordinal): file.file_id for file in files(connection, host_id)}

"""What a fold reads of one host: the lines and gaps behind its cursors. A function for `Readers`."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection

from chainwatch_collector.fold.interleave import interleave
from chainwatch_collector.keep.evidence import FILES_READ_AT_ONCE, gaps_after, lines_after, logs, newest_files
from chainwatch_collector.keep.rows import Cursor, GapSeen, LineBatch, StoredLine

LINES_PER_BATCH = 5000
BYTES_PER_BATCH = 32 * 1024 * 1024
"""What is read at once of all logs of a host, and up to a log's first thousand lines more."""
LOGS_READ: Final = 256
"""Of one host: an agent follows a handful, and may not name more than 64."""
LINES_OF_ALL: Final = 20_000
FILES_REMEMBERED: Final = 20_000
"""The newest of a host's files, which are those that a fact may stand in."""


class HostBatch(NamedTuple):
    """Lines of all logs of a host in order, the gaps not taken yet, and the cursors behind the lines.

    `logs_left`: logs that are not read, because the host has more than it can have.
    """

    host_id: int
    lines: Sequence[StoredLine]
    gaps: Sequence[GapSeen]
    cursors: Mapping[str, Cursor]
    more: bool
    logs_left: int = 0


def fetch(
    connection: Connection, host_id: int, cursors: Mapping[str, Cursor], gap_id: int, limit: int = LINES_PER_BATCH
) -> HostBatch:
    """At most about `limit` lines of each log."""
    known = logs(connection, host_id)
    found = known[:LOGS_READ]
    each = min(limit, LINES_OF_ALL // max(1, len(found)))
    files_each = max(20, FILES_READ_AT_ONCE // max(1, len(found)))
    batches: dict[str, LineBatch] = {}
    left = BYTES_PER_BATCH
    for log in found:
        cursor = cursors.get(log, Cursor())
        if left <= 0:
            batches[log] = LineBatch([], cursor, True)
            continue
        batches[log] = lines_after(connection, host_id, log, cursor, each, left, files_each)
        left -= sum(len(line.data) for line in batches[log].lines)
    merged = interleave(batches, cursors)
    gaps = gaps_after(connection, host_id, gap_id)
    return HostBatch(host_id, merged.lines, gaps, merged.cursors, merged.more, len(known) - len(found))


def file_ids(connection: Connection, host_id: int) -> dict[tuple[str, int], int]:
    """(log, ordinal) → the file's id: what finds the line that a fact of an earlier step stands on."""
    return {(log, ordinal): file_id for file_id, log, ordinal in newest_files(connection, host_id, FILES_REMEMBERED)}

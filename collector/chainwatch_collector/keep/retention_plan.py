"""What retention may take away, oldest first, and how much is stored. Functions for `Readers`."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Final, NamedTuple

from sqlalchemy import Connection, case, func, select, text

from chainwatch_collector.keep.projection_tables import EVENTS, FOLDS
from chainwatch_collector.keep.rows import Cursor
from chainwatch_collector.keep.tables import FILES, LATE_RANGES, LINES, LOGS, METADATA

ROW_BYTES: Final = 250
"""A stored line beside its text on PostgreSQL, measured: 100 for its row and key, 380 for an event with its index
entries, which two lines of five have."""
FILES_AT_ONCE: Final = 2000
_LogOfHost = tuple[int, str]


class OldFile(NamedTuple):
    """A file that has something to drop before `until`, the offset up to which a fold has read it."""

    file_id: int
    host_id: int
    until: int


def files_to_drop(
    connection: Connection, born_before: date | None = None, share_bytes: int | None = None
) -> list[OldFile]:
    """Files with lines, events or coverage that a fold has read, in the order of their birth; all with None.

    Those of hosts that hold more than `share_bytes` come first: one that floods the database pushes out its own lines.
    What no fold has read yet is left out: not age nor size takes away what nobody has looked at.
    """
    large = hosts_above(connection, share_bytes) if share_bytes is not None else []
    query = (
        select(FILES.c.id, FILES.c.host_id, LOGS.c.path, FILES.c.ordinal, FILES.c.to_offset, FILES.c.dropped_to)
        .join(LOGS, LOGS.c.id == FILES.c.log_id)
        .where(FILES.c.dropped_to < FILES.c.to_offset)
        .order_by(case((FILES.c.host_id.in_(large), 0), else_=1), FILES.c.born_on, FILES.c.id)
        .limit(FILES_AT_ONCE)
    )
    if born_before is not None:
        query = query.where(FILES.c.born_on < born_before)
    read, late = cursors_of_folds(connection), _late_unread(connection)
    found = []
    for row in connection.execute(query):
        cursor = read.get((row.host_id, row.path), Cursor())
        until = min(_read_to(cursor, row.ordinal, row.to_offset), _first_late(late.get(row.id, []), cursor))
        if until > row.dropped_to:
            found.append(OldFile(row.id, row.host_id, until))
    return found


def hosts_above(connection: Connection, share_bytes: int) -> list[int]:
    """Ids of hosts whose lines take more than this."""
    held = func.sum(FILES.c.stored_bytes + ROW_BYTES * FILES.c.stored_lines)
    query = select(FILES.c.host_id).group_by(FILES.c.host_id).having(held > share_bytes)
    return list(connection.execute(query).scalars())


def cursors_of_folds(connection: Connection) -> dict[_LogOfHost, Cursor]:
    """(host id, log) → the furthest that any pool's fold has read it, in any version."""
    furthest: dict[_LogOfHost, Cursor] = {}
    for row in connection.execute(select(FOLDS.c.host_id, FOLDS.c.cursors)):
        logs: Mapping[str, list[int]] = json.loads(row.cursors)["logs"]
        for log, stored in logs.items():
            cursor = Cursor(*stored)
            furthest[row.host_id, log] = max(cursor, furthest.get((row.host_id, log), cursor))
    return furthest


def _read_to(cursor: Cursor, ordinal: int, to_offset: int) -> int:
    if ordinal < cursor.ordinal:
        return to_offset
    return min(to_offset, cursor.offset) if ordinal == cursor.ordinal else 0


def _late_unread(connection: Connection) -> dict[int, list[tuple[int, int]]]:
    """File id → (id, from_offset) of the ranges that came late; a cursor says which of them were read."""
    found: dict[int, list[tuple[int, int]]] = {}
    for row in connection.execute(select(LATE_RANGES.c.id, LATE_RANGES.c.file_id, LATE_RANGES.c.from_offset)):
        found.setdefault(row.file_id, []).append((row.id, row.from_offset))
    return found


def _first_late(ranges: list[tuple[int, int]], cursor: Cursor) -> int:
    return min((start for late_id, start in ranges if late_id > cursor.late_id), default=1 << 62)


def used_bytes(connection: Connection) -> int:
    """Bytes of the whole database that hold something; space that is free for reuse is not counted.

    SQLite knows its free pages. PostgreSQL does not tell what is free inside a table, so the evidence is counted by
    its lines there, and the rest, which only age bounds, by the size of its tables.
    """
    if connection.dialect.name == "sqlite":
        pages, free, size = (
            int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size
    counted = select(func.coalesce(func.sum(FILES.c.stored_bytes + ROW_BYTES * FILES.c.stored_lines), 0))
    others = [table.name for table in METADATA.sorted_tables if table not in (LINES, EVENTS)]
    sizes = text("SELECT sum(pg_total_relation_size(to_regclass(name))) FROM unnest(CAST(:names AS text[])) AS name")
    rest = connection.execute(sizes, {"names": others}).scalar()
    return int(connection.execute(counted).scalar_one()) + int(rest or 0)

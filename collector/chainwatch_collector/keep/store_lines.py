"""The hot path: many lines into the table at once, and back for a comparison."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from sqlalchemy import Connection, select

from chainwatch_collector.keep.lines import NewLine
from chainwatch_collector.keep.tables import LINES

if TYPE_CHECKING:
    import psycopg

LineRow = tuple[int, int, int, int, bytes]
_COLUMNS = 'file_id, "offset", hash, read_at_ms, data'
_SQLITE = f"INSERT INTO lines ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)"
_POSTGRESQL = f"INSERT INTO lines ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s)"
_COPY = f"COPY lines ({_COLUMNS}) FROM STDIN (FORMAT BINARY)"
# Below this a COPY's three messages cost more than the rows.
_COPY_FROM_ROWS = 8


def store_lines(connection: Connection, rows: Sequence[LineRow]) -> None:
    """Insert `(file_id, offset, hash, read_at_ms, data)` rows. A row that is there already is an error: see ingest."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_SQLITE, list(rows))
        return
    if len(rows) < _COPY_FROM_ROWS:
        connection.exec_driver_sql(_POSTGRESQL, list(rows))
        return
    # Its import is spared to collectors on SQLite.
    raw = cast("psycopg.Connection", connection.connection.driver_connection)
    with raw.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(("int8", "int8", "int8", "int8", "bytea"))
        for row in rows:
            copy.write_row(row)


def stored_lines(connection: Connection, file_id: int, start: int, end: int) -> list[NewLine]:
    """The stored lines of a file that begin in `[start, end)`."""
    rows = connection.execute(
        select(LINES.c.offset, LINES.c.hash, LINES.c.data)
        .where(LINES.c.file_id == file_id, LINES.c.offset >= start, LINES.c.offset < end)
        .order_by(LINES.c.offset)
    )
    return [NewLine(row.offset, row.hash, bytes(row.data)) for row in rows]

"""INSERT … ON CONFLICT, which both databases have and SQLAlchemy spells per dialect."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows; where the primary key is there already, overwrite the other columns."""
    if not rows:
        return
    keys = [column.name for column in table.primary_key.columns]
    others = [name for name in rows[0] if name not in keys]
    made = sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
    if others:
        statement = made.on_conflict_do_update(index_elements=keys, set_={name: made.excluded[name] for name in others})
    else:
        statement = made.on_conflict_do_nothing(index_elements=keys)
    connection.execute(statement, list(rows))

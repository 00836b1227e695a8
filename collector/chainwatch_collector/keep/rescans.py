"""Rescans that were asked for and what came of them. Units for the `Writer` and functions for `Readers`."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, insert, select, update

from chainwatch_collector.keep.projection_tables import RESCANS
from chainwatch_collector.keep.rows import from_us, to_us


class RescanRow(NamedTuple):
    """`rescan_id` 0: not kept yet. `body` is the owner's JSON."""

    rescan_id: int
    pool_uuid: str
    sr_uuid: str
    asked_at: datetime
    state: str
    body: Mapping[str, Any]


def add_rescan(connection: Connection, row: RescanRow) -> int:
    """Keep it; its id."""
    values = {"pool_uuid": row.pool_uuid, "sr_uuid": row.sr_uuid, "state": row.state, "body": json.dumps(row.body)}
    made = connection.execute(insert(RESCANS).values(asked_at_us=to_us(row.asked_at), **values))
    key = made.inserted_primary_key
    assert key is not None
    return int(key[0])


def change_rescan(connection: Connection, row: RescanRow) -> None:
    """How it stands now."""
    values = {"state": row.state, "body": json.dumps(row.body)}
    connection.execute(update(RESCANS).where(RESCANS.c.id == row.rescan_id).values(values))


def rescans(connection: Connection, sr_uuid: str | None, limit: int) -> list[RescanRow]:
    """Newest first; of every SR where none is given."""
    query = select(RESCANS).order_by(RESCANS.c.asked_at_us.desc(), RESCANS.c.id.desc()).limit(limit)
    if sr_uuid is not None:
        query = query.where(RESCANS.c.sr_uuid == sr_uuid)
    return [_row(row) for row in connection.execute(query)]


def open_rescans(connection: Connection) -> list[RescanRow]:
    """Those whose outcome is not known, oldest first."""
    query = select(RESCANS).where(RESCANS.c.state.in_(("asked", "started"))).order_by(RESCANS.c.id)
    return [_row(row) for row in connection.execute(query)]


def _row(row: Row[Any]) -> RescanRow:
    at = from_us(row.asked_at_us)
    assert at is not None
    return RescanRow(row.id, row.pool_uuid, row.sr_uuid, at, row.state, json.loads(row.body))

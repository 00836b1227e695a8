"""Configured pools: which uuid a name stands for, and what its session learned, kept over restarts."""

import json
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, select

from chainwatch_collector.keep.projection_tables import POOLS
from chainwatch_collector.keep.rows import to_us
from chainwatch_collector.keep.upsert import upsert


class PoolRow(NamedTuple):
    """`body`: JSON of its owner, no secrets."""

    uuid: str
    name: str
    body: dict[str, Any]


def save_pool(connection: Connection, row: PoolRow, now: datetime) -> None:
    """The pool that the name stands for from now on."""
    connection.execute(delete(POOLS).where(POOLS.c.name == row.name, POOLS.c.uuid != row.uuid))
    values = {"uuid": row.uuid, "name": row.name, "body": json.dumps(row.body), "updated_at_us": to_us(now)}
    upsert(connection, POOLS, [values])


def load_pools(connection: Connection) -> dict[str, PoolRow]:
    """By name."""
    rows = connection.execute(select(POOLS.c.uuid, POOLS.c.name, POOLS.c.body).order_by(POOLS.c.updated_at_us))
    return {row.name: PoolRow(row.uuid, row.name, json.loads(row.body)) for row in rows}

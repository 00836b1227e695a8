"""What people did: mutes and the audit log. Primary data: nothing recomputes it, nothing rewrites it.

Units for the `Writer` and functions for `Readers`; times aware UTC.
"""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, insert, select, update

from chainwatch_collector.keep.projection_tables import AUDIT, MUTES
from chainwatch_collector.keep.rows import from_us, to_us


class MuteIn(NamedTuple):
    """A mute to be kept. `pool_uuid`, `subject_uuid` None: everywhere. It ends at `until`."""

    pool_uuid: str | None
    code: str
    subject_uuid: str | None
    subject_name: str
    created_at: datetime
    until: datetime
    by: str
    reason: str
    sticky: bool


class MuteRow(NamedTuple):
    """A mute as it is kept; `mute_id` names it."""

    mute_id: int
    mute: MuteIn


class AuditIn(NamedTuple):
    """One change, or refused change."""

    at: datetime
    who: str
    what: str
    subject: str
    pool_uuid: str | None
    outcome: str
    detail: str


def add_mute(connection: Connection, mute: MuteIn) -> int:
    """Keep it; its id."""
    body = {"subject_name": mute.subject_name, "by": mute.by, "reason": mute.reason, "sticky": mute.sticky}
    made = connection.execute(
        insert(MUTES).values(
            pool_uuid=mute.pool_uuid,
            code=mute.code,
            subject_uuid=mute.subject_uuid,
            created_at_us=to_us(mute.created_at),
            until_us=to_us(mute.until),
            body=json.dumps(body),
        )
    )
    key = made.inserted_primary_key
    assert key is not None
    return int(key[0])


def end_mute(connection: Connection, mute_id: int, now: datetime) -> bool:
    """End one now; whether there was one in force."""
    change = update(MUTES).where(MUTES.c.id == mute_id, MUTES.c.ended_at_us.is_(None), MUTES.c.until_us > to_us(now))
    return connection.execute(change.values(ended_at_us=to_us(now))).rowcount > 0


def lift_mutes(connection: Connection, pool_uuid: str, code: str, subject_uuid: str, now: datetime) -> int:
    """End the mutes of one finding because it cleared or got worse; sticky ones and wider ones stay. How many."""
    ended = 0
    for row in mutes_in_force(connection, now):
        mute = row.mute
        mine = mute.code == code and mute.subject_uuid == subject_uuid and mute.pool_uuid in (None, pool_uuid)
        if mine and not mute.sticky:
            ended += end_mute(connection, row.mute_id, now)
    return ended


def mutes_in_force(connection: Connection, now: datetime) -> list[MuteRow]:
    """Those that have not ended, oldest first."""
    query = select(MUTES).where(MUTES.c.until_us > to_us(now), MUTES.c.ended_at_us.is_(None))
    return [MuteRow(row.id, _mute(row)) for row in connection.execute(query.order_by(MUTES.c.id))]


def add_audit(connection: Connection, entry: AuditIn) -> None:
    """Keep one entry."""
    values = {name: value for name, value in entry._asdict().items() if name != "at"}
    connection.execute(insert(AUDIT).values(at_us=to_us(entry.at), **values))


def audit_since(
    connection: Connection,
    since: datetime,
    limit: int,
    filters: Mapping[str, str] = MappingProxyType({}),
    pools: Collection[str] | None = None,
) -> list[AuditIn]:
    """Newest first; `filters`: column and value; of these `pools` alone, None for every pool and what is of none."""
    query = select(AUDIT).where(AUDIT.c.at_us >= to_us(since), *(AUDIT.c[k] == v for k, v in filters.items()))
    if pools is not None:
        query = query.where(AUDIT.c.pool_uuid.in_(pools))
    rows = connection.execute(query.order_by(AUDIT.c.at_us.desc(), AUDIT.c.id.desc()).limit(limit))
    return [
        AuditIn(_at(row.at_us), row.who, row.what, row.subject, row.pool_uuid, row.outcome, row.detail) for row in rows
    ]


def _mute(row: Row[Any]) -> MuteIn:
    body = json.loads(row.body)
    return MuteIn(
        pool_uuid=row.pool_uuid,
        code=row.code,
        subject_uuid=row.subject_uuid,
        subject_name=body["subject_name"],
        created_at=_at(row.created_at_us),
        until=_at(row.until_us),
        by=body["by"],
        reason=body["reason"],
        sticky=body["sticky"],
    )


def _at(micros: int) -> datetime:
    at = from_us(micros)
    assert at is not None
    return at

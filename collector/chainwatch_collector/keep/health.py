"""What the surfaces show of each host beside its row: gaps, committed bytes, certificates. Functions for `Readers`."""

from datetime import datetime

from sqlalchemy import Connection, and_, func, select

from chainwatch_collector.keep.rows import from_us
from chainwatch_collector.keep.tables import CERTIFICATES, FILES, GAPS, LOGS
from chainwatch_collector.keep.trust_tables import REVOKED_HOSTS

_HISTORY_LIMIT = 3


def gap_counts(connection: Connection) -> dict[int, int]:
    """host id → declared gaps; what lies before the first start's history limit is none."""
    query = select(GAPS.c.host_id, func.count()).where(GAPS.c.reason != _HISTORY_LIMIT).group_by(GAPS.c.host_id)
    return {row[0]: row[1] for row in connection.execute(query)}


def committed_bytes(connection: Connection) -> dict[int, dict[str, int]]:
    """host id → log path → how far the newest file of that log is committed."""
    newest = (
        select(FILES.c.host_id, FILES.c.log_id, func.max(FILES.c.ordinal).label("ordinal"))
        .group_by(FILES.c.host_id, FILES.c.log_id)
        .subquery()
    )
    same = and_(
        FILES.c.host_id == newest.c.host_id, FILES.c.log_id == newest.c.log_id, FILES.c.ordinal == newest.c.ordinal
    )
    query = select(FILES.c.host_id, LOGS.c.path, FILES.c.to_offset).join(newest, same)
    found: dict[int, dict[str, int]] = {}
    for row in connection.execute(query.join(LOGS, LOGS.c.id == FILES.c.log_id)):
        found.setdefault(row.host_id, {})[row.path] = row.to_offset
    return found


def certificate_ends(connection: Connection) -> dict[str, datetime | None]:
    """host uuid → when its newest certificate that is neither revoked nor retired ends."""
    query = select(CERTIFICATES.c.host_uuid, func.max(CERTIFICATES.c.not_after_us).label("until"))
    query = query.where(CERTIFICATES.c.revoked_at_us.is_(None), CERTIFICATES.c.retired_at_us.is_(None))
    query = query.group_by(CERTIFICATES.c.host_uuid)
    return {row.host_uuid: from_us(row.until) for row in connection.execute(query)}


def revocations(connection: Connection) -> dict[str, tuple[datetime, str]]:
    """host uuid → when and by whom, of hosts that were revoked and have no other certificate since."""
    rows = connection.execute(select(REVOKED_HOSTS)).all()
    good = certificate_ends(connection).keys() if rows else set()
    found = {row.host_uuid: (from_us(row.revoked_at_us), row.revoked_by) for row in rows if row.host_uuid not in good}
    return {uuid: (at, by) for uuid, (at, by) in found.items() if at is not None}

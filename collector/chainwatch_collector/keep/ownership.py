"""Each pool has one owner at a time, judged by the database's clock; every projection write checks the term."""

from sqlalchemy import Connection, insert, select, text, update

from chainwatch_collector.keep.folded import NotOwnerError, Ownership
from chainwatch_collector.keep.projection_tables import POOL_OWNERS

_NOW = {
    # unixepoch('subsec') is of SQLite 3.42; Debian 12 and EL9 have older ones.
    "sqlite": "SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
    "postgresql": "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)",
}


def database_now_us(connection: Connection) -> int:
    """The database's clock: the only one that several collectors share."""
    return int(connection.execute(text(_NOW[connection.dialect.name])).scalar_one())


def take_pool(connection: Connection, pool_uuid: str, owner: str, lease_seconds: float) -> Ownership | None:
    """Become the owner where there is none, its lease ran out, or it is us; None where another one holds it."""
    now = database_now_us(connection)
    row = connection.execute(
        select(POOL_OWNERS).where(POOL_OWNERS.c.pool_uuid == pool_uuid).with_for_update()
    ).one_or_none()
    expires = now + int(lease_seconds * 1e6)
    if row is None:
        connection.execute(insert(POOL_OWNERS).values(pool_uuid=pool_uuid, owner=owner, term=1, expires_at_us=expires))
        return Ownership(pool_uuid, owner, 1)
    if row.owner != owner and row.expires_at_us > now:
        return None
    # The same owner keeps its term while its lease runs; every change of hands, or a lapse, is a new term.
    term = row.term if row.owner == owner and row.expires_at_us > now else row.term + 1
    connection.execute(
        update(POOL_OWNERS)
        .where(POOL_OWNERS.c.pool_uuid == pool_uuid)
        .values(owner=owner, term=term, expires_at_us=expires)
    )
    return Ownership(pool_uuid, owner, term)


def release_pool(connection: Connection, ownership: Ownership) -> None:
    """Give it up at once, so that another collector need not wait for the lease to end."""
    connection.execute(
        update(POOL_OWNERS)
        .where(
            POOL_OWNERS.c.pool_uuid == ownership.pool_uuid,
            POOL_OWNERS.c.owner == ownership.owner,
            POOL_OWNERS.c.term == ownership.term,
        )
        .values(expires_at_us=0)
    )


def check_owner(connection: Connection, ownership: Ownership) -> None:
    """Raises `NotOwnerError`. Locks the row, so that nobody takes over before this transaction ends."""
    row = connection.execute(
        select(POOL_OWNERS.c.owner, POOL_OWNERS.c.term)
        .where(POOL_OWNERS.c.pool_uuid == ownership.pool_uuid)
        .with_for_update()
    ).one_or_none()
    if row is None or (row.owner, row.term) != (ownership.owner, ownership.term):
        held = "nobody" if row is None else f"{row.owner} in term {row.term}"
        raise NotOwnerError(f"pool {ownership.pool_uuid} is owned by {held}, not by {ownership.owner}")

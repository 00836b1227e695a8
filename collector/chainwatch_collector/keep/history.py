"""Numbers over time in the database: the days of a pool given back at a start, and what is too old taken away."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, select

from chainwatch_collector.keep.folded import HistoryIn
from chainwatch_collector.keep.projection_tables import HISTORY
from chainwatch_collector.keep.rows import from_us, to_us

DAY_SECONDS: Final = 86_400
HOUR_SECONDS: Final = 3600
SLICE: Final = timedelta(hours=6)
"""So much history is deleted in one transaction: others write in between."""


def days_of_pool(connection: Connection, pool_uuid: str, since: datetime) -> list[HistoryIn]:
    """The day roll-ups of a pool's subjects from `since` on."""
    query = select(HISTORY).where(
        HISTORY.c.resolution_seconds == DAY_SECONDS, HISTORY.c.at_us >= to_us(since), HISTORY.c.pool_uuid == pool_uuid
    )
    found = []
    for row in connection.execute(query):
        at = from_us(row.at_us)
        if at is not None:
            found.append(HistoryIn(row.subject_uuid, at, row.name, row.value, DAY_SECONDS))
    return found


def forget_history(connection: Connection, samples_before: datetime, rollups_before: datetime) -> int:
    """Delete a slice of what is older: samples and roll-ups by their own age. How many rows; 0: all is done."""
    oldest = select(HISTORY.c.at_us).where(HISTORY.c.resolution_seconds == 0).order_by(HISTORY.c.at_us).limit(1)
    first = connection.execute(oldest).scalar_one_or_none()
    deleted = 0
    if first is not None and first < to_us(samples_before):
        until = min(to_us(samples_before), first + int(SLICE.total_seconds() * 1_000_000))
        gone = delete(HISTORY).where(HISTORY.c.resolution_seconds == 0, HISTORY.c.at_us < until)
        deleted += connection.execute(gone).rowcount
    for resolution in (HOUR_SECONDS, DAY_SECONDS):
        gone = delete(HISTORY).where(
            HISTORY.c.resolution_seconds == resolution, HISTORY.c.at_us < to_us(rollups_before)
        )
        deleted += connection.execute(gone).rowcount
    return deleted

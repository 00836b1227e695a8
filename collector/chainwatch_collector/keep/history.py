"""Numbers over time in the database: the days of a pool, given back at a start."""

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from chainwatch_collector.keep.folded import HistoryIn
from chainwatch_collector.keep.projection_tables import HISTORY
from chainwatch_collector.keep.rows import from_us, to_us

DAY_SECONDS: Final = 86_400
HOUR_SECONDS: Final = 3600


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

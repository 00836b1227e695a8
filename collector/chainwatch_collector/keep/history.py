"""Numbers over time in the database: the days of a pool, given back at a start."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, select

from chainwatch_collector.keep.folded import HistoryIn
from chainwatch_collector.keep.projection_tables import HISTORY
from chainwatch_collector.keep.projections import history_between
from chainwatch_collector.keep.rows import from_us, to_us

DAY_SECONDS: Final = 86_400
HOUR_SECONDS: Final = 3600
HOUR: Final = timedelta(seconds=HOUR_SECONDS)


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


def hours_and_newest(connection: Connection, subject_uuid: str, since: datetime, until: datetime) -> list[HistoryIn]:
    """A subject's hours in `[since, until)`, and the samples of what is behind the last whole one."""
    hours = history_between(connection, subject_uuid, since, until, HOUR_SECONDS)
    behind = max((row.at for row in hours), default=since - HOUR) + HOUR
    return [*hours, *history_between(connection, subject_uuid, behind, until)]

"""What channels were told of, and what is still to be sent to them. Units for the `Writer` and functions for `Readers`.

A change of what a channel knows and the message that tells it are one transaction: neither a crash nor a second
collector on the same database can lose or double a message. Delivery itself is at least once.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, CursorResult, delete, func, insert, select, update

from chainwatch_collector.keep.notice_tables import NOTIFICATIONS, NOTIFIED
from chainwatch_collector.keep.rows import from_us, to_us

Json = Mapping[str, Any]


class Known(NamedTuple):
    """An incident that a channel was told of."""

    incident: str
    severity: str
    body: Json


class Telling(NamedTuple):
    """`event`: raised, worse, better or resolved. `before`: the severity that the channel knows, "" where none."""

    event: str
    incident: str
    before: str
    severity: str
    body: Json
    is_sent: bool = True


class Waiting(NamedTuple):
    """A message that is to be sent."""

    message_id: int
    event: str
    body: Json
    created_at: datetime
    tries: int

    @property
    def key(self) -> str:
        """No other message ever has it: a database may number anew once all are sent."""
        return f"{self.message_id}-{to_us(self.created_at)}"


def known(connection: Connection, channel: str) -> list[Known]:
    """What a channel was told of and not that it is over."""
    rows = connection.execute(select(NOTIFIED).where(NOTIFIED.c.channel == channel).order_by(NOTIFIED.c.incident))
    return [Known(row.incident, row.severity, json.loads(row.body)) for row in rows]


def tell(connection: Connection, channel: str, tellings: Sequence[Telling], now: datetime) -> int:
    """Note what a channel will know, queue the messages. What another collector told is left out. How many are not."""
    queued = 0
    for one in tellings:
        if _noted(connection, channel, one):
            queued += 1
            if one.is_sent:
                connection.execute(
                    insert(NOTIFICATIONS).values(
                        channel=channel,
                        event=one.event,
                        body=json.dumps(one.body),
                        created_at_us=to_us(now),
                        next_try_at_us=to_us(now),
                        tries=0,
                    )
                )
    return queued


def _noted(connection: Connection, channel: str, one: Telling) -> bool:
    mine = (NOTIFIED.c.channel == channel) & (NOTIFIED.c.incident == one.incident)
    if one.event == "raised":
        if connection.execute(select(NOTIFIED.c.incident).where(mine)).one_or_none() is not None:
            return False
        row = {"channel": channel, "incident": one.incident, "severity": one.severity, "body": json.dumps(one.body)}
        connection.execute(insert(NOTIFIED).values(row))
        return True
    mine &= NOTIFIED.c.severity == one.before
    if one.event == "resolved":
        return _count(connection.execute(delete(NOTIFIED).where(mine))) > 0
    change = update(NOTIFIED).where(mine).values(severity=one.severity, body=json.dumps(one.body))
    return _count(connection.execute(change)) > 0


def claim(connection: Connection, channel: str, now: datetime, lease_seconds: float) -> Waiting | None:
    """The oldest message of a channel, where its time has come: nobody else gets it for `lease_seconds`.

    None where there is none, or where the oldest is to be tried later: what follows waits behind it.
    """
    query = select(NOTIFICATIONS).where(NOTIFICATIONS.c.channel == channel).order_by(NOTIFICATIONS.c.id).limit(1)
    row = connection.execute(query).one_or_none()
    if row is None or row.next_try_at_us > to_us(now):
        return None
    same = (NOTIFICATIONS.c.id == row.id) & (NOTIFICATIONS.c.next_try_at_us == row.next_try_at_us)
    until = to_us(now + timedelta(seconds=lease_seconds))
    if not _count(connection.execute(update(NOTIFICATIONS).where(same).values(next_try_at_us=until))):
        return None
    created = from_us(row.created_at_us)
    assert created is not None
    return Waiting(row.id, row.event, json.loads(row.body), created, row.tries)


def sent(connection: Connection, message_id: int) -> None:
    """It is there, or it is given up."""
    connection.execute(delete(NOTIFICATIONS).where(NOTIFICATIONS.c.id == message_id))


def try_later(connection: Connection, message_id: int, at: datetime) -> None:
    """It was not delivered."""
    later = {"next_try_at_us": to_us(at), "tries": NOTIFICATIONS.c.tries + 1}
    connection.execute(update(NOTIFICATIONS).where(NOTIFICATIONS.c.id == message_id).values(later))


def waiting_count(connection: Connection) -> int:
    """Messages that are still to be sent, of every channel."""
    return int(connection.execute(select(func.count()).select_from(NOTIFICATIONS)).scalar_one())


def _count(result: CursorResult[Any]) -> int:
    return int(result.rowcount)

"""What one collector asks of another that shares its database, and the reply. Units for the `Writer`, functions for
`Readers`.

A request is `asked`, then `taken` by the collector that holds the target's stream, then `done` or `refused` with a
reply. Whoever asked collects the reply, and with it the row goes; a row whose deadline has passed is dropped by any
collector that looks. All times are the database's clock, the only one that collectors share.
"""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, delete, exists, insert, select, update

from chainwatch_collector.keep.ownership import database_now_us
from chainwatch_collector.keep.projection_tables import REQUESTS
from chainwatch_collector.keep.tables import HOSTS

ANSWERED = ("done", "refused")


class TakenRequest(NamedTuple):
    """One that is ours to answer. `body` as it was asked; after `seconds_left` nobody waits for it any more."""

    request_id: int
    target: str
    body: str
    seconds_left: float


class Reply(NamedTuple):
    """`state` is done or refused; what `data` means is between the two collectors."""

    state: str
    data: bytes


class Due(NamedTuple):
    """Targets of requests that nobody took yet, and whether there are rows that nobody waits for any more."""

    targets: frozenset[str]
    expired: bool


def add_request(connection: Connection, kind: str, target: str, body: str, seconds: float) -> int | None:
    """Ask; its id. None where another request of this kind is open for the target."""
    now = database_now_us(connection)
    same = (REQUESTS.c.kind == kind, REQUESTS.c.target == target, REQUESTS.c.deadline_us > now)
    if connection.execute(select(exists().where(*same))).scalar_one():
        return None
    deadline = now + int(seconds * 1e6)
    values = {"kind": kind, "target": target, "created_at_us": now, "deadline_us": deadline, "state": "asked"}
    made = connection.execute(insert(REQUESTS).values(**values, body=body)).inserted_primary_key
    assert made is not None
    return int(made[0])


def request_state(connection: Connection, request_id: int) -> str | None:
    """`asked`, `taken`, `done`, `refused`; None where it is gone."""
    return connection.execute(select(REQUESTS.c.state).where(REQUESTS.c.id == request_id)).scalar()


def collect_reply(connection: Connection, request_id: int) -> Reply | None:
    """The reply, which is gone from the database by the same transaction; None where there is none."""
    where = (REQUESTS.c.id == request_id, REQUESTS.c.state.in_(ANSWERED))
    row = connection.execute(select(REQUESTS.c.state, REQUESTS.c.reply).where(*where)).one_or_none()
    if row is None:
        return None
    connection.execute(delete(REQUESTS).where(REQUESTS.c.id == request_id))
    return Reply(row.state, bytes(row.reply or b""))


def end_request(connection: Connection, request_id: int) -> None:
    """Nobody waits for it any more."""
    connection.execute(delete(REQUESTS).where(REQUESTS.c.id == request_id))


def due_requests(connection: Connection, kind: str) -> Due:
    """The cheap look, twice a second: the table is empty nearly always."""
    now = database_now_us(connection)
    rows = connection.execute(
        select(REQUESTS.c.target, REQUESTS.c.state, REQUESTS.c.deadline_us).where(REQUESTS.c.kind == kind)
    ).all()
    targets = frozenset(row.target for row in rows if row.state == "asked" and row.deadline_us > now)
    return Due(targets, any(row.deadline_us <= now for row in rows))


def take_requests(connection: Connection, kind: str, held: Mapping[str, int]) -> list[TakenRequest]:
    """Those for hosts whose stream is ours. `held`: host uuid → our stream's epoch; an older one than the host's is not
    its stream any more, though this collector has not noticed yet.
    """
    now = database_now_us(connection)
    rows = connection.execute(
        select(REQUESTS.c.id, REQUESTS.c.target, REQUESTS.c.body, REQUESTS.c.deadline_us, HOSTS.c.stream_epoch)
        .join(HOSTS, HOSTS.c.uuid == REQUESTS.c.target)
        .where(REQUESTS.c.kind == kind, REQUESTS.c.state == "asked", REQUESTS.c.deadline_us > now)
        .with_for_update(of=REQUESTS)
    ).all()
    ours = [row for row in rows if held.get(row.target) == row.stream_epoch]
    for row in ours:
        connection.execute(update(REQUESTS).where(REQUESTS.c.id == row.id).values(state="taken"))
    return [TakenRequest(row.id, row.target, row.body, (row.deadline_us - now) / 1e6) for row in ours]


def answer_request(connection: Connection, request_id: int, reply: Reply) -> bool:
    """Keep the reply until it is collected; False where nobody waits for it any more, and then nothing is kept."""
    now = database_now_us(connection)
    change = update(REQUESTS).where(
        REQUESTS.c.id == request_id, REQUESTS.c.state == "taken", REQUESTS.c.deadline_us > now
    )
    return connection.execute(change.values(state=reply.state, reply=reply.data)).rowcount > 0


def drop_expired(connection: Connection) -> int:
    """Drop what nobody waits for any more, with replies that were not collected; how many."""
    return connection.execute(delete(REQUESTS).where(REQUESTS.c.deadline_us <= database_now_us(connection))).rowcount

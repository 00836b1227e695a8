"""Events as people ask for them: pages in order of time, each with its stored line. Functions for `Readers`."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, and_, bindparam, func, or_, select

from chainwatch_collector.keep.projection_tables import EVENTS, WORDS
from chainwatch_collector.keep.rows import from_us, to_us
from chainwatch_collector.keep.tables import FILES, HOSTS, LINES, LOGS

# A text is looked for in so many lines at a time, for so long: then the page ends and its cursor goes on from there.
_GREP_ROWS = 2000
_GREP_SECONDS = 3.0
_GREP_MAX_ROWS = 200_000


class EventPlace(NamedTuple):
    """Where an event stands in the order of time: what a page's cursor carries."""

    at_us: int
    file_id: int
    offset: int


class EventFilter(NamedTuple):
    """What is asked for; None is everything. `host_ids` empty finds nothing. `grep` is matched in any case."""

    since: datetime | None = None
    until: datetime | None = None
    host_ids: Sequence[int] | None = None
    sr_uuid: str | None = None
    vdi_uuid: str | None = None
    kind: str | None = None
    grep: str | None = None
    ascending: bool = False


class EventRow(NamedTuple):
    """One event and its line; `data` is the line without its newline, empty where retention has dropped it."""

    place: EventPlace
    host_id: int
    at: datetime | None
    kind: str
    sr_uuid: str | None
    vdi_uuid: str | None
    uncertain: bool
    log: str
    ordinal: int
    data: bytes


def events_page(
    connection: Connection, wanted: EventFilter, limit: int, after: EventPlace | None = None
) -> tuple[list[EventRow], EventPlace | None]:
    """At most `limit` events behind `after`, and the cursor of the next page, None at the end."""
    query = _query(connection, wanted)
    if query is None:
        return [], None
    if wanted.grep is None:
        rows = _fetch(connection, query, wanted, after, limit + 1)
        return rows[:limit], rows[limit - 1].place if len(rows) > limit else None
    return _grep(connection, query, wanted, after, limit)


def _grep(
    connection: Connection, query: Select[Any], wanted: EventFilter, after: EventPlace | None, limit: int
) -> tuple[list[EventRow], EventPlace | None]:
    needle = (wanted.grep or "").lower()
    deadline = time.monotonic() + _GREP_SECONDS
    found: list[EventRow] = []
    seen = 0
    while True:
        rows = _fetch(connection, query, wanted, after, _GREP_ROWS)
        for row in rows:
            if needle in row.data.decode("utf-8", "replace").lower():
                found.append(row)
                if len(found) == limit:
                    return found, row.place
        if len(rows) < _GREP_ROWS:
            return found, None
        after, seen = rows[-1].place, seen + len(rows)
        if time.monotonic() > deadline or seen >= _GREP_MAX_ROWS:
            return found, after


def count_events(connection: Connection, wanted: EventFilter) -> int:
    """How many events fit; `grep` is not looked at."""
    query = _query(connection, wanted)
    if query is None:
        return 0
    return int(connection.execute(select(func.count()).select_from(query.subquery())).scalar_one())


def _query(connection: Connection, wanted: EventFilter) -> Select[Any] | None:
    """The rows that fit, unordered; None where nothing can fit."""
    query = select(EVENTS)
    for column, word in (
        (EVENTS.c.kind_id, wanted.kind),
        (EVENTS.c.sr_id, wanted.sr_uuid),
        (EVENTS.c.vdi_id, wanted.vdi_uuid),
    ):
        if word is None:
            continue
        word_id = connection.execute(select(WORDS.c.id).where(WORDS.c.word == word)).scalar()
        if word_id is None:
            return None
        query = query.where(column == word_id)
    if wanted.host_ids is not None:
        query = query.where(EVENTS.c.host_id.in_(wanted.host_ids))
    if wanted.since is not None:
        query = query.where(EVENTS.c.at_us >= to_us(wanted.since))
    if wanted.until is not None:
        query = query.where(EVENTS.c.at_us <= to_us(wanted.until))
    return query


def _fetch(
    connection: Connection, query: Select[Any], wanted: EventFilter, after: EventPlace | None, limit: int
) -> list[EventRow]:
    keys = (EVENTS.c.at_us, EVENTS.c.file_id, EVENTS.c.offset)
    if after is not None:
        query = query.where(_behind(after, wanted.ascending))
    query = _bounded(connection, query, wanted, limit)
    query = query.order_by(*(key.asc() if wanted.ascending else key.desc() for key in keys)).limit(limit)
    # The page is chosen first, on an index alone; texts and names are joined to so few rows only.
    chosen = query.subquery("chosen")
    kind, sr, vdi = WORDS.alias("kind_word"), WORDS.alias("sr_word"), WORDS.alias("vdi_word")
    joined = (
        chosen.join(FILES, FILES.c.id == chosen.c.file_id)
        .join(LOGS, LOGS.c.id == FILES.c.log_id)
        .join(kind, kind.c.id == chosen.c.kind_id)
        .outerjoin(sr, sr.c.id == chosen.c.sr_id)
        .outerjoin(vdi, vdi.c.id == chosen.c.vdi_id)
        .outerjoin(LINES, and_(LINES.c.file_id == chosen.c.file_id, LINES.c.offset == chosen.c.offset))
    )
    outer = select(
        chosen,
        LOGS.c.path,
        FILES.c.ordinal,
        kind.c.word.label("kind"),
        sr.c.word.label("sr"),
        vdi.c.word.label("vdi"),
        LINES.c.data,
    ).select_from(joined)
    order = (chosen.c.at_us, chosen.c.file_id, chosen.c.offset)
    outer = outer.order_by(*(key.asc() if wanted.ascending else key.desc() for key in order))
    return [_row(row) for row in connection.execute(outer)]


def _bounded(connection: Connection, query: Select[Any], wanted: EventFilter, limit: int) -> Select[Any]:
    """The same page from fewer rows, where no index has all hosts in order of time.

    The page's rows are none that is further away than the `limit`th of any one host, and that one is found on the
    index of that host; so only what lies before it is sorted, instead of all that there is.
    """
    if wanted.kind is not None or wanted.sr_uuid is not None or wanted.vdi_uuid is not None:
        return query
    hosts = wanted.host_ids
    if hosts is None:
        hosts = connection.execute(select(HOSTS.c.id)).scalars().all()
    if wanted.host_ids is not None and len(hosts) < 2:
        return query
    keys = (EVENTS.c.at_us, EVENTS.c.file_id, EVENTS.c.offset)
    order = [key.asc() if wanted.ascending else key.desc() for key in keys]
    one_host = query.with_only_columns(EVENTS.c.at_us).where(EVENTS.c.host_id == bindparam("one_host"))
    nth = one_host.order_by(*order).offset(limit - 1).limit(1)
    found = [connection.execute(nth, {"one_host": host}).scalar() for host in hosts]
    ends = [at for at in found if at is not None]
    query = query.where(EVENTS.c.host_id.in_(hosts))
    if not ends:
        return query
    return query.where(EVENTS.c.at_us <= min(ends) if wanted.ascending else EVENTS.c.at_us >= max(ends))


def _behind(after: EventPlace, ascending: bool) -> Any:
    at, file_id, offset = EVENTS.c.at_us, EVENTS.c.file_id, EVENTS.c.offset
    if ascending:
        later = or_(file_id > after.file_id, and_(file_id == after.file_id, offset > after.offset))
        return and_(at >= after.at_us, or_(at > after.at_us, later))
    earlier = or_(file_id < after.file_id, and_(file_id == after.file_id, offset < after.offset))
    return and_(at <= after.at_us, or_(at < after.at_us, earlier))


def _row(row: Row[Any]) -> EventRow:
    return EventRow(
        place=EventPlace(row.at_us, row.file_id, row.offset),
        host_id=row.host_id,
        at=from_us(row.at_us),
        kind=row.kind,
        sr_uuid=row.sr,
        vdi_uuid=row.vdi,
        uncertain=row.uncertain,
        log=row.path,
        ordinal=row.ordinal,
        data=bytes(row.data or b""),
    )

"""Taking away what is too old, a small piece at a time: units for the `Writer`.

Nothing of a file is dropped but the beginning of what is stored of it. Its row stays with its position, so that an
agent that still has the file on disk is told how far it was committed and sends nothing again. Freed pages are used
again by what comes next: SQLite's file does not shrink and needs no vacuum, which would copy all of it; PostgreSQL's
autovacuum does the same.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, Table, delete, func, select, text, tuple_, update

from chainwatch_collector.keep.history import DAY_SECONDS, HOUR_SECONDS
from chainwatch_collector.keep.projection_tables import (
    AUDIT,
    EVENTS,
    FINDINGS,
    HISTORY,
    POOL_OWNERS,
    RESCANS,
    RUNS,
    TRANSITIONS,
)
from chainwatch_collector.keep.retention_plan import OldFile
from chainwatch_collector.keep.rows import to_us
from chainwatch_collector.keep.streams import POSITIONS_PER_LOG
from chainwatch_collector.keep.tables import COVERAGE, FILES, GAPS, HOSTS, LATE_RANGES, LINES, SAMPLES

ROWS_AT_ONCE: Final = 500
"""Of one unit: a stream's commit that shares its transaction waits for some milliseconds."""
_LOCK: Final = 0x63687772
_FOREVER: Final = 1 << 62


class Limits(NamedTuple):
    """What is older goes. `max_bytes` of the whole database, 0: no cap; evidence alone is dropped for it."""

    evidence_before: datetime
    samples_before: datetime
    history_before: datetime
    max_bytes: int = 0


class LinesDropped(NamedTuple):
    """Of one unit. `done`: nothing more of the file may go now."""

    lines: int
    events: int
    text_bytes: int
    done: bool


class Aged(NamedTuple):
    """Rows of `table` that go when `at` is before `before`; `of_pool` where an index needs the pool."""

    table: Table
    at: Column[Any]
    before: datetime
    of_pool: bool = False
    only: Sequence[ColumnElement[bool]] = ()


def alone(connection: Connection) -> bool:
    """Whether no other collector is at it in this moment; until the end of the transaction none will be."""
    if connection.dialect.name == "sqlite":
        return True
    return bool(connection.execute(text(f"SELECT pg_try_advisory_xact_lock({_LOCK})")).scalar_one())


def drop_lines(
    connection: Connection, old: OldFile, read_before: datetime | None, rows: int = ROWS_AT_ONCE
) -> LinesDropped:
    """Drop a file's oldest lines, at most so many, that an agent read before `read_before`; None: whenever."""
    # As ingest does: nothing of this host is committed meanwhile, and who is committing is not waited for.
    host = select(HOSTS.c.id).where(HOSTS.c.id == old.host_id).with_for_update(skip_locked=True)
    if connection.execute(host).first() is None:
        return LinesDropped(0, 0, 0, done=True)
    before_us = _FOREVER if read_before is None else to_us(read_before)
    query = select(LINES.c.offset, LINES.c.read_at_ms, func.length(LINES.c.data).label("size"))
    query = query.where(LINES.c.file_id == old.file_id, LINES.c.offset < old.until).order_by(LINES.c.offset)
    found = connection.execute(query.limit(rows + 1)).all()
    young = next((n for n, row in enumerate(found) if row.read_at_ms * 1000 >= before_us), len(found))
    count = min(young, rows)
    until = found[count].offset if count < len(found) else old.until
    sizes = sum(row.size for row in found[:count])
    events = _drop_before(connection, old.file_id, until, before_us)
    left = {
        "stored_lines": FILES.c.stored_lines - count,
        "stored_bytes": FILES.c.stored_bytes - sizes,
        "dropped_to": until,
    }
    connection.execute(update(FILES).where(FILES.c.id == old.file_id, FILES.c.dropped_to <= until).values(left))
    return LinesDropped(count, events, sizes, done=young < len(found) or len(found) <= rows)


def _drop_before(connection: Connection, file_id: int, until: int, before_us: int) -> int:
    """What a file's bytes before `until` left; the number of events."""
    connection.execute(delete(LINES).where(LINES.c.file_id == file_id, LINES.c.offset < until))
    events = connection.execute(delete(EVENTS).where(EVENTS.c.file_id == file_id, EVENTS.c.offset < until)).rowcount
    ranges = (COVERAGE.c.file_id == file_id, COVERAGE.c.last_read_at_us < before_us)
    connection.execute(delete(COVERAGE).where(*ranges, COVERAGE.c.to_offset <= until))
    # "Nothing happened" may be said over covered bytes alone, and their lines must be there to say so.
    cut = (COVERAGE.c.file_id == file_id, COVERAGE.c.from_offset < until, COVERAGE.c.to_offset > until)
    connection.execute(update(COVERAGE).where(*cut).values(from_offset=until))
    connection.execute(delete(LATE_RANGES).where(LATE_RANGES.c.file_id == file_id, LATE_RANGES.c.to_offset <= until))
    return events


def aged(limits: Limits) -> list[Aged]:
    """All that goes by its own age. Findings that are open keep their first_seen however old; mutes stay."""
    history = limits.history_before
    rollups = [HISTORY.c.resolution_seconds == seconds for seconds in (HOUR_SECONDS, DAY_SECONDS)]
    return [
        Aged(SAMPLES, SAMPLES.c.at_us, limits.samples_before),
        Aged(HISTORY, HISTORY.c.at_us, limits.samples_before, only=[HISTORY.c.resolution_seconds == 0]),
        *(Aged(HISTORY, HISTORY.c.at_us, history, only=[rollup]) for rollup in rollups),
        Aged(RUNS, RUNS.c.started_at_us, history, of_pool=True),
        Aged(FINDINGS, FINDINGS.c.cleared_at_us, history, of_pool=True),
        Aged(TRANSITIONS, TRANSITIONS.c.at_us, history, of_pool=True),
        Aged(RESCANS, RESCANS.c.asked_at_us, history),
        Aged(AUDIT, AUDIT.c.at_us, history),
        Aged(GAPS, GAPS.c.declared_at_us, history),
    ]


def drop_aged(connection: Connection, rule: Aged, rows: int = ROWS_AT_ONCE) -> int:
    """At most so many rows of a rule, the oldest first (of each pool); 0: none is left."""
    if not rule.of_pool:
        return _drop_rows(connection, rule, rule.only, rows)
    gone = 0
    for pool_uuid in connection.execute(select(POOL_OWNERS.c.pool_uuid)).scalars():
        if gone < rows:
            gone += _drop_rows(connection, rule, [rule.table.c.pool_uuid == pool_uuid], rows - gone)
    return gone


def _drop_rows(connection: Connection, rule: Aged, only: Sequence[ColumnElement[bool]], rows: int) -> int:
    key = tuple_(*rule.table.primary_key.columns)
    chosen = select(*rule.table.primary_key.columns).where(*only, rule.at < to_us(rule.before))
    return connection.execute(delete(rule.table).where(key.in_(chosen.order_by(rule.at).limit(rows)))).rowcount


def forget_files(connection: Connection, born_before: date, rows: int = ROWS_AT_ONCE) -> int:
    """Rows of files that hold nothing any more, beside the newest of each log: those are the positions of a Welcome."""
    newest = select(FILES.c.host_id, FILES.c.log_id, func.max(FILES.c.ordinal).label("ordinal"))
    last = newest.group_by(FILES.c.host_id, FILES.c.log_id).subquery()
    empty = (
        select(FILES.c.id)
        .join(last, (last.c.host_id == FILES.c.host_id) & (last.c.log_id == FILES.c.log_id))
        .where(FILES.c.born_on < born_before, FILES.c.dropped_to >= FILES.c.to_offset)
        .where(FILES.c.ordinal <= last.c.ordinal - POSITIONS_PER_LOG)
    )
    ids = list(connection.execute(empty.order_by(FILES.c.id).limit(rows)).scalars())
    for table in (COVERAGE, LATE_RANGES):
        connection.execute(delete(table).where(table.c.file_id.in_(ids)))
    return connection.execute(delete(FILES).where(FILES.c.id.in_(ids))).rowcount


def limits_at(now: datetime, evidence_days: int, samples_days: int, history_days: int, max_bytes: int) -> Limits:
    """The settings as moments."""
    evidence, samples, history = (now - timedelta(days=days) for days in (evidence_days, samples_days, history_days))
    return Limits(evidence, samples, history, max_bytes)

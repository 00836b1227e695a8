"""What a fold and the surfaces read of the evidence. Plain functions over a read-only connection (`Readers`).

The order of a host's log is (ordinal, offset). A `Cursor` says how far a reader has come in one log of one host; what
`lines_after` gives is exactly once, in order, as far as coverage reaches, with late lines (bytes that a finished file
got after its successor began) given when they come.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, and_, or_, select

from chainwatch_collector.keep.rows import (
    CoverageRow,
    Cursor,
    FileRow,
    GapSeen,
    HostRow,
    LineBatch,
    StoredLine,
    StoredObservation,
    from_us,
    to_us,
)
from chainwatch_collector.keep.tables import COVERAGE, FILES, GAPS, HOSTS, LATE_RANGES, LINES, LOGS, SAMPLES, STATUSES


class _Place(NamedTuple):
    id: int
    ordinal: int
    to_offset: int
    mtime_us: int


_AFTER, _BEFORE = FILES.alias("after_file"), FILES.alias("before_file")
# Made once: an alias made anew costs more than the query, and a fold asks at every step.
_GAPS = (
    select(GAPS, LOGS.c.path, _AFTER.c.ordinal.label("after_ordinal"), _BEFORE.c.ordinal.label("before_ordinal"))
    .join(LOGS, LOGS.c.id == GAPS.c.log_id)
    .outerjoin(_AFTER, _AFTER.c.id == GAPS.c.after_file_id)
    .outerjoin(_BEFORE, _BEFORE.c.id == GAPS.c.before_file_id)
)
_REASONS = {1: "rotated_away", 2: "truncated", 3: "history_limit", 4: "unreadable"}


def hosts(connection: Connection) -> list[HostRow]:
    """Every registered host, by uuid."""
    rows = connection.execute(select(HOSTS).order_by(HOSTS.c.uuid))
    return [
        HostRow(
            host_id=r.id,
            uuid=r.uuid,
            hostname=r.hostname,
            stream_open=r.stream_open,
            agent_version=r.agent_version,
            python=r.python,
            sm_version=r.sm_version,
            timezone=r.timezone,
            utc_offset_seconds=r.utc_offset_seconds,
            features=tuple(r.features.split()),
            clock_skew_seconds=r.clock_skew_us / 1e6,
            registered_at=from_us(r.registered_at_us),
            connected_at=from_us(r.connected_at_us),
            last_seen_at=from_us(r.last_seen_at_us),
            observations_lost=r.observations_lost,
            evidence_version=r.evidence_version,
        )
        for r in rows
    ]


def evidence_versions(connection: Connection) -> dict[int, int]:
    """host id → version; the cheap poll for new evidence."""
    return {r.id: r.evidence_version for r in connection.execute(select(HOSTS.c.id, HOSTS.c.evidence_version))}


def logs(connection: Connection, host_id: int) -> list[str]:
    """Paths of the logs that a host has sent."""
    query = select(LOGS.c.path).where(LOGS.c.id.in_(select(FILES.c.log_id).where(FILES.c.host_id == host_id)))
    return list(connection.execute(query.order_by(LOGS.c.path)).scalars())


def files(connection: Connection, host_id: int, log: str | None = None) -> list[FileRow]:
    """A host's files in order of their logs and ordinals."""
    query = select(FILES, LOGS.c.path).join(LOGS).where(FILES.c.host_id == host_id)
    if log is not None:
        query = query.where(LOGS.c.path == log)
    rows = connection.execute(query.order_by(LOGS.c.path, FILES.c.ordinal))
    return [
        FileRow(
            file_id=r.id,
            host_id=r.host_id,
            log=r.path,
            ordinal=r.ordinal,
            name=r.name,
            first_line=r.first_line,
            mtime=from_us(r.mtime_us),
            compressed=r.compressed,
            to_offset=r.to_offset,
            born_on=r.born_on,
        )
        for r in rows
    ]


def coverage(connection: Connection, host_id: int, log: str) -> list[CoverageRow]:
    """What was read of a log, in order."""
    query = (
        select(COVERAGE, FILES.c.ordinal)
        .join(FILES, FILES.c.id == COVERAGE.c.file_id)
        .join(LOGS, LOGS.c.id == FILES.c.log_id)
        .where(FILES.c.host_id == host_id, LOGS.c.path == log)
        .order_by(FILES.c.ordinal, COVERAGE.c.from_offset)
    )
    return [
        CoverageRow(
            log=log,
            ordinal=r.ordinal,
            from_offset=r.from_offset,
            to_offset=r.to_offset,
            lines_selected=r.lines_selected,
            first_read_at=from_us(r.first_read_at_us),
            last_read_at=from_us(r.last_read_at_us),
        )
        for r in connection.execute(query)
    ]


def gaps_after(connection: Connection, host_id: int, gap_id: int = 0, limit: int = 1000) -> list[GapSeen]:
    """Gaps declared after the one with `gap_id`, oldest first. A gap that learns its end gets a new id."""
    query = _GAPS.where(GAPS.c.host_id == host_id, GAPS.c.id > gap_id).order_by(GAPS.c.id).limit(limit)
    return [
        GapSeen(
            gap_id=r.id,
            log=r.path,
            reason=_REASONS.get(r.reason, "unspecified"),
            after=None if r.after_ordinal is None else (r.after_ordinal, r.after_offset),
            before=None if r.before_ordinal is None else (r.before_ordinal, r.before_offset),
            missing_bytes=r.missing_bytes,
            detail=r.detail,
            declared_at=from_us(r.declared_at_us),
        )
        for r in connection.execute(query)
    ]


def lines_after(connection: Connection, host_id: int, log: str, cursor: Cursor, limit: int = 5000) -> LineBatch:
    """At most about `limit` lines of one log behind `cursor`: late ones first, then on in (ordinal, offset) order."""
    rows = connection.execute(
        select(FILES.c.id, FILES.c.ordinal, FILES.c.to_offset, FILES.c.mtime_us)
        .join(LOGS, LOGS.c.id == FILES.c.log_id)
        .where(FILES.c.host_id == host_id, LOGS.c.path == log)
        .order_by(FILES.c.ordinal)
    )
    known = [_Place(*row) for row in rows]
    late, late_id = _late_lines(connection, host_id, log, cursor, known)
    out = late
    ordinal, offset = cursor.ordinal, cursor.offset
    more = False
    for file in known:
        if file.ordinal < cursor.ordinal:
            continue
        start = cursor.offset if file.ordinal == cursor.ordinal else 0
        room = limit - len(out)
        if room <= 0:
            more = more or file.to_offset > start
            break
        got = _lines(connection, file, log, start, file.to_offset, room + 1)
        if len(got) > room:
            out += got[:room]
            return LineBatch(out, Cursor(file.ordinal, got[room].offset, late_id), True)
        out += got
        ordinal, offset = file.ordinal, max(start, file.to_offset)
    return LineBatch(out, Cursor(ordinal, offset, late_id), more)


def _late_lines(
    connection: Connection, host_id: int, log: str, cursor: Cursor, known: Sequence[_Place]
) -> tuple[list[StoredLine], int]:
    """Lines committed behind the cursor's back, and the id of the newest late range: all of them are dealt with."""
    ranges = connection.execute(
        select(LATE_RANGES)
        .join(LOGS, LOGS.c.id == LATE_RANGES.c.log_id)
        .where(LATE_RANGES.c.host_id == host_id, LOGS.c.path == log, LATE_RANGES.c.id > cursor.late_id)
        .order_by(LATE_RANGES.c.id)
    ).all()
    by_id = {file.id: file for file in known}
    lines: list[StoredLine] = []
    for late in ranges:
        file = by_id.get(late.file_id)
        # What still lies before the cursor's own way is read there, in order.
        if file is not None and (file.ordinal, late.from_offset) < (cursor.ordinal, cursor.offset):
            lines += _lines(connection, file, log, late.from_offset, late.to_offset, 1_000_000)
    return lines, max((late.id for late in ranges), default=cursor.late_id)


def _lines(connection: Connection, file: _Place, log: str, start: int, end: int, limit: int) -> list[StoredLine]:
    rows = connection.execute(
        select(LINES.c.offset, LINES.c.data, LINES.c.read_at_ms)
        .where(LINES.c.file_id == file.id, LINES.c.offset >= start, LINES.c.offset < end)
        .order_by(LINES.c.offset)
        .limit(limit)
    )
    mtime = from_us(file.mtime_us)
    return [StoredLine(file.id, log, file.ordinal, r.offset, r.data, from_us(r.read_at_ms * 1000), mtime) for r in rows]


def lines_around(
    connection: Connection, file_id: int, offset: int, before: int = 5, after: int = 5
) -> list[StoredLine]:
    """The stored neighbours of a line, in order, the line itself included."""
    file = connection.execute(
        select(FILES.c.id, FILES.c.ordinal, FILES.c.to_offset, FILES.c.mtime_us, LOGS.c.path)
        .join(LOGS, LOGS.c.id == FILES.c.log_id)
        .where(FILES.c.id == file_id)
    ).one_or_none()
    if file is None:
        return []
    place = _Place(file.id, file.ordinal, file.to_offset, file.mtime_us)
    start = connection.execute(
        select(LINES.c.offset)
        .where(LINES.c.file_id == file_id, LINES.c.offset <= offset)
        .order_by(LINES.c.offset.desc())
        .limit(before + 1)
    ).scalars()
    first = min(start, default=offset)
    return _lines(connection, place, file.path, first, place.to_offset, before + after + 1)


def latest_statuses(connection: Connection) -> dict[int, StoredObservation]:
    """host id → its newest Status message, serialised."""
    return {
        r.host_id: StoredObservation(r.host_id, int(r.agent_epoch), r.seq, from_us(r.at_us), r.body)
        for r in connection.execute(select(STATUSES))
    }


def samples_after(connection: Connection, sample_id: int, limit: int = 1000) -> tuple[list[StoredObservation], int]:
    """Samples messages of every host stored after the one with `sample_id`, and the newest id among them."""
    query = select(SAMPLES).where(SAMPLES.c.id > sample_id).order_by(SAMPLES.c.id).limit(limit)
    rows = connection.execute(query).all()
    found = [StoredObservation(r.host_id, int(r.agent_epoch), r.seq, from_us(r.at_us), r.body) for r in rows]
    return found, rows[-1].id if rows else sample_id


def newest_sample_id(connection: Connection) -> int:
    """The id of the newest Samples message, 0 where there is none."""
    return int(connection.execute(select(SAMPLES.c.id).order_by(SAMPLES.c.id.desc()).limit(1)).scalar() or 0)


def samples_between(connection: Connection, host_id: int, since: datetime, until: datetime) -> list[StoredObservation]:
    """A host's Samples messages of a time range, oldest first, serialised."""
    query = select(SAMPLES).where(
        and_(SAMPLES.c.host_id == host_id, SAMPLES.c.at_us >= to_us(since), SAMPLES.c.at_us < to_us(until))
    )
    rows = connection.execute(query.order_by(SAMPLES.c.at_us, SAMPLES.c.id))
    return [StoredObservation(r.host_id, int(r.agent_epoch), r.seq, from_us(r.at_us), r.body) for r in rows]


def covered(connection: Connection, host_id: int, log: str, since: datetime, until: datetime) -> bool:
    """Whether any bytes of the log were read inside the time range, by the agent's clock."""
    query = (
        select(COVERAGE.c.id)
        .join(FILES, FILES.c.id == COVERAGE.c.file_id)
        .join(LOGS, LOGS.c.id == FILES.c.log_id)
        .where(
            FILES.c.host_id == host_id,
            LOGS.c.path == log,
            or_(
                COVERAGE.c.first_read_at_us.between(to_us(since), to_us(until)),
                COVERAGE.c.last_read_at_us.between(to_us(since), to_us(until)),
            ),
        )
        .limit(1)
    )
    return connection.execute(query).first() is not None

"""What a fold and the surfaces read of the evidence. Plain functions over a read-only connection (`Readers`).

The order of a host's log is (ordinal, offset). A `Cursor` says how far a reader has come in one log of one host; what
`lines_after` gives is exactly once, in order, as far as coverage reaches, with late lines (bytes that a finished file
got after its successor began) given when they come.
"""

from collections.abc import Iterator
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
LINE_BYTES_AT_ONCE = 32 * 1024 * 1024
"""Of one log; a line has up to 64 KiB, and one that SM writes a hundred bytes."""
FILES_READ_AT_ONCE = 1000
"""A query each, also where nothing in them was selected."""
_ROWS_AT_ONCE = 1000
_FILES_AT_ONCE = 100
_RANGES_AT_ONCE = 1000
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


def newest_files(connection: Connection, host_id: int, most: int) -> list[tuple[int, str, int]]:
    """(file id, log, ordinal) of a host's newest files, the newest last."""
    query = select(FILES.c.id, LOGS.c.path, FILES.c.ordinal).join(LOGS, LOGS.c.id == FILES.c.log_id)
    rows = connection.execute(query.where(FILES.c.host_id == host_id).order_by(FILES.c.id.desc()).limit(most))
    return [(r.id, r.path, r.ordinal) for r in reversed(rows.all())]


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


class _Taken:
    """Lines of one log so far. `full`: there are as many, or as many bytes, as one batch may have."""

    def __init__(self, lines: int, size_bytes: int) -> None:
        self.lines: list[StoredLine] = []
        self._most, self._room_bytes = lines, size_bytes

    @property
    def full(self) -> bool:
        return len(self.lines) >= self._most or self._room_bytes <= 0

    def read(self, connection: Connection, file: _Place, log: str, start: int, end: int) -> int | None:
        """Lines from `start` on; where the first begins that had no room, None where all had."""
        while True:
            most = min(_ROWS_AT_ONCE, self._most - len(self.lines))
            got = _lines(connection, file, log, start, end, most + 1)
            self.lines += got[:most]
            self._room_bytes -= sum(len(line.data) for line in got[:most])
            if len(got) <= most:
                return None
            start = got[most].offset
            if self.full:
                return start


def lines_after(
    connection: Connection,
    host_id: int,
    log: str,
    cursor: Cursor,
    limit: int = 5000,
    most_bytes: int = LINE_BYTES_AT_ONCE,
    most_files: int = FILES_READ_AT_ONCE,
) -> LineBatch:
    """About `limit` lines of one log behind `cursor`, of about `most_bytes`, from about `most_files`: late ones first,
    then on in (ordinal, offset) order.
    """
    taken = _Taken(limit, most_bytes)
    late_id, more = _late_lines(connection, host_id, log, cursor, taken)
    ordinal, offset = cursor.ordinal, cursor.offset
    for number, file in enumerate(_places(connection, host_id, log, cursor.ordinal)):
        start = cursor.offset if file.ordinal == cursor.ordinal else 0
        if number > most_files:
            return LineBatch(taken.lines, Cursor(ordinal, offset, late_id), True)
        if more or taken.full:
            more = more or file.to_offset > start
            break
        left = taken.read(connection, file, log, start, file.to_offset)
        if left is not None:
            return LineBatch(taken.lines, Cursor(file.ordinal, left, late_id), True)
        ordinal, offset = file.ordinal, max(start, file.to_offset)
    return LineBatch(taken.lines, Cursor(ordinal, offset, late_id), more)


def _places(connection: Connection, host_id: int, log: str, ordinal: int) -> Iterator[_Place]:
    """The log's files from this one on; few of them at once, however many there are."""
    while True:
        rows = connection.execute(
            select(FILES.c.id, FILES.c.ordinal, FILES.c.to_offset, FILES.c.mtime_us)
            .join(LOGS, LOGS.c.id == FILES.c.log_id)
            .where(FILES.c.host_id == host_id, LOGS.c.path == log, FILES.c.ordinal >= ordinal)
            .order_by(FILES.c.ordinal)
            .limit(_FILES_AT_ONCE)
        ).all()
        yield from (_Place(*row) for row in rows)
        if len(rows) < _FILES_AT_ONCE:
            return
        ordinal = rows[-1].ordinal + 1


def _late_lines(connection: Connection, host_id: int, log: str, cursor: Cursor, taken: _Taken) -> tuple[int, bool]:
    """Lines committed behind the cursor's back; the id of the newest late range that is dealt with, and whether there
    are more.
    """
    ranges = connection.execute(
        select(LATE_RANGES, FILES.c.ordinal, FILES.c.to_offset.label("file_to"), FILES.c.mtime_us)
        .join(LOGS, LOGS.c.id == LATE_RANGES.c.log_id)
        .outerjoin(FILES, FILES.c.id == LATE_RANGES.c.file_id)
        .where(LATE_RANGES.c.host_id == host_id, LOGS.c.path == log, LATE_RANGES.c.id > cursor.late_id)
        .order_by(LATE_RANGES.c.id)
        .limit(_RANGES_AT_ONCE + 1)
    ).all()
    late_id = cursor.late_id
    for late in ranges[:_RANGES_AT_ONCE]:
        if taken.full:
            return late_id, True
        # What still lies before the cursor's own way is read there, in order.
        if late.ordinal is not None and (late.ordinal, late.from_offset) < (cursor.ordinal, cursor.offset):
            file = _Place(late.file_id, late.ordinal, late.file_to, late.mtime_us)
            # A range is what one span brought, so that it is taken whole.
            taken.lines += _lines(connection, file, log, late.from_offset, late.to_offset, 1_000_000)
        late_id = late.id
    return late_id, len(ranges) > _RANGES_AT_ONCE


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

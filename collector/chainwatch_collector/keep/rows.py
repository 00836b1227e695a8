"""What `evidence` hands out: named tuples, times aware UTC, and the two conversions of time that the tables need."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def from_us(micros: int | None) -> datetime | None:
    """Aware UTC, None for 0 or None: no clock of a dom0 says 1970."""
    return _EPOCH + timedelta(microseconds=micros) if micros else None


def to_us(at: datetime) -> int:
    """Microseconds since 1970 of an aware datetime."""
    return (at - _EPOCH) // timedelta(microseconds=1)


class Cursor(NamedTuple):
    """A place in one log of one host: everything before it was handed out. JSON: a list of three integers."""

    ordinal: int = 0
    offset: int = 0
    late_id: int = 0


class StoredLine(NamedTuple):
    """One physical line without its newline. `read_at` is the agent's clock, `mtime` the file's when first seen."""

    file_id: int
    log: str
    ordinal: int
    offset: int
    data: bytes
    read_at: datetime | None
    mtime: datetime | None


class LineBatch(NamedTuple):
    """Lines in order and the cursor behind them. `more`: there is more now.

    Without lines the cursor may still have moved: those bytes were read and nothing in them was selected.
    """

    lines: Sequence[StoredLine]
    cursor: Cursor
    more: bool


class GapSeen(NamedTuple):
    """A declared gap. Places are (ordinal, offset), None where unset; `reason` is the proto's name, lower case."""

    gap_id: int
    log: str
    reason: str
    after: tuple[int, int] | None
    before: tuple[int, int] | None
    missing_bytes: int
    detail: str
    declared_at: datetime | None


class HostRow(NamedTuple):
    """One registered host. `evidence_version` rises with every commit of its evidence."""

    host_id: int
    uuid: str
    hostname: str
    stream_open: bool
    agent_version: str
    python: str
    sm_version: str
    timezone: str
    utc_offset_seconds: int
    features: tuple[str, ...]
    clock_skew_seconds: float
    registered_at: datetime | None
    connected_at: datetime | None
    last_seen_at: datetime | None
    observations_lost: int
    evidence_version: int


class FileRow(NamedTuple):
    """One file generation of a log and how far it is committed."""

    file_id: int
    host_id: int
    log: str
    ordinal: int
    name: str
    first_line: bytes
    mtime: datetime | None
    compressed: bool
    to_offset: int
    born_on: date


class CoverageRow(NamedTuple):
    """Bytes that were read under one policy."""

    log: str
    ordinal: int
    from_offset: int
    to_offset: int
    lines_selected: int
    first_read_at: datetime | None
    last_read_at: datetime | None


class StoredObservation(NamedTuple):
    """A serialised `Status` or `Samples` message and its identity."""

    host_id: int
    agent_epoch: int
    seq: int
    at: datetime | None
    body: bytes

"""What `receive` hands to `keep`: plain values, checked for shape, nothing of gRPC in them."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

RefusalKind = Literal["superseded", "hole", "unknown file", "duplicate host", "revoked"]


class FileKey(NamedTuple):
    """A file's identity within its host (proto/README.md 1.2)."""

    fingerprint: bytes
    salt: int


class FileSeenIn(NamedTuple):
    """A file that may follow; it registers nothing by itself."""

    key: FileKey
    predecessor: FileKey | None
    log: str
    name: str
    first_line: bytes
    mtime_us: int
    compressed: bool


class SliceIn(NamedTuple):
    """Contiguous selected lines."""

    offset: int
    data: bytes


class SpanIn(NamedTuple):
    """Bytes read and the lines selected in them. `policy_row` is the id of a row of `policies`."""

    key: FileKey
    from_offset: int
    to_offset: int
    policy_row: int
    slices: Sequence[SliceIn]
    tail_sha256: bytes
    read_at_us: int
    scrubbed: int


class GapIn(NamedTuple):
    """A declared gap; `after` and `before` are None where unset."""

    log: str
    reason: int
    after: FileKey | None
    after_offset: int
    before: FileKey | None
    before_offset: int
    missing_bytes: int
    detail: str


class ObservationIn(NamedTuple):
    """A Status or Samples message, serialised; `empty` samples count but are not stored."""

    kind: Literal["status", "samples"]
    agent_epoch: int
    seq: int
    at_us: int
    empty: bool
    body: bytes


Item = FileSeenIn | SpanIn | GapIn | ObservationIn


class PolicyIn(NamedTuple):
    """A policy that spans of a stream may name: the collector's part and the agent's floor, serialised together."""

    policy_id: int
    digest: bytes
    body: bytes


class HelloIn(NamedTuple):
    """Who opens a stream. `host_uuid` is the certificate's."""

    host_uuid: str
    hostname: str
    machine_id: str
    agent_epoch: int
    agent_version: str
    python: str
    sm_version: str
    timezone: str
    utc_offset_seconds: int
    features: tuple[str, ...]
    agent_clock_us: int
    policies: tuple[PolicyIn, ...]


class PositionOut(NamedTuple):
    """How far a file is committed."""

    key: FileKey
    to_offset: int
    tail_sha256: bytes
    ordinal: int
    log: str


class StreamOpened(NamedTuple):
    """A stream that took its epoch. `observed_seq` is of the Hello's agent_epoch; `policy_rows`: policy_id → row."""

    host_id: int
    stream_epoch: int
    observed_seq: int
    positions: Sequence[PositionOut]
    policy_rows: dict[int, int]


class Refusal(NamedTuple):
    """Why a stream must end; `detail` is for its operator. `live_machine_id`: whom a duplicate host met."""

    kind: RefusalKind
    detail: str
    live_machine_id: str = ""


class AckOut(NamedTuple):
    """What to tell the agent of one file."""

    key: FileKey
    to_offset: int
    ordinal: int
    reopen_salt: int = 0


class Committed(NamedTuple):
    """What a commit did. With a `refusal`, what came before the refused item is committed all the same."""

    acks: Sequence[AckOut]
    observed_seq: int
    refusal: Refusal | None
    lines_stored: int
    lines_repeated: int
    observations: Sequence[ObservationIn]
    gaps: int
    evidence: bool

"""What every fact is made of: lines, where they stand, run keys, tree nodes, and the closed vocabularies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

RunOutcome = Literal[
    "idle", "worked", "failed", "crashed", "aborted", "killed", "superseded", "disabled", "not_here", "running"
]
MergeKind = Literal["inner", "leaf"]
MergeOutcome = Literal["done", "failed", "no_space", "gave_up", "timed_out", "interrupted", "running"]
Cause = Literal[
    "corrupt",
    "io_error",
    "no_space",
    "killed",
    "timed_out",
    "busy",
    "guest_writes",
    "xapi",
    "multi_attach",
    "aborted",
    "tool_bug",
    "unknown",
]
# Why a run did not or could not go on; one vocabulary for every place that can prove it.
CrashReason = Literal[
    "scan_failed",
    "parent_missing",
    "xapi",
    "no_space",
    "io_error",
    "timed_out",
    "multi_attach",
    "host_unreachable",
    "sr_unavailable",
    "lock_timeout",
    "corrupt",
    "unknown",
]
Step = Literal[
    "waiting_for_xapi",
    "waiting_for_lock",
    "quiet",
    "scanning",
    "deleting",
    "preparing",
    "copying",
    "relinking",
    "pausing",
    "updating",
    "undoing",
    "finishing",
    "between",
]
Switch = Literal["gc", "coalesce", "leaf-coalesce"]


class Line(NamedTuple):
    """One physical line, without its newline. `log` is the log's name or path; its base name says which log it is.

    Order within a host is (ordinal, offset) per log, never time. `read_at` and `mtime` are aware or None; they
    give the year of a traditional timestamp.
    """

    log: str
    ordinal: int
    offset: int
    data: bytes
    read_at: datetime | None = None
    mtime: datetime | None = None


class AnyLine(Protocol):
    """What the reader needs of a line: `Line`, or the store's own row of it."""

    @property
    def log(self) -> str: ...
    @property
    def ordinal(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def data(self) -> bytes: ...
    @property
    def read_at(self) -> datetime | None: ...
    @property
    def mtime(self) -> datetime | None: ...


class LineRef(NamedTuple):
    """Where a proving line stands. `at` is aware UTC or None; `uncertain` marks a DST fold or a guessed year."""

    host: str
    source: str
    ordinal: int
    offset: int
    at: datetime | None
    text: str
    uncertain: bool = False


class RunKey(NamedTuple):
    """A run is its first line: (host, file ordinal, byte offset). A pid is only a look-up among open runs."""

    host: str
    ordinal: int
    offset: int


class TreeNode(NamedTuple):
    """One image of a tree dump. Sizes in bytes, None where the log prints none; `parent` None at a root."""

    vdi: str
    parent: str | None
    depth: int
    hidden: bool
    format: str | None
    virtual_bytes: int | None
    physical_bytes: int | None
    allocated_bytes: int | None
    lv_bytes: int | None
    active: str | None
    readable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What one line, or one block of lines, means. `run` is None outside a GC run."""

    ref: LineRef
    run: RunKey | None = None
    sr: str | None = None

"""What the fold hands to `projections`, and gets back after a restart. Times aware UTC, bodies JSON-able dicts."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from chainwatch_collector.keep.rows import Cursor

Json = Mapping[str, Any]


class Ownership(NamedTuple):
    """The right to write one pool's projections: whoever holds a later `term` has taken it over."""

    pool_uuid: str
    owner: str
    term: int


class NotOwnerError(Exception):
    """Another collector owns the pool now, or the lease ran out; nothing was written."""


class FoldedHost(NamedTuple):
    """How far one host was folded and the reader as it stood there.

    `cursors`: log path → cursor; `gap_id`: the newest gap taken in; `reader`: the reader's own serialised form.
    """

    host_id: int
    cursors: Mapping[str, Cursor]
    gap_id: int
    reader: bytes


class EventIn(NamedTuple):
    """What one stored line means. `kind` is the fact's name, `unknown` where nothing understood the line."""

    file_id: int
    offset: int
    host_id: int
    at: datetime
    kind: str
    sr_uuid: str | None = None
    vdi_uuid: str | None = None
    uncertain: bool = False


class RunIn(NamedTuple):
    """A GC run by its first line; written again when it changes. `body` is `Run.to_json()` and what else is wanted."""

    host_id: int
    ordinal: int
    offset: int
    sr_uuid: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    body: Json


class FindingIn(NamedTuple):
    """A finding's life: open until `cleared_at`. (finding_id, first_seen) is the identity; `first_seen` never moves."""

    finding_id: str
    first_seen: datetime
    last_seen: datetime
    cleared_at: datetime | None
    code: str
    severity: str
    subject_uuid: str
    body: Json


class TransitionIn(NamedTuple):
    """A finding was raised, got worse or better, or was cleared."""

    at: datetime
    finding_id: str
    code: str
    subject_uuid: str
    change: str
    body: Json


class RunGone(NamedTuple):
    """The key of a run that turned out to be another one's beginning: its row goes."""

    host_id: int
    ordinal: int
    offset: int


class HistoryIn(NamedTuple):
    """One number of one subject at one time, e.g. `depth_max`. `resolution_seconds` 0: a sample; else of a span that
    begins at `at`, as the last of it or, by its name's ending, its `.least` or `.most`.
    """

    subject_uuid: str
    at: datetime
    name: str
    value: float | None
    resolution_seconds: int = 0


class FoldStep(NamedTuple):
    """Everything one step of a pool's fold changed: committed together or not at all.

    `version` is the fold's own: a better grammar builds a new version beside the old one, which answers meanwhile.
    `state`, `answer` None: as they were.
    """

    version: int
    hosts: Sequence[FoldedHost] = ()
    state: bytes | None = None
    answer: Json | None = None
    events: Sequence[EventIn] = ()
    runs: Sequence[RunIn] = ()
    runs_gone: Sequence[RunGone] = ()
    findings: Sequence[FindingIn] = ()
    transitions: Sequence[TransitionIn] = ()
    history: Sequence[HistoryIn] = ()


class StoredFold(NamedTuple):
    """A pool's fold as it was last committed. `state` and `answer` None where none was."""

    hosts: Mapping[int, FoldedHost]
    state: bytes | None
    answer: Json | None
    updated_at: datetime | None

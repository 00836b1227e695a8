"""Runs and merges as `diagnose -o json` and the API list them, with the lines that prove them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypedDict

from chainwatch_collector.read.facts import Cause, CrashReason, LineRef, MergeKind, MergeOutcome, RunKey, RunOutcome


class MergeJson(TypedDict):
    """`runs[].merges[]` of the interface."""

    kind: MergeKind
    child: str
    parent: str
    started_at: str | None
    ended_at: str | None
    outcome: MergeOutcome
    cause: Cause | None


class RunJson(TypedDict):
    """`runs[]` of the interface."""

    sr_uuid: str | None
    host: str
    pid: int
    started_at: str | None
    ended_at: str | None
    outcome: RunOutcome
    merges: list[MergeJson]


def iso(at: datetime | None) -> str | None:
    """UTC with `Z`; microseconds only where the log had them."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(slots=True, kw_only=True)
class Merge:
    """One merge; a leaf merge with its internal snapshots, or with its retries, is one. `start` proves the start."""

    kind: MergeKind
    child: str
    parent: str
    start: LineRef
    end: LineRef | None = None
    outcome: MergeOutcome = "running"
    cause: Cause | None = None
    # The line that shows the cause, where that is another than the end, and SM's words of it.
    proof: LineRef | None = None
    detail: str = ""
    copied: bool = False
    # Refused beforehand for lack of space: listed, never started.
    refused: bool = False

    def to_json(self) -> MergeJson:
        """The interface's shape."""
        return {
            "kind": self.kind,
            "child": self.child,
            "parent": self.parent,
            "started_at": iso(self.start.at),
            "ended_at": iso(self.end.at) if self.end else None,
            "outcome": self.outcome,
            "cause": self.cause,
        }


@dataclass(slots=True, kw_only=True)
class Run:
    """One GC run. `sr` is the full uuid, None when the log never names it; `sr_prefix` its 4 hex digits.

    `start` is the first line of it that was read: the `=== SR …: gc ===` line unless `start_seen` is False.
    `lost`: a coverage gap lies behind its last line, so nobody can say how it ended.
    """

    key: RunKey
    pid: int
    start: LineRef
    op: str = "gc"
    sr: str | None = None
    sr_prefix: str | None = None
    sr_name: str | None = None
    launcher_pid: int | None = None
    start_seen: bool = True
    last: LineRef | None = None
    end: LineRef | None = None
    outcome: RunOutcome = "running"
    reason: CrashReason | None = None
    error: str = ""
    proof: LineRef | None = None
    deleted_count: int = 0
    lost: bool = False
    merges: list[Merge] = field(default_factory=list)

    @property
    def host(self) -> str:
        """The host name in the lines offline, the host's uuid live."""
        return self.key.host

    def to_json(self) -> RunJson:
        """The interface's shape."""
        return {
            "sr_uuid": self.sr or self.sr_prefix,
            "host": self.host,
            "pid": self.pid,
            "started_at": iso(self.start.at),
            "ended_at": iso(self.end.at) if self.end else None,
            "outcome": self.outcome,
            "merges": [merge.to_json() for merge in self.merges],
        }

"""Runs and merges as they stood when last told of: frozen copies of what `read` keeps changing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from chainwatch_collector.read.runs import Merge, Run
from chainwatch_collector.read.words import (
    Cause,
    CrashReason,
    LineRef,
    MergeKind,
    MergeOutcome,
    RunKey,
    RunOutcome,
)

RUNS_KEPT = 120
EMPTY_RUNS_KEPT = 30
RUNS_MOST = 2 * RUNS_KEPT
"""Also where no run seems to end: SM lets one GC of an SR run at a time, so the older ones are over."""
FULL_OUTCOMES = frozenset(("idle", "worked", "failed"))
"""A run with one of these went through its scan, all its candidates, and to its own end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeSeen:
    """`read.runs.Merge`, frozen. Its lines have no texts: they prove nothing that is told, and there are thousands."""

    kind: MergeKind
    child: str
    parent: str
    start: LineRef
    end: LineRef | None
    outcome: MergeOutcome
    cause: Cause | None
    proof: LineRef | None
    detail: str
    refused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSeen:
    """`read.runs.Run`, frozen. `sr`: the full uuid, or the 4 hex digits, or empty."""

    key: RunKey
    sr: str
    pid: int
    op: str
    start: LineRef
    start_seen: bool
    last: LineRef | None
    end: LineRef | None
    outcome: RunOutcome
    reason: CrashReason | None
    error: str
    proof: LineRef | None
    deleted_count: int
    lost: bool
    merges: tuple[MergeSeen, ...] = ()

    @property
    def running(self) -> bool:
        """No end seen, and nothing unread in which it may have ended."""
        return self.outcome == "running" and not self.lost

    @property
    def full(self) -> bool:
        """It went to its own end."""
        return self.outcome in FULL_OUTCOMES

    @property
    def tells(self) -> bool:
        """Whether it did anything or went wrong."""
        return bool(self.merges or self.deleted_count) or self.outcome not in (
            "idle",
            "superseded",
            "disabled",
            "not_here",
        )

    @property
    def at(self) -> datetime | None:
        """When it began."""
        return self.start.at

    @property
    def last_at(self) -> datetime | None:
        """When it was last heard of."""
        ref = self.end or self.last or self.start
        return ref.at


def run_seen(run: Run) -> RunSeen:
    """A copy that stays as it is."""
    return RunSeen(
        key=run.key,
        sr=run.sr or run.sr_prefix or "",
        pid=run.pid,
        op=run.op,
        start=run.start,
        start_seen=run.start_seen,
        last=run.last,
        end=run.end,
        outcome=run.outcome,
        reason=run.reason,
        error=run.error,
        proof=run.proof,
        deleted_count=run.deleted_count,
        lost=run.lost,
        merges=tuple(_merge_seen(merge) for merge in run.merges[-200:]),
    )


def _merge_seen(merge: Merge) -> MergeSeen:
    return MergeSeen(
        kind=merge.kind,
        child=merge.child,
        parent=merge.parent,
        start=_place(merge.start),
        end=_place(merge.end) if merge.end is not None else None,
        outcome=merge.outcome,
        cause=merge.cause,
        proof=_place(merge.proof) if merge.proof is not None else None,
        detail=merge.detail,
        refused=merge.refused,
    )


def _place(ref: LineRef) -> LineRef:
    return ref._replace(text="")


@dataclass(slots=True)
class RunsSeen:
    """The newest runs of one SR on one host, in order of their first line."""

    by_key: dict[RunKey, RunSeen] = field(default_factory=dict)

    def take(self, run: RunSeen) -> None:
        """Add it, or replace what was known of it."""
        if run.key not in self.by_key:
            # A worker met before its launcher named it is the same run under an earlier key.
            for other in [seen for seen in self.by_key.values() if seen.running and seen.pid == run.pid]:
                if not other.start_seen:
                    del self.by_key[other.key]
        self.by_key[run.key] = run
        if len(self.by_key) > RUNS_KEPT:
            self._forget()

    def _forget(self) -> None:
        """A scan every 30 s makes thousands of runs that found nothing: those go first, what was done is kept."""
        ended = [key for key in sorted(self.by_key) if not self.by_key[key].running]
        empty = [key for key in ended if not self.by_key[key].tells]
        for key in (empty[:-EMPTY_RUNS_KEPT] or ended[: len(ended) // 4])[: RUNS_KEPT // 2]:
            del self.by_key[key]
        if len(self.by_key) > RUNS_MOST:
            self.keep(RUNS_KEPT)

    def keep(self, newest: int) -> None:
        """No more than so many."""
        for key in sorted(self.by_key)[: max(0, len(self.by_key) - newest)]:
            del self.by_key[key]

    def in_order(self) -> list[RunSeen]:
        """Oldest first."""
        return [self.by_key[key] for key in sorted(self.by_key)]

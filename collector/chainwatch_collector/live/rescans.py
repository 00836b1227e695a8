"""What came of a rescan: read off the state, never off the call. Pure.

*Started* is a GC run of the SR on its GC host within 60 s of the scan; a kick alone is "kicked, not started"; then the
run's outcome and the backlog before and after (interfaces.md section 5).
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from chainwatch_collector.keep.rescans import RescanRow
from chainwatch_collector.read.words import RunKey
from chainwatch_collector.show.views import Check, Rescan, Subject
from chainwatch_collector.track.runs_seen import RunSeen
from chainwatch_collector.track.state import SrState
from chainwatch_collector.words import plural

START_WITHIN: Final = timedelta(seconds=60)
FOLLOWED_FOR: Final = timedelta(hours=24)
_CLOCKS_DIFFER: Final = timedelta(seconds=5)
OPEN: Final = frozenset({"asked", "started"})


class Rescanner(Protocol):
    """Who scans and follows: a part of the collector."""

    def check(self, sr: Subject) -> Check:
        """Whether another rescan of this SR is under way."""
        ...

    async def ask(self, sr: Subject, by: str, checks: tuple[Check, ...]) -> Rescan:
        """Raises `NotAvailableError`."""
        ...

    async def newest(self, sr: Subject | None, limit: int) -> Sequence[Rescan]:
        """Newest first."""
        ...


def pending(sr: SrState) -> int | None:
    """Merges that SM would do now; None where no inventory shows the chains."""
    return None if sr.forest is None else sr.forest.inner_pending + sr.forest.leaf_pending


def runs_of(sr: SrState) -> frozenset[RunKey]:
    """The runs that were there before."""
    return frozenset(run.key for run in sr.runs)


def advanced(rescan: Rescan, sr: SrState, before: Set[RunKey], scanned_at: datetime, now: datetime) -> Rescan:
    """The rescan as the state shows it. `scanned_at`: when SM said that the scan was through."""
    run = _its_run(rescan, sr, before)
    if run is not None:
        return _with_run(rescan, sr, run)
    if now - scanned_at < START_WITHIN:
        return rescan
    kicked = sr.kick is not None and sr.kick.at is not None and sr.kick.at >= rescan.asked_at - _CLOCKS_DIFFER
    if kicked:
        return replace(
            rescan,
            state="kicked_not_started",
            pending_after=pending(sr),
            sentence=f"Kicked, not started: SM asked for a GC run of {rescan.sr.name}, none began within 60 s.",
        )
    return replace(
        rescan,
        state="failed",
        pending_after=pending(sr),
        sentence=f"{rescan.sr.name} was scanned, and SM asked for no GC run within 60 s (is auto-scan on?).",
    )


def _its_run(rescan: Rescan, sr: SrState, before: Set[RunKey]) -> RunSeen | None:
    """The first run on the GC host that was not there when the scan was asked for."""
    for run in sr.runs:
        late = run.at is None or run.at >= rescan.asked_at - _CLOCKS_DIFFER
        if run.key not in before and run.key.host == sr.gc_host and late:
            return run
    return None


def _with_run(rescan: Rescan, sr: SrState, run: RunSeen) -> Rescan:
    started = replace(rescan, state="started", run_started_at=run.at, run_outcome=run.outcome)
    if run.running:
        return replace(started, sentence=f"A GC run of {rescan.sr.name} started (pid {run.pid}).")
    after = pending(sr)
    said = f"The GC run of {rescan.sr.name} ended: {run.outcome}, {plural(len(run.merges), 'merge')} tried."
    return replace(started, state="ended", pending_after=after, sentence=f"{said} {_backlog(rescan, after)}".strip())


def _backlog(rescan: Rescan, after: int | None) -> str:
    before = rescan.pending_before
    if before is None or after is None:
        return "Whether the backlog fell is not known."
    if after < before:
        return f"The backlog fell from {before} to {after}."
    return f"The backlog did not fall: {before} pending before, {after} after."


def to_row(rescan: Rescan) -> RescanRow:
    """As it is kept."""
    body: dict[str, Any] = {
        "sr_name": rescan.sr.name,
        "by": rescan.by,
        "sentence": rescan.sentence,
        "prechecks": [asdict(check) for check in rescan.prechecks],
        "pending_before": rescan.pending_before,
        "pending_after": rescan.pending_after,
        "run_started_at": rescan.run_started_at.isoformat() if rescan.run_started_at else None,
        "run_outcome": rescan.run_outcome,
    }
    number = int(rescan.id or 0)
    return RescanRow(number, rescan.sr.pool_uuid or "", rescan.sr.uuid, rescan.asked_at, rescan.state, body)


def from_row(row: RescanRow) -> Rescan:
    """As it is shown."""
    body: Mapping[str, Any] = row.body
    started = body["run_started_at"]
    return Rescan(
        id=str(row.rescan_id),
        sr=Subject("sr", row.sr_uuid, body["sr_name"], row.pool_uuid),
        by=body["by"],
        asked_at=row.asked_at,
        state=row.state,  # type: ignore[arg-type]  # one of ours, as it was kept
        prechecks=tuple(Check(**check) for check in body["prechecks"]),
        sentence=body["sentence"],
        pending_before=body["pending_before"],
        pending_after=body["pending_after"],
        run_started_at=datetime.fromisoformat(started) if started else None,
        run_outcome=body["run_outcome"],
    )

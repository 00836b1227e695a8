"""GC runs as the surfaces list them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from chainwatch_collector.judge import answer
from chainwatch_collector.read.words import RunKey
from chainwatch_collector.track.runs_seen import MergeSeen, RunSeen
from chainwatch_collector.track.state import PoolState

_NEVER = datetime.fromtimestamp(0, UTC)


class RunAnswers:
    """Runs as last listed: of what did not change since nothing is made anew."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, RunKey], tuple[RunSeen, answer.Run]] = {}

    def of(self, state: PoolState, srs: Iterable[str]) -> tuple[answer.Run, ...]:
        """The newest runs of these SRs, oldest first."""
        runs = [(uuid, run) for uuid in srs for run in state.srs[uuid].runs]
        runs.sort(key=lambda pair: (pair[1].at or _NEVER, pair[1].key))
        made = {(uuid, run.key): (run, self._one(uuid, run)) for uuid, run in runs}
        self._made = made
        return tuple(made[uuid, run.key][1] for uuid, run in runs)

    def _one(self, sr_uuid: str, run: RunSeen) -> answer.Run:
        before = self._made.get((sr_uuid, run.key))
        return before[1] if before is not None and before[0] is run else _run(sr_uuid, run)


def _run(sr_uuid: str, run: RunSeen) -> answer.Run:
    return answer.Run(
        sr_uuid=sr_uuid,
        host=run.key.host,
        pid=run.pid,
        started_at=run.at or _NEVER,
        ended_at=run.end.at if run.end is not None else None,
        outcome=run.outcome,
        merges=tuple(_merge(merge) for merge in run.merges),
    )


def _merge(merge: MergeSeen) -> answer.Merge:
    return answer.Merge(
        kind=merge.kind,
        child=merge.child,
        parent=merge.parent,
        started_at=merge.start.at or _NEVER,
        ended_at=merge.end.at if merge.end is not None else None,
        outcome=merge.outcome,
        cause=merge.cause,
    )

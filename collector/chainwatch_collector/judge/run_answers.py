"""GC runs as the surfaces list them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from chainwatch_collector.judge import answer
from chainwatch_collector.track.runs_seen import MergeSeen, RunSeen
from chainwatch_collector.track.state import PoolState

_NEVER = datetime.fromtimestamp(0, UTC)


def of(state: PoolState) -> Iterator[answer.Run]:
    """The newest runs of every SR, oldest first."""
    runs = [(sr.uuid, run) for sr in state.srs.values() for run in sr.runs]
    for sr_uuid, run in sorted(runs, key=lambda pair: (pair[1].at or _NEVER, pair[1].key)):
        yield _run(sr_uuid, run)


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

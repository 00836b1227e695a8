"""GC runs as rows of `runs`. Pure."""

from datetime import datetime
from typing import Any

from chainwatch_collector.fold.event_rows import Names
from chainwatch_collector.keep.folded import RunIn
from chainwatch_collector.read.runs import Run


def run_row(host_id: int, run: Run, names: Names, met_at: datetime) -> RunIn:
    """The run as it stands; `met_at` is its start where its line has no time."""
    sr = run.sr or run.sr_prefix
    full = names.sr(sr) if sr else None
    body: dict[str, Any] = {**run.to_json(), "sr_uuid": full}
    body["merges"] = [
        {**merge.to_json(), "child": names.vdi(full, merge.child), "parent": names.vdi(full, merge.parent)}
        for merge in run.merges
    ]
    started_at = run.start.at or met_at
    ended_at = (run.end.at or met_at) if run.end else None
    return RunIn(host_id, run.key.ordinal, run.key.offset, full or "", started_at, ended_at, run.outcome, body)

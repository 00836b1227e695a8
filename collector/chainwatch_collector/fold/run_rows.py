"""GC runs as rows of `runs`. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from chainwatch_collector.fold.event_rows import Names
from chainwatch_collector.keep.folded import RunIn
from chainwatch_collector.read.runs import Run

MERGES_A_STEP: Final = 10_000
"""Of all runs that one step changed. SM's GCs of a host do a merge at a time for each SR."""


def most_merges(runs: Sequence[Run]) -> int:
    """How many of its newest merges each of these may have in its row, which is written whole whatever changed."""
    every = sum(len(run.merges) for run in runs)
    return every if every <= MERGES_A_STEP else MERGES_A_STEP // len(runs)


def run_row(host_id: int, run: Run, names: Names, met_at: datetime, most: int) -> RunIn:
    """The run as it stands, with its newest merges; `met_at` is its start where its line has no time."""
    sr = run.sr or run.sr_prefix
    full = names.sr(sr) if sr else None
    newest = run.merges[-most:]
    body: dict[str, Any] = {**replace(run, merges=newest).to_json(), "sr_uuid": full}
    for as_json, merge in zip(body["merges"], newest, strict=True):
        as_json.update(child=names.vdi(full, merge.child), parent=names.vdi(full, merge.parent))
    started_at = run.start.at or met_at
    ended_at = (run.end.at or met_at) if run.end else None
    return RunIn(host_id, run.key.ordinal, run.key.offset, full or "", started_at, ended_at, run.outcome, body)

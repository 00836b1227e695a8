"""GC_STUCK: a run is in one state longer than that state allows (smlog.md 3.3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from chainwatch_collector.judge.condition import Condition, of_sr, sr_words
from chainwatch_collector.judge.known import covered, gc_host_state, silent
from chainwatch_collector.judge.registry import family
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.read.facts import LineRef
from chainwatch_collector.track.state import PoolState, SrState
from chainwatch_collector.track.steps import StepSeen
from chainwatch_collector.words import duration, short, size

_DOING = {
    "waiting_for_xapi": "waits for xapi",
    "waiting_for_lock": "waits for a lock",
    "quiet": "is in its quiet period",
    "scanning": "scans",
    "deleting": "deletes images",
    "preparing": "prepares a merge",
    "copying": "copies without progress",
    "relinking": "relinks the children of a merged image",
    "pausing": "pauses a disk",
    "updating": "waits for SR.update",
    "undoing": "undoes a leaf merge",
    "finishing": "finishes a leaf merge",
    "between": "does nothing that it logs",
}
_COPYING = frozenset(("copying", "undoing", "finishing"))


@family("GC_STUCK")
def stuck(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Needs the log up to now; a copy also needs to be seen, as SM logs nothing while it lasts."""
    for sr in state.srs.values():
        if sr.open_run is None or sr.step is None or sr.step.run != sr.open_run.key:
            continue
        host = gc_host_state(state, sr) or state.hosts.get(sr.open_run.key.host)
        if not state.offline and not covered(host, now, limits):
            continue
        since = _still_since(state, sr, sr.step, now, limits)
        allowed = limits.steps.get(sr.step.step, limits.step_between_seconds)
        if since is None or (now - since).total_seconds() <= allowed:
            continue
        where = host.name if host is not None else sr.open_run.key.host
        lasted = duration((now - since).total_seconds())
        yield of_sr(
            sr,
            "GC_STUCK",
            "error",
            f"The GC run of {sr_words(sr)} (pid {sr.open_run.pid} on {where}) {_DOING[sr.step.step]} for {lasted}"
            f"{_detail(state, sr, sr.step)}{_or_dead(state)}.",
            now=now,
            since=since,
            count=1,
            evidence=_proofs(sr, sr.step),
            variant=sr.step.step,
            params={"host": where},
        )


def _still_since(state: PoolState, sr: SrState, step: StepSeen, now: datetime, limits: Thresholds) -> datetime | None:
    """Since when nothing has moved; None where that cannot be said."""
    last_line = sr.open_run.last_at if sr.open_run is not None else None
    began = max((at for at in (step.since.at, last_line) if at is not None), default=None)
    moved = max((process.moved_at for process in sr.processes), default=None)
    if moved is not None:
        return max(moved, began) if began is not None else moved
    if step.step in _COPYING and not _all_watched(state, sr, now, limits):
        return None
    return began


def _all_watched(state: PoolState, sr: SrState, now: datetime, limits: Thresholds) -> bool:
    """Whether every host on which the copy may run shows its processes. LINSTOR and QCOW2 copy elsewhere."""
    if sr.record is None or sr.record.type == "linstor":
        return False
    host = state.hosts.get(sr.gc_host) if sr.gc_host is not None else None
    if host is None or host.sampled_at is None or silent(host, now, limits):
        return False
    formats = {node.vdi.image_format for node in sr.forest.nodes.values()} if sr.forest is not None else set()
    return "qcow2" not in formats and (now - host.sampled_at).total_seconds() <= limits.agent_silent_seconds


def _detail(state: PoolState, sr: SrState, step: StepSeen) -> str:
    if step.host_asked:
        return f", asked {step.host_asked} and got no answer"
    if step.step == "waiting_for_lock":
        return _holder(sr)
    if step.step in _COPYING:
        if not sr.processes:
            return ", and no image process is there"
        process = sr.processes[0]
        where = f" of {short(process.process.vdi_uuid)}" if process.process.vdi_uuid else ""
        return f": {process.process.kind}{where} stands at {size(process.done_bytes)} (state {process.process.state})"
    return ""


def _or_dead(state: PoolState) -> str:
    """Files from a host do not show its processes: a GC that was killed looks like one that hangs."""
    return ", unless its process has died, which SMlog does not tell" if state.offline else ""


def _holder(sr: SrState) -> str:
    """Who holds what the run waits for: by the agent's look at the locks, else by SM's own line (K4)."""
    held = [lock for lock in sr.locks if not lock.waiting and lock.lock in ("sr", "gc_active", "running")]
    if held:
        return f" ({held[0].lock}), held by pid {held[0].pid}"
    wait = sr.lock_wait
    if wait is not None and wait.holder_pid is not None and wait.holder_pid > 0:
        return f" ({wait.path.rsplit('/', 1)[-1]}), held by pid {wait.holder_pid}"
    return ""


def _proofs(sr: SrState, step: StepSeen) -> tuple[LineRef, ...]:
    waited = (sr.lock_wait.ref,) if step.step == "waiting_for_lock" and sr.lock_wait is not None else ()
    return (*((sr.open_run.start,) if sr.open_run is not None else ()), step.since, *waited)

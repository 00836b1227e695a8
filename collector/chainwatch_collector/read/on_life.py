"""Handlers: the life of a run, from the kick to the end (G rows), and its scans and deletions (T rows)."""

from __future__ import annotations

from typing import Literal

from chainwatch_collector.read import ending
from chainwatch_collector.read.bounds import PIDS, put
from chainwatch_collector.read.engine import Engine, sr_of
from chainwatch_collector.read.facts import (
    AbortRequested,
    GcKicked,
    GcStarted,
    GcStepped,
    GcSwitchedOff,
    SrUpdateWaited,
    Step,
    Switch,
)
from chainwatch_collector.read.handlers import Fields, on
from chainwatch_collector.read.open_runs import OpenRun
from chainwatch_collector.read.runs import Run


def begin(engine: Engine, sr: str | None, op: str, *, seen: bool = True) -> OpenRun:
    """A run begins with the line at hand. An open run of the same pid is gone: pids are reused, runs are not."""
    pid = engine.record.pid if engine.record.pid is not None else -1
    former = engine.registry.by_worker.get(pid)
    ref = engine.ref()
    if former is not None:
        ending.vanish(engine, former, ref)
    engine.registry.by_child.pop(pid, None)
    engine.registry.orphans.discard(pid)
    run = Run(key=engine.key(), pid=pid, start=ref, op=op, sr=sr, start_seen=seen, last=ref)
    run.sr_prefix = sr[:4] if sr else None
    state = OpenRun(run=run, worker=pid)
    engine.registry.add(state)
    crowded_out = engine.registry.crowded_out()
    if crowded_out is not None:
        # No host has so many: what became of it is not known.
        crowded_out.run.lost = True
        ending.vanish(engine, crowded_out, ref)
    early = engine.pending_failures.get(pid)
    if early is not None and early.ref.at is not None and ref.at is not None and early.ref.at < ref.at:
        del engine.pending_failures[pid]
    engine.emit(GcStarted(ref=ref, run=run.key, sr=sr, pid=pid, op=op, start_seen=seen))
    return state


def strong(engine: Engine) -> OpenRun | None:
    """The live run of the line at hand; a run whose start was not read begins here."""
    state = engine.run_of(engine.record.pid)
    if state is not None:
        return None if state.ended else state
    sr = engine.process(engine.record.pid).sr
    launched = engine.registry.waiting_launch(sr)
    if launched is not None and engine.record.pid is not None:
        engine.registry.link(launched, engine.record.pid)
        return launched
    return begin(engine, sr, "gc", seen=False)


def working(engine: Engine) -> OpenRun | None:
    """As `strong`, for a line that only the holder of the lock prints: earlier runs of the SR are gone."""
    state = strong(engine)
    if state is not None:
        ending.claim_lock(engine, state)
        engine.touch(state)
    return state


def step(engine: Engine, state: OpenRun, name: Step) -> None:
    """The run entered a state."""
    engine.emit(GcStepped(ref=engine.ref(), run=state.run.key, sr=sr_of(state), step=name))


@on("gc_kicked", "gc_not_kicked")
def kicked(engine: Engine, fields: Fields) -> None:
    process = engine.process(engine.record.pid)
    sr = fields.get("sr") or process.sr
    skipped = engine.record.msg.startswith(("A GC", "The GC"))
    if process.kicked_for == sr and not skipped:
        return
    process.kicked_for = sr
    engine.emit(GcKicked(ref=engine.ref(), sr=sr, skipped=skipped))


@on("run_started")
def run_started(engine: Engine, fields: Fields) -> None:
    state = engine.worker()
    if state is not None and state.run.op == "plugin" and state.lines == 0:
        state.run.sr = fields["sr"]
        return
    begin(engine, fields["sr"], "gc")


@on("force_started")
def force_started(engine: Engine, fields: Fields) -> None:
    begin(engine, fields["sr"], "gc_force")


@on("plugin_started")
def plugin_started(engine: Engine, fields: Fields) -> None:
    begin(engine, fields["sr"], "plugin")


@on("force_cleared")
def force_cleared(engine: Engine, _fields: Fields) -> None:
    working(engine)


@on("intermediate_named")
def intermediate_named(engine: Engine, fields: Fields) -> None:
    state = engine.worker()
    if state is None:
        return
    pid = int(fields["pid"])
    worker = engine.registry.named_worker.pop(pid, None)
    if worker is not None:
        engine.registry.link(state, worker)
    else:
        put(engine.registry.by_intermediate, pid, state, PIDS)


@on("worker_named")
def worker_named(engine: Engine, fields: Fields) -> None:
    intermediate, worker = engine.record.pid, int(fields["pid"])
    if intermediate is None:
        return
    former = engine.registry.by_worker.get(worker)
    if former is not None and former.run.start_seen:
        ending.vanish(engine, former, engine.ref())
    state = engine.registry.by_intermediate.pop(intermediate, None)
    if state is not None:
        engine.registry.link(state, worker)
    else:
        put(engine.registry.named_worker, intermediate, worker, PIDS)


@on("waiting_for_xapi")
def waiting_for_xapi(engine: Engine, _fields: Fields) -> None:
    state = engine.worker()
    if state is not None:
        state.waits_for_xapi = True
        step(engine, state, "waiting_for_xapi")


@on("superseded")
def superseded(engine: Engine, _fields: Fields) -> None:
    state = strong(engine)
    if state is None:
        return
    engine.touch(state)
    state.superseded = state.clean = True
    if engine.record.msg.startswith("Another"):
        ending.end_run(engine, state, engine.ref())


@on("detached")
def detached(engine: Engine, _fields: Fields) -> None:
    state = working(engine)
    if state is not None:
        # Said before the first scan it is the last word of the run; later G17 follows.
        state.detached = True
        ending.end_merge(engine, state, "went_on", engine.ref())
        ending.end_run(engine, state, engine.ref())


@on("no_work")
def no_work(engine: Engine, _fields: Fields) -> None:
    state = working(engine)
    if state is not None:
        ending.end_merge(engine, state, "went_on", engine.ref())
        state.clean = True


@on("gc_disabled")
def gc_disabled(engine: Engine, _fields: Fields) -> None:
    state = strong(engine)
    if state is None:
        return
    engine.touch(state)
    state.disabled = True
    switched_off(engine, state, "gc")
    if not state.works:
        ending.end_run(engine, state, engine.ref())


def switched_off(engine: Engine, state: OpenRun, switch: Switch) -> None:
    """A switch of the SR is off."""
    engine.emit(GcSwitchedOff(ref=engine.ref(), run=state.run.key, sr=sr_of(state), switch=switch))


@on("coalesce_disabled")
def coalesce_disabled(engine: Engine, _fields: Fields) -> None:
    state = working(engine)
    if state is not None and not state.coalesce_off:
        state.coalesce_off = True
        switched_off(engine, state, "coalesce")


@on("leaf_disabled")
def leaf_disabled(engine: Engine, _fields: Fields) -> None:
    state = working(engine)
    if state is not None and not state.leaf_off:
        state.leaf_off = True
        switched_off(engine, state, "leaf-coalesce")


@on("quiet_started")
def quiet_started(engine: Engine, _fields: Fields) -> None:
    state = working(engine)
    if state is not None:
        step(engine, state, "quiet")


@on("quiet_ended")
def quiet_ended(engine: Engine, _fields: Fields) -> None:
    state = working(engine)
    if state is not None:
        step(engine, state, "between")


@on("process_exiting")
def process_exiting(engine: Engine, _fields: Fields) -> None:
    state = working(engine)
    if state is not None:
        ending.end_run(engine, state, engine.ref())


@on("aborted")
def aborted(engine: Engine, _fields: Fields) -> None:
    state = engine.run_of(engine.record.pid) or strong(engine)
    if state is not None:
        state.aborted = True
        ending.end_run(engine, state, engine.ref())


@on("run_error")
def run_error(engine: Engine, fields: Fields) -> None:
    state = engine.run_of(engine.record.pid) or strong(engine)
    if state is None:
        return
    if state.run.sr is None:
        state.run.sr = fields["sr"]
    if state.not_here:
        return
    if state.error_ref is None:
        state.error_ref = engine.ref()
    ending.end_run(engine, state, engine.ref())


@on("term_requested")
def term_requested(engine: Engine, _fields: Fields) -> None:
    state = working(engine)
    if state is not None:
        state.terminated = True


@on("sigterm")
def sigterm(engine: Engine, _fields: Fields) -> None:
    state = engine.run_of(engine.record.pid)
    if state is None or state.ended:
        return
    mark_abort(engine, state, "sigterm")
    state.terminated = True


@on("abort_requested")
def abort_requested(engine: Engine, fields: Fields) -> None:
    request_abort(engine, fields["sr"], "abort")


def request_abort(engine: Engine, sr: str, by: Literal["abort", "sigterm", "ipc"]) -> None:
    """Someone asks whatever runs on this SR to stop; a requester is never its own victim."""
    found = [s for s in engine.registry.of_sr(sr) if s.worker != engine.record.pid]
    for state in found:
        mark_abort(engine, state, by)
    if not found and by == "abort":
        engine.emit(AbortRequested(ref=engine.ref(), sr=sr, by=by))


def mark_abort(engine: Engine, state: OpenRun, by: Literal["abort", "sigterm", "ipc"]) -> None:
    """Remember the first request."""
    if state.abort_seen is None:
        state.abort_seen = engine.ref()
        engine.emit(AbortRequested(ref=state.abort_seen, run=state.run.key, sr=sr_of(state), by=by))


@on("update_started")
def update_started(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    if state is None:
        return
    if state.run.sr is None:
        state.run.sr = fields["sr"]
    ending.end_merge(engine, state, "went_on", engine.ref())
    step(engine, state, "updating")


@on("update_ended", "update_timed_out")
def update_ended(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    if state is not None:
        status = fields.get("status", "timed out")
        engine.emit(SrUpdateWaited(ref=engine.ref(), run=state.run.key, sr=sr_of(state), status=status))
        step(engine, state, "between")

"""How runs and merges are closed: one place, so that a later line can correct an end once (G18, G19 after G17)."""

from __future__ import annotations

from chainwatch_collector.read import causes, failures, outcomes
from chainwatch_collector.read.bounds import IMAGES, first_time
from chainwatch_collector.read.engine import Engine, key_of, sr_of
from chainwatch_collector.read.facts import GcEnded, MergeEnded, ScanFailed, SpaceRefused
from chainwatch_collector.read.open_runs import OpenMerge, OpenRun
from chainwatch_collector.read.outcomes import RunFate
from chainwatch_collector.read.runs import Merge
from chainwatch_collector.read.words import LineRef, MergeKind


def end_merge(engine: Engine, state: OpenRun, fate: RunFate, ref: LineRef) -> None:
    """Close the open merge of a run, if there is one, and say how it ended."""
    if state.merge is None:
        return
    conclude(engine, state, state.merge, fate, ref)
    state.merge = None


def conclude(engine: Engine, state: OpenRun, open_merge: OpenMerge, fate: RunFate, ref: LineRef) -> None:
    """Give a merge its outcome; called again when the run's end is corrected."""
    merge = open_merge.merge
    outcome, cause, hint = outcomes.of_merge(
        open_merge, fate, asked_to_stop=state.terminated or state.abort_seen is not None
    )
    merge.outcome, merge.cause = outcome, cause
    merge.proof = hint.ref if hint else None
    merge.detail = hint.detail if hint else ""
    merge.end = None if outcome == "running" else ref
    for pid in open_merge.children:
        if engine.registry.by_child.get(pid) is state:
            del engine.registry.by_child[pid]
            if fate == "killed":
                # The child of a killed GC lives on, and still speaks of the copy (g2).
                engine.registry.orphan(pid)
    state.something_failed = state.something_failed or outcome in ("failed", "no_space", "gave_up", "timed_out")
    if cause == "killed":
        for image in (merge.child[:8], merge.parent[:8]):
            first_time(engine.killed_images, image, IMAGES)
    state.last_merge = open_merge
    engine.registry.mark(state)
    if outcome != "running":
        engine.emit(
            MergeEnded(
                ref=ref,
                run=key_of(state),
                sr=sr_of(state),
                kind=merge.kind,
                child=merge.child,
                parent=merge.parent,
                outcome=outcome,
                cause=cause,
                detail=merge.detail,
                vdis=hint.vdis if hint else (),
                proof=merge.proof,
                iterations=open_merge.iterations,
            )
        )


def end_run(engine: Engine, state: OpenRun, ref: LineRef) -> None:
    """The run printed an end. May be called again by a line that corrects it."""
    corrected = state.ended
    run = state.run
    early = engine.pending_failures.pop(run.pid, None)
    if early is not None:
        failures.apply(engine, state, early)
    fate: RunFate = "went_on"
    if state.merge is not None or (corrected and state.merge_at_end):
        probe = outcomes.of_run(state)
        fate = "aborted" if probe == "aborted" else "crashed" if probe == "crashed" else "went_on"
        if state.merge is not None:
            state.merge_at_end = True
            end_merge(engine, state, fate, ref)
        elif state.last_merge is not None:
            conclude(engine, state, state.last_merge, fate, ref)
    engine.registry.close(state)
    outcome = outcomes.of_run(state)
    if corrected and outcome == run.outcome and (outcome != "crashed" or run.proof == state.error_ref):
        return
    run.end, run.outcome = ref, outcome
    if outcome == "crashed":
        _explain(engine, state, ref, corrected)
    run.error, run.proof = state.error, state.error_ref
    engine.registry.mark(state)
    engine.emit(
        GcEnded(
            ref=ref, run=run.key, sr=sr_of(state), outcome=outcome, reason=run.reason, error=run.error, proof=run.proof
        )
    )


def _explain(engine: Engine, state: OpenRun, ref: LineRef, corrected: bool) -> None:
    """A crash's reason, as far as SMlog tells: the banner's, the scan's, or that it never got through a scan."""
    run = state.run
    run.reason = state.reason
    if run.reason is None and state.scan_attempts:
        run.reason = "scan_failed"
    if run.reason is None:
        run.reason = "unknown"
        if not state.tree_seen and not corrected:
            detail = "the run ended in its first scan"
            engine.emit(ScanFailed(ref=ref, run=run.key, sr=sr_of(state), by="gc", final=False, detail=detail))


def vanish(engine: Engine, state: OpenRun, ref: LineRef) -> None:
    """The run's process is gone without a word; `ref` is the line that shows it."""
    if state.ended:
        return
    run = state.run
    if run.lost:
        end_merge(engine, state, "lost", ref)
        engine.registry.close(state)
        engine.registry.mark(state)
        return
    if state.error_ref is not None or state.not_here or state.aborted:
        end_run(engine, state, run.last or run.start)
        return
    stopped = state.abort_seen is not None or state.terminated
    if state.lines == 0 and run.launcher_pid is None and not state.waits_for_xapi and not stopped:
        # 8.3 in its first versions hides what is raised before the lock: not attached here, not the master.
        run.outcome = "not_here"
    else:
        run.outcome = "aborted" if stopped else "killed"
    end_merge(engine, state, "aborted" if stopped else "killed", ref)
    engine.registry.close(state)
    run.end = run.last or run.start
    engine.registry.mark(state)
    engine.emit(GcEnded(ref=ref, run=run.key, sr=sr_of(state), outcome=run.outcome, proof=run.end))


def claim_lock(engine: Engine, state: OpenRun) -> None:
    """The run shows that it holds gc_active: earlier runs of the SR have none of it any more."""
    if state.works:
        return
    state.works = True
    if state.run.sr is not None:
        for other in engine.registry.of_sr(state.run.sr):
            if other is not state and other.run.key[1:] < state.run.key[1:]:
                vanish(engine, other, engine.ref())


def refuse(engine: Engine, state: OpenRun, kind: MergeKind, printed: str, free_bytes: int | None) -> None:
    """SM refused a merge for lack of space (C3, L3). Printed three times a loop: one refusal, one merge."""
    sr = sr_of(state)
    prefix = printed.lstrip("*")[:8]
    child, parent = engine.full(sr, prefix), engine.full(sr, parent_in_tree(state, prefix))
    ref = engine.ref()
    state.refused = True
    key = (kind, prefix, parent[:8])
    if not first_time(state.refusals, key):
        return
    engine.add_merge(
        state,
        Merge(
            kind=kind,
            child=child,
            parent=parent,
            start=ref,
            end=ref,
            outcome="no_space",
            cause="no_space",
            refused=True,
            detail=causes.NO_SPACE_BEFOREHAND,
        ),
    )
    engine.registry.mark(state)
    engine.emit(
        SpaceRefused(ref=ref, run=state.run.key, sr=sr, vdi=child, parent=parent, kind=kind, free_bytes=free_bytes)
    )


def parent_in_tree(state: OpenRun, prefix: str) -> str:
    """The parent of an image in the run's last trees, empty when they do not show it."""
    for nodes in state.forest.values():
        for node in nodes:
            if node.vdi == prefix:
                return node.parent or ""
    return ""

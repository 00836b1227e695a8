"""How a merge and a run ended, from the signs collected while they were open. Pure (interfaces.md section 3)."""

from __future__ import annotations

from typing import Literal

from chainwatch_collector.read import causes
from chainwatch_collector.read.open_runs import Hint, OpenMerge, OpenRun
from chainwatch_collector.read.words import Cause, MergeOutcome, RunOutcome

RunFate = Literal["went_on", "killed", "aborted", "crashed", "lost"]


def of_merge(
    open_merge: OpenMerge, fate: RunFate, *, asked_to_stop: bool = False
) -> tuple[MergeOutcome, Cause | None, Hint | None]:
    """(outcome, cause, the proof of the cause). `fate` is what the run did when the merge ended,
    `asked_to_stop` whether an abort request or a SIGTERM came before it did.
    """
    if fate == "lost":
        return "running", None, None
    if fate == "killed":
        return "interrupted", "killed", None
    if fate == "aborted":
        return "interrupted", "aborted", None
    hint = causes.strongest(open_merge.hints)
    if hint is not None and hint.cause == "killed" and asked_to_stop:
        # systemctl stop signals the whole unit: the tool dies before the GC has read its own flag.
        hint = hint._replace(cause="aborted")
    if open_merge.failed or fate == "crashed":
        return _failed(open_merge, hint)
    if open_merge.raced:
        return "interrupted", "busy", None
    if open_merge.copied or open_merge.replayed or open_merge.relinked:
        return "done", None, None
    if hint is not None:
        return _failed(open_merge, hint)
    return "interrupted", "unknown", None


def _failed(open_merge: OpenMerge, hint: Hint | None) -> tuple[MergeOutcome, Cause, Hint | None]:
    cause: Cause = hint.cause if hint else "unknown"
    if cause == "guest_writes" or (open_merge.gave_up and cause == "unknown"):
        return "gave_up", "guest_writes", hint
    if cause == "no_space":
        return "no_space", cause, hint
    if cause == "timed_out":
        return "timed_out", cause, hint
    if cause == "aborted":
        return "interrupted", cause, hint
    return "failed", cause, hint


def of_run(state: OpenRun) -> RunOutcome:
    """The outcome of a run that printed its end (G10, G12, G14, G17, G18, G19 or the end of a forced run)."""
    if state.superseded:
        return "superseded"
    if state.aborted or (state.terminated and not state.clean):
        return "aborted"
    if (state.detached or state.not_here) and not state.run.merges:
        return "not_here"
    if state.error_ref is not None:
        return "crashed"
    if not (state.clean or state.disabled or state.detached):
        return "aborted" if state.abort_seen else "crashed"
    if state.something_failed or state.refused:
        return "failed"
    if state.any_work or any(merge.outcome == "done" for merge in state.run.merges):
        return "worked"
    return "disabled" if state.disabled or state.coalesce_off else "idle"

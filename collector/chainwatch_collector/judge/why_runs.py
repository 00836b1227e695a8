"""The lines of `why SR` about GC runs: the last one and how it ended, and what the present one waits for."""

from __future__ import annotations

from typing import Final

from chainwatch_collector.judge.checklist import Check, CheckStatus
from chainwatch_collector.judge.why_asked import Asked
from chainwatch_collector.judge.why_sources import known_now
from chainwatch_collector.track.runs_seen import RunSeen
from chainwatch_collector.track.state import HostState, SrState
from chainwatch_collector.words import clock, plural

LAST: Final = "last GC run"
WAITS: Final = "what the run waits for"

_ENDED: Final = {
    "idle": "found nothing to merge or delete",
    "worked": "did its work, nothing failed",
    "failed": "went to its end, but something failed or was refused in it",
    "crashed": "was ended by an error",
    "aborted": "was asked to stop",
    "killed": "vanished without an end",
    "superseded": "left at once: another run had the lock",
    "disabled": "left at once: switched off",
    "not_here": "left at once: not this host's to do",
    "running": "has shown no end",
}
_STATUS: Final[dict[str, CheckStatus]] = {"failed": "info", "crashed": "warning", "killed": "info", "aborted": "info"}
_STEPS: Final = {
    "waiting_for_xapi": "waits for xapi",
    "waiting_for_lock": "waits for a lock",
    "quiet": "is in its quiet period of five minutes",
    "scanning": "scans the SR",
    "deleting": "deletes images",
    "preparing": "prepares a merge",
    "copying": "copies the data of a merge",
    "relinking": "relinks the children of a merged image",
    "pausing": "pauses a disk for a merge",
    "updating": "waits for XAPI's SR.update",
    "undoing": "undoes a leaf merge",
    "finishing": "finishes a leaf merge",
    "between": "is between two steps",
}


def last_run(asked: Asked, sr: SrState, host: HostState | None) -> Check:
    """When it began, where, and how it ended; "no work left" in the log proves nothing."""
    judged = asked.judged(LAST, "GC_CRASHED", "GC_NOT_RUNNING", "GC_INEFFECTIVE", "GC_INTERRUPTED")
    run = sr.open_run or next((run for run in reversed(sr.runs) if run.outcome != "superseded"), None)
    told = _told(asked, run) if run is not None else ""
    if judged is not None:
        return Check(LAST, judged.status, " ".join(filter(None, (judged.detail, told))))
    if run is None:
        sure = known_now(asked, host)
        kick = f"; asked for {asked.age(sr.kick.at)}" if sr.kick is not None else ""
        return Check(LAST, "info" if sure else "unknown", f"none stands in the logs read{kick}")
    if not known_now(asked, host):
        return Check(LAST, "unknown", f"{told} What came after is not known.")
    return Check(LAST, _STATUS.get(run.outcome, "ok"), told)


def _told(asked: Asked, run: RunSeen) -> str:
    host = asked.state.hosts.get(run.key.host)
    where = f"pid {run.pid} on {host.name if host is not None else run.key.host}"
    ended = "is at work" if run.running else _ENDED[run.outcome]
    done = [merge for merge in run.merges if merge.outcome == "done"]
    merged = f", {plural(len(done), 'merge')} done" if done else ""
    return f"Began {clock(run.at)}, {asked.age(run.at)} ({where}), {ended}{merged}."


def run_waits(asked: Asked, sr: SrState, host: HostState | None) -> Check:
    """The step that the run is in, who holds a lock, which host was asked."""
    judged = asked.judged(WAITS, "GC_STUCK", "GC_BLOCKED_BY_HOST")
    if judged is not None:
        return judged
    if sr.open_run is None:
        unit = sr.runtime.unit_state if sr.runtime is not None else ""
        if unit in ("activating", "active") and known_now(asked, host):
            return Check(WAITS, "info", f"the GC unit is {unit}, no line of its run is there yet")
        if not known_now(asked, host):
            return Check(WAITS, "unknown", "the log of its GC host is not known up to now")
        return Check(WAITS, "skipped", "no run is active")
    if sr.step is None or sr.step.run != sr.open_run.key:
        return Check(WAITS, "unknown", "the log does not show which step it is in")
    asks = f", asked {sr.step.host_asked}" if sr.step.host_asked else ""
    return Check(WAITS, "ok", f"since {clock(sr.step.since.at)} it {_STEPS[sr.step.step]}{asks}{_lock(sr)}")


def _lock(sr: SrState) -> str:
    holders = [lock for lock in sr.locks if not lock.waiting and sr.open_run and lock.pid != sr.open_run.pid]
    if holders:
        return f"; lock {holders[0].lock} is held by pid {holders[0].pid}"
    wait = sr.lock_wait
    if wait is not None and wait.holder_pid is not None and sr.step is not None and sr.step.step == "waiting_for_lock":
        return f"; {wait.path} is held by pid {wait.holder_pid}"
    return ""

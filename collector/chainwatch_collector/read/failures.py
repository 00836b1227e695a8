"""A run's fatal exception, from SMlog's banner or from a unit's stderr: the same meaning wherever it stood."""

from __future__ import annotations

import re

from chainwatch_collector.read import causes
from chainwatch_collector.read.engine import Engine, PendingFailure
from chainwatch_collector.read.facts import GcFailureLogged, ParentMissing
from chainwatch_collector.read.open_runs import OpenRun
from chainwatch_collector.read.runs import Run
from chainwatch_collector.read.words import CrashReason

_PARENT = re.compile(r"Parent VDI (\S+) of (\S+) not found")
_NOT_HERE = (
    "This host is NOT master",
    "not attached on this host",
    "Local SR not attached",
    "Local SR multiply attached",
)
_TEXT_LIMIT = 600


def benign(message: str) -> bool:
    """Whether an exception only says that this host was not the one to run it (G31-G33)."""
    return any(words in message for words in _NOT_HERE)


def reason_of(cls: str, message: str) -> CrashReason:
    """Why the run died, from class and text."""
    return causes.crash_reason(f"XenAPI.Failure {message}" if "XenAPI" in cls else message)


def apply(engine: Engine, state: OpenRun, failure: PendingFailure) -> None:
    """Note the exception on a run that has no end yet, or whose end may be corrected."""
    cls, message, ref = failure
    if benign(message):
        state.not_here = True
    elif "AbortException" in cls:
        state.aborted = True
    else:
        state.error, state.error_ref = message[:_TEXT_LIMIT], ref
        state.reason = state.reason or reason_of(cls, message)
        announce(engine, state.run, failure, state.reason)


def announce(engine: Engine, run: Run, failure: PendingFailure, reason: CrashReason) -> None:
    """Say what ended the run, and which parent it missed."""
    sr = run.sr or run.sr_prefix
    message = failure.message
    engine.emit(
        GcFailureLogged(
            ref=failure.ref,
            run=run.key,
            sr=sr,
            reason=reason,
            exception=failure.cls,
            message=message[:_TEXT_LIMIT],
            vdis=causes.uuids(message),
            hosts=causes.host_refs(message) if reason == "host_unreachable" else (),
        )
    )
    parent = _PARENT.search(message)
    if parent is not None:
        engine.emit(ParentMissing(ref=failure.ref, run=run.key, sr=sr, parent=parent[1], child=parent[2]))

"""Handlers: what daemon.log, kern.log, user.log and drbd-kern.log say, and a GC's traceback that SMlog hides."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Literal

from chainwatch_collector.read import failures
from chainwatch_collector.read.blocks import Block
from chainwatch_collector.read.engine import Engine, PendingFailure
from chainwatch_collector.read.facts import GcEnded, SystemLogged
from chainwatch_collector.read.handlers import Fields, on
from chainwatch_collector.read.runs import Run
from chainwatch_collector.read.words import LineRef

_EXCEPTION = re.compile(r"(?P<cls>[A-Za-z_][\w.]*)(?:: (?P<msg>.*))?\Z", re.DOTALL)
_UNIT = re.compile(r"([0-9a-f]{8})\\x2d([0-9a-f]{4})\\x2d([0-9a-f]{4})\\x2d([0-9a-f]{4})\\x2d([0-9a-f]{12})")
# The unit's stderr reaches the log through the journal: a little after SMlog's own last line, or before it.
_SLACK = timedelta(seconds=30)
_DRBD_BAD = ("Failed", "Diskless", "quorum( yes -> no )", "I/O error", "Inconsistent", "StandAlone", "split-brain")
_TAPDISK_BAD = ("I/O error", "error", "ENOSPC", "No space")
What = Literal[
    "unit_started",
    "unit_failed",
    "io_error",
    "read_only",
    "nfs_down",
    "nfs_up",
    "path_down",
    "drbd",
    "vhd_error",
    "oom",
    "tapdisk",
]


def _say(engine: Engine, what: What, device: str | None = None, sr: str | None = None) -> None:
    device = device.rstrip(":),.") if device else None
    engine.emit(SystemLogged(ref=engine.ref(), sr=sr, what=what, detail=engine.record.msg[:400], device=device))


@on("unit_started")
def unit_started(engine: Engine, fields: Fields) -> None:
    _say(engine, "unit_started", sr=fields["sr"])


@on("unit_failed")
def unit_failed(engine: Engine, fields: Fields) -> None:
    _say(engine, "unit_failed", sr=fields["sr"])


@on("unit_exited")
def unit_exited(engine: Engine, fields: Fields) -> None:
    found = _UNIT.search(fields["unit"])
    _say(engine, "unit_failed", sr="-".join(found.groups()) if found else None)


@on("path_changed")
def path_changed(engine: Engine, fields: Fields) -> None:
    _say(engine, "path_down", fields.get("device") or fields.get("map"))


@on("tapdisk_said")
def tapdisk_said(engine: Engine, fields: Fields) -> None:
    if any(word in fields["detail"] for word in _TAPDISK_BAD):
        _say(engine, "tapdisk")


@on("kernel_io")
def kernel_io(engine: Engine, fields: Fields) -> None:
    _say(engine, "io_error", fields["device"])


@on("kernel_xfs")
def kernel_xfs(engine: Engine, fields: Fields) -> None:
    if "error" in fields["detail"] or "hutting down" in fields["detail"]:
        _say(engine, "io_error", fields["device"])


@on("read_only")
def read_only(engine: Engine, fields: Fields) -> None:
    _say(engine, "read_only", fields["device"])


@on("nfs_down")
def nfs_down(engine: Engine, fields: Fields) -> None:
    _say(engine, "nfs_down", fields.get("server"))


@on("nfs_up")
def nfs_up(engine: Engine, fields: Fields) -> None:
    _say(engine, "nfs_up", fields["server"])


@on("out_of_memory")
def out_of_memory(engine: Engine, _fields: Fields) -> None:
    _say(engine, "oom")


@on("drbd_said")
def drbd_said(engine: Engine, fields: Fields) -> None:
    if any(word in fields["detail"] for word in _DRBD_BAD):
        _say(engine, "drbd", fields["resource"])


@on("vhd_said")
def vhd_said(engine: Engine, _fields: Fields) -> None:
    _say(engine, "vhd_error")


# --- a GC's traceback -----------------------------------------------------------------------------------------


def traceback_closed(engine: Engine, block: Block, pid: int | None) -> None:
    """The exception that ended a process; of interest when the process was a GC run (8.3's hidden crashes)."""
    found = _EXCEPTION.match(block.lines[-1].strip()) if block.lines else None
    if found is None or pid is None:
        return
    cls, message = found["cls"], (found["msg"] or "").strip()
    failure = PendingFailure(cls, message, engine.ref())
    state = engine.registry.by_worker.get(pid)
    if state is not None and not state.ended and state.run.pid == pid:
        failures.apply(engine, state, failure)
        return
    run = _run_at(engine, pid, failure.ref)
    if run is None:
        engine.pending_failures[pid] = failure
        while len(engine.pending_failures) > 200:
            del engine.pending_failures[next(iter(engine.pending_failures))]
        return
    _apply_ended(engine, run, failure)


def _run_at(engine: Engine, pid: int, ref: LineRef) -> Run | None:
    """The run of this pid that the exception's time falls into."""
    for run in reversed(engine.registry.runs):
        if run.pid != pid:
            continue
        if ref.at is None or run.start.at is None:
            return run
        last = (run.end or run.last or run.start).at or run.start.at
        if run.start.at - _SLACK <= ref.at <= last + _SLACK:
            return run
    return None


def _apply_ended(engine: Engine, run: Run, failure: PendingFailure) -> None:
    """The run is closed already: the exception explains or corrects its outcome."""
    cls, message, ref = failure
    former = run.outcome
    if failures.benign(message):
        run.outcome = "not_here"
    elif "AbortException" in cls:
        run.outcome = "aborted"
    elif former in ("crashed", "not_here", "killed", "running"):
        run.outcome = "crashed"
        run.reason, run.error, run.proof = failures.reason_of(cls, message), message[:600], ref
        failures.announce(engine, run, failure, run.reason)
    else:
        return
    if run.end is None:
        run.end = ref
    engine.registry.changed[run.key] = run
    sr = run.sr or run.sr_prefix
    engine.emit(
        GcEnded(ref=ref, run=run.key, sr=sr, outcome=run.outcome, reason=run.reason, error=run.error, proof=ref)
    )

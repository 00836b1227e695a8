"""Handlers: SM's drivers and plugins (E, K, P, V, A, Q, D rows): calls, errors, locks, pauses, scans."""

from __future__ import annotations

import re

from chainwatch_collector.read import causes, ending, sm_errors
from chainwatch_collector.read.bounds import IMAGES, put
from chainwatch_collector.read.engine import Engine, key_of, sr_of
from chainwatch_collector.read.facts import (
    ActivationWaited,
    GarbageSeen,
    LeafSkipped,
    LockWaited,
    MergeCopyStarted,
    ScanFailed,
    ScanSucceeded,
    SmCommandStarted,
    SmErrorRaised,
    SpaceShort,
    StaleFlagSeen,
    StorageSlow,
    TapdiskPaused,
    TapdiskUnpaused,
    TapdiskUnpauseFailed,
    VdiCorrupt,
    VdisForgotten,
)
from chainwatch_collector.read.handlers import Fields, on
from chainwatch_collector.read.on_merge import tie_child
from chainwatch_collector.read.open_runs import OpenRun, Process
from chainwatch_collector.read.words import LineRef

_SR = re.compile(r"'sr_uuid': '([0-9a-f-]{36})'")
_VDI = re.compile(r"'vdi_uuid': '([0-9a-f-]{36})'")
_LOCK_SR = re.compile(r"/var/lock/sm/([0-9a-f]{8}-[0-9a-f-]{27})/(?:gc_active|running|sr)\Z")
_PATH = re.compile(r"'(/[^']{1,4000})'")
_EXCEPTION = re.compile(r"\*\*\*\*\* (?P<tag>.*?): EXCEPTION <(?:class|type) '(?P<cls>[^']*)'>, (?P<msg>.*)", re.DOTALL)
_GENERIC = "generic exception: "


# --- commands -------------------------------------------------------------------------------------------------


@on("command")
def command(engine: Engine, fields: Fields) -> None:
    argv = fields["argv"]
    process = engine.process(engine.record.pid)
    process.command = None
    if "'coalesce'" in argv or "'commit'" in argv:
        process.command = "coalesce"
        _copy(engine, argv)
    elif "'check'" in argv:
        process.command, process.check_code, process.check_text = "check", None, ""
        _learn_path(engine, argv)


def _learn_path(engine: Engine, argv: str) -> tuple[str | None, str | None]:
    """(SR, VDI) of the image in an argv, as far as the path names them."""
    path = next((p for p in reversed(_PATH.findall(argv)) if not p.startswith("/usr/")), "")
    found = causes.uuids(path)
    sr = found[0] if found and ("sr-mount/" in path or "XenStorage" in path) else None
    vdi = found[-1] if sr is not None and len(found) > 1 else None
    if vdi is not None:
        engine.learn(sr, vdi)
    return sr, vdi


def _copy(engine: Engine, argv: str) -> None:
    if "cbt-util" in argv:
        return
    sr, vdi = _learn_path(engine, argv)
    pid = engine.record.pid
    state = engine.run_of(pid)
    if pid is None or (state is not None and state.worker == pid and not state.ended):
        return
    state = _copying(engine, sr, vdi)
    if state is None or state.merge is None:
        return
    tie_child(engine, state, pid)
    child = vdi or engine.full(sr_of(state), state.merge.copying or "")
    engine.emit(MergeCopyStarted(ref=engine.ref(), run=key_of(state), sr=sr_of(state), child=child, copier=pid))


def _copying(engine: Engine, sr: str | None, vdi: str | None) -> OpenRun | None:
    """The run whose copy a new pid has begun: by SR and image, by SR alone, or the only one (LINSTOR names neither)."""
    found = [s for s in engine.registry.open() if s.merge is not None and s.merge.copying is not None]
    if vdi is not None:
        found = [s for s in found if s.merge is not None and s.merge.copying == vdi[:8] and s.run.sr in (sr, None)]
        # A killed run's twin may copy the same image (g2): the later run is the one that has just begun to.
        return max(found, key=lambda s: s.run.key[1:], default=None)
    if sr is not None:
        found = [s for s in found if s.run.sr == sr]
    return found[0] if len(found) == 1 else None


@on("command_done")
def command_done(engine: Engine, _fields: Fields) -> None:
    engine.process(engine.record.pid).command = None


# --- locks ----------------------------------------------------------------------------------------------------


@on("lock_opened")
def lock_opened(engine: Engine, fields: Fields) -> None:
    found = _LOCK_SR.match(fields["path"])
    if found is None:
        return
    engine.process(engine.record.pid).sr = found[1]
    state = engine.worker()
    if state is not None and state.run.sr is None:
        state.run.sr = found[1]


@on("lock_tried")
def lock_tried(engine: Engine, fields: Fields) -> None:
    lock_opened(engine, fields)
    state = engine.worker()
    if state is not None and fields["got"] == "True" and fields["path"].endswith("/gc_active"):
        ending.claim_lock(engine, state)


@on("lock_released")
def lock_released(engine: Engine, fields: Fields) -> None:
    state = engine.worker()
    if state is not None and state.run.op == "gc_force" and fields["path"].endswith("/gc_active"):
        state.clean = state.planned_deletion
        ending.end_run(engine, state, engine.ref())


@on("lock_waited")
def lock_waited(engine: Engine, fields: Fields) -> None:
    holder = int(fields["holder"])
    state = engine.worker()
    process = engine.process(engine.record.pid)
    found = causes.uuids(fields["path"])
    sr = sr_of(state) or (found[0] if found else None) or process.sr
    engine.emit(
        LockWaited(
            ref=engine.ref(), run=key_of(state), sr=sr, path=fields["path"], holder_pid=holder if holder > 0 else None
        )
    )


# --- driver calls and their errors ----------------------------------------------------------------------------


@on("call_started")
def call_started(engine: Engine, fields: Fields) -> None:
    msg = engine.record.msg
    pid = engine.record.pid
    state = engine.worker()
    if state is not None and state.lines:
        # A driver call under the pid of a run: that run's process is gone, the number was used again.
        ending.vanish(engine, state, engine.ref())
    if pid is not None:
        engine.registry.orphans.discard(pid)
        engine.registry.by_child.pop(pid, None)
    process = engine.process(pid)
    sr, vdi = _SR.search(msg), _VDI.search(msg)
    fresh = Process(process.pid)
    fresh.sr = sr[1] if sr else process.sr
    fresh.vdi = vdi[1] if vdi else None
    fresh.call = msg.split(" ", 1)[0]
    engine.processes[process.pid] = fresh
    engine.emit(SmCommandStarted(ref=engine.ref(), sr=fresh.sr, command=fresh.call, vdi=fresh.vdi))


@on("error_raised")
def error_raised(engine: Engine, fields: Fields) -> None:
    process = engine.process(engine.record.pid)
    process.raised = (int(fields["code"]), fields["text"].removesuffix("]"), engine.ref())


@on("space_short")
def space_short(engine: Engine, fields: Fields) -> None:
    process = engine.process(engine.record.pid)
    process.free_bytes, process.need_bytes = int(fields["free"]), int(fields["need"])
    engine.emit(
        SpaceShort(ref=engine.ref(), sr=process.sr, free_bytes=process.free_bytes, need_bytes=process.need_bytes)
    )


def sm_exception(engine: Engine, start: LineRef, text: str) -> None:
    """E4, A3, A4, P12, P13: `***** <tag>: EXCEPTION <class>, <message>`. Codes raised and handled never get here."""
    found = _EXCEPTION.match(text)
    if found is None:
        return
    tag, message = found["tag"], found["msg"].strip()
    process = engine.process(engine.record.pid)
    if tag.startswith(("TAP-PAUSE", "BLKTAP2:call_pluginhandler")):
        engine.emit(TapdiskUnpauseFailed(ref=start, sr=process.sr, vdi=process.vdi, detail=f"{tag}: {message}"[:400]))
        return
    generic = tag.startswith(_GENERIC)
    # The driver's own "***** <description>: EXCEPTION" repeats the generic one.
    if not generic and (process.reported == message or process.raised is None):
        return
    process.reported = message
    call = tag[len(_GENERIC) :] if generic else process.call
    raised = process.raised
    process.raised = None
    code, name = sm_errors.identify(message, raised[0] if raised and raised[1].strip() == message else None)
    ref = raised[2] if raised and code is not None else start
    engine.emit(
        SmErrorRaised(
            ref=ref,
            sr=process.sr,
            code=code,
            name=name,
            params=message[:600],
            command=call,
            vdi=process.vdi,
            need_bytes=process.need_bytes,
            free_bytes=process.free_bytes,
        )
    )
    if call == "sr_scan":
        vdis = causes.uuids(message) or process.bad_vdis
        engine.emit(ScanFailed(ref=ref, sr=process.sr, by="driver", final=True, vdis=vdis, detail=message[:400]))
        process.scan_failed = True


# --- scans ----------------------------------------------------------------------------------------------------


@on("driver_scan_failed")
def driver_scan_failed(engine: Engine, fields: Fields) -> None:
    state = engine.worker()
    process = engine.process(engine.record.pid)
    sr = sr_of(state) or process.sr
    detail = fields.get("detail") or engine.record.msg
    by_gc = state is not None
    engine.emit(
        ScanFailed(
            ref=engine.ref(), run=key_of(state), sr=sr, by="gc" if by_gc else "driver", final=False, detail=detail[:400]
        )
    )


@on("image_scan_error")
def image_scan_error(engine: Engine, fields: Fields) -> None:
    state = engine.worker()
    process = engine.process(engine.record.pid)
    detail = fields["detail"]
    found = causes.uuids(detail.split(" ", 1)[0])
    if not found:
        return
    vdi, sr = found[-1], sr_of(state) or process.sr or (found[0] if len(found) > 1 else None)
    if vdi not in process.bad_vdis:
        process.bad_vdis = (*process.bad_vdis, vdi)[-20:]
    engine.learn(sr, vdi)
    engine.emit(
        VdiCorrupt(
            ref=engine.ref(),
            run=key_of(state),
            sr=sr,
            vdi=vdi,
            detail=detail.split(" ", 1)[-1][:200],
            sure=False,
            after_kill=vdi[:8] in engine.killed_images,
        )
    )


@on("info_missing")
def info_missing(engine: Engine, fields: Fields) -> None:
    state = engine.worker()
    process = engine.process(engine.record.pid)
    process.bad_vdis = (*process.bad_vdis, fields["vdi"])[-20:]
    engine.emit(
        VdiCorrupt(
            ref=engine.ref(),
            run=key_of(state),
            sr=sr_of(state) or process.sr,
            vdi=fields["vdi"],
            detail=engine.record.msg,
            sure=False,
        )
    )


@on("hidden_leaf")
def hidden_leaf(engine: Engine, fields: Fields) -> None:
    process = engine.process(engine.record.pid)
    engine.emit(GarbageSeen(ref=engine.ref(), sr=process.sr, count=1, vdis=(fields["vdi"],)))


@on("records_missing", "records_added")
def records_changed(engine: Engine, fields: Fields) -> None:
    process = engine.process(engine.record.pid)
    if process.call == "sr_scan" and not process.scan_failed:
        # The comparison with the database comes after the scan: the scan went well.
        process.scan_failed = True
        engine.emit(ScanSucceeded(ref=engine.ref(), sr=process.sr, by="driver"))
    added = engine.record.msg.startswith("new")
    vdis = causes.uuids(fields["vdis"])
    engine.emit(VdisForgotten(ref=engine.ref(), sr=process.sr, vdis=vdis, added=added, dropped=False))


@on("record_forgotten")
def record_forgotten(engine: Engine, fields: Fields) -> None:
    process = engine.process(engine.record.pid)
    engine.emit(VdisForgotten(ref=engine.ref(), sr=process.sr, vdis=(fields["vdi"],)))


@on("lvm_slow")
def lvm_slow(engine: Engine, fields: Fields) -> None:
    process = engine.process(engine.record.pid)
    state = engine.worker()
    engine.emit(
        StorageSlow(
            ref=engine.ref(),
            run=key_of(state),
            sr=sr_of(state) or process.sr,
            what="lvm",
            seconds=float(fields["seconds"]),
            detail=fields["command"][:200],
        )
    )


# --- tapdisk and activation -----------------------------------------------------------------------------------


@on("pause_asked", "paused")
def paused(engine: Engine, fields: Fields) -> None:
    state, vdi = engine.run_of(engine.record.pid), fields["vdi"]
    engine.process(engine.record.pid).vdi = vdi
    if engine.at is not None:
        put(engine.paused_at, vdi, engine.paused_at.get(vdi, engine.at), IMAGES)
    engine.emit(TapdiskPaused(ref=engine.ref(), run=key_of(state), sr=sr_of(state), vdi=vdi))


@on("unpause_asked", "unpaused")
def unpaused(engine: Engine, fields: Fields) -> None:
    state, vdi = engine.run_of(engine.record.pid), fields["vdi"]
    engine.process(engine.record.pid).vdi = vdi
    began = engine.paused_at.pop(vdi, None)
    seconds = (engine.at - began).total_seconds() if began is not None and engine.at is not None else None
    engine.emit(TapdiskUnpaused(ref=engine.ref(), run=key_of(state), sr=sr_of(state), vdi=vdi, paused_seconds=seconds))


@on("pause_long")
def pause_long(engine: Engine, fields: Fields) -> None:
    process = engine.process(engine.record.pid)
    seconds = float(fields["seconds"])
    engine.emit(StorageSlow(ref=engine.ref(), sr=process.sr, what="pause", seconds=seconds, vdi=process.vdi))


@on("relink_key")
def relink_key(engine: Engine, _fields: Fields) -> None:
    process = engine.process(engine.record.pid)
    engine.emit(ActivationWaited(ref=engine.ref(), sr=process.sr, vdi=process.vdi, on="relink"))


@on("paused_key")
def paused_key(engine: Engine, _fields: Fields) -> None:
    process = engine.process(engine.record.pid)
    flag = "paused" if "'paused'" in engine.record.msg else "host"
    engine.emit(
        StaleFlagSeen(ref=engine.ref(), sr=process.sr, flag="paused" if flag == "paused" else "host", vdi=process.vdi)
    )


@on("activation_locked")
def activation_locked(engine: Engine, _fields: Fields) -> None:
    process = engine.process(engine.record.pid)
    engine.emit(ActivationWaited(ref=engine.ref(), sr=process.sr, vdi=process.vdi, on="sr_lock"))


@on("activation_waits_coalesce")
def activation_waits_coalesce(engine: Engine, fields: Fields) -> None:
    process = engine.process(engine.record.pid)
    vdi = fields.get("vdi") or process.vdi
    engine.emit(ActivationWaited(ref=engine.ref(), sr=process.sr, vdi=vdi, on="coalesce"))


@on("leaf_migrating")
def leaf_migrating(engine: Engine, fields: Fields) -> None:
    process = engine.process(engine.record.pid)
    engine.emit(LeafSkipped(ref=engine.ref(), sr=process.sr, vdi=fields["vdi"], why="migrating"))


@on("leaf_journal_found")
def leaf_journal_found(engine: Engine, _fields: Fields) -> None:
    engine.process(engine.record.pid)

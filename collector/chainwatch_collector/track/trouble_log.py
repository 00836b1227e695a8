"""Folding what is not a run's life: scans, damaged images, SM's errors, space, paused disks, left-over flags."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from chainwatch_collector.read.facts import (
    ActivationWaited,
    Fact,
    LineRef,
    ParentMissing,
    ScanFailed,
    ScanSucceeded,
    SmCommandStarted,
    SmErrorRaised,
    SpaceShort,
    StaleFlagSeen,
    StorageSlow,
    TapdiskUnpaused,
    TapdiskUnpauseFailed,
    VdiCorrupt,
    VdisForgotten,
)
from chainwatch_collector.track.incidents import Incident, IncidentKind

if TYPE_CHECKING:
    from chainwatch_collector.track.sr_log import SrLog

SNAPSHOT_COMMANDS: Final = ("vdi_snapshot", "vdi_clone")
ATTACH_COMMANDS: Final = ("vdi_attach", "vdi_activate", "vdi_attach_from_config")
SCAN_FAILURES_THAT_COUNT: Final = 2
"""A GC's scan that used up its tries counts as much: it tried three times itself (T4, T5)."""
SNAPSHOT_SETTLED: Final = timedelta(minutes=10)
SNAPSHOTS_OPEN: Final = 2000
NO_SPACE: Final = 44
CLONE_FAILED: Final = 81
CHAIN_TOO_LONG: Final = 109
ATTACH_NO_SPACE: Final = 180


def fold(log: SrLog, fact: Fact) -> None:
    """Take it in where it is one of these; other facts move nothing."""
    match fact:
        case ScanFailed():
            _scan_failed(log, fact)
        case ScanSucceeded():
            scan_succeeded(log, fact.ref)
            if fact.by == "gc":
                log.incidents.heal("parent_missing")
        case VdiCorrupt():
            _corrupt(log, fact)
        case ParentMissing():
            _met(log, fact, "parent_missing", fact.child[:8], vdi=fact.child, parent=fact.parent)
        case SmErrorRaised():
            _raised(log, fact)
        case SpaceShort():
            _short(log, fact)
        case VdisForgotten():
            _forgotten(log, fact)
        case _:
            _disks(log, fact)


def _disks(log: SrLog, fact: Fact) -> None:
    match fact:
        case TapdiskUnpauseFailed():
            _met(log, fact, "frozen", (fact.vdi or "")[:8], vdi=fact.vdi or "", detail=fact.detail)
        case TapdiskUnpaused():
            log.incidents.heal("frozen", key=fact.vdi[:8])
            log.incidents.heal("frozen", key="")
        case StaleFlagSeen():
            key = f"{fact.flag}:{(fact.vdi or '')[:8]}"
            _met(log, fact, "stale_flag", key, vdi=fact.vdi or "", cause=fact.flag)
        case StorageSlow():
            _met(log, fact, "slow", fact.what, cause=fact.what, detail=fact.detail, vdi=fact.vdi or "")
        case ActivationWaited():
            _met(log, fact, "activation_waits", (fact.vdi or "")[:8], vdi=fact.vdi or "", cause=fact.on)
        case _:
            pass


def _met(
    log: SrLog,
    fact: Fact,
    kind: IncidentKind,
    key: str,
    *,
    vdi: str = "",
    parent: str = "",
    cause: str = "",
    detail: str = "",
    numbers: tuple[int | None, int | None] = (None, None),
) -> None:
    incident = Incident(
        kind=kind,
        key=key,
        first=fact.ref,
        last=fact.ref,
        vdi=vdi,
        parent=parent,
        cause=cause,
        detail=detail,
        free_bytes=numbers[0],
        need_bytes=numbers[1],
    )
    # Slow calls count one by one, everything else once per run.
    log.incidents.met(incident, None if kind == "slow" else fact.run)


# --- scans and images -----------------------------------------------------------------------------------------


def _scan_failed(log: SrLog, fact: ScanFailed) -> None:
    first_scan = fact.by == "gc" and fact.detail.startswith("the run ended in its first scan")
    if not (fact.final or first_scan):
        return
    if fact.by == "gc" and fact.final:
        log.scan_failures = max(log.scan_failures + 1, SCAN_FAILURES_THAT_COUNT)
    else:
        log.scan_failures += 1
    vdis = ",".join(fact.vdis)
    incident = Incident(
        kind="scan_failed", key="", first=fact.ref, last=fact.ref, cause=fact.by, detail=fact.detail, vdi=vdis
    )
    log.incidents.met(incident, fact.run)


def scan_succeeded(log: SrLog, ref: LineRef) -> None:
    """A scan went through all images: what failed before can be read again."""
    log.scan_ok = ref
    log.scan_failures = 0
    log.incidents.heal("scan_failed")


def _corrupt(log: SrLog, fact: VdiCorrupt) -> None:
    incident = Incident(
        kind="corrupt",
        key=fact.vdi[:8],
        first=fact.ref,
        last=fact.ref,
        vdi=fact.vdi,
        detail=fact.detail,
        sure=fact.sure,
        after_kill=fact.after_kill,
    )
    log.incidents.met(incident, fact.run)


def _forgotten(log: SrLog, fact: VdisForgotten) -> None:
    """A scan dropped records: one that an image of the SR still names as its parent is lost."""
    if fact.added:
        for vdi in fact.vdis:
            log.incidents.heal("lost", key=vdi[:8])
        return
    missed = {found.parent[:8] for found in log.incidents.of("parent_missing")} if fact.dropped else set()
    for vdi in fact.vdis if fact.dropped else ():
        key = vdi[:8]
        if key in missed:
            _met(log, fact, "lost", key, vdi=vdi, cause="parent_missing")


# --- errors that SM raised ------------------------------------------------------------------------------------


def command_started(log: SrLog, fact: SmCommandStarted) -> None:
    """A snapshot that started and raised nothing for a while went well."""
    _settle_snapshots(log, fact.ref)
    if fact.command in SNAPSHOT_COMMANDS and fact.vdi:
        log.snapshots_open.pop(fact.vdi, None)
        log.snapshots_open[fact.vdi] = fact.ref
        if len(log.snapshots_open) > SNAPSHOTS_OPEN:
            del log.snapshots_open[next(iter(log.snapshots_open))]


def _settle_snapshots(log: SrLog, now: LineRef) -> None:
    """Those of long ago; they stand in the order of the log, so that each is looked at about once."""
    while log.snapshots_open:
        vdi, ref = next(iter(log.snapshots_open.items()))
        if ref.at is not None and now.at is not None and now.at - ref.at < SNAPSHOT_SETTLED:
            return
        del log.snapshots_open[vdi]
        log.incidents.heal("chain_too_long", key=vdi[:8])
        log.incidents.heal("snapshot_no_space")


def _raised(log: SrLog, fact: SmErrorRaised) -> None:
    vdi = fact.vdi or ""
    if fact.command in SNAPSHOT_COMMANDS:
        log.snapshots_open.pop(vdi, None)
    numbers = (fact.free_bytes, fact.need_bytes)
    if fact.code == CHAIN_TOO_LONG:
        _met(log, fact, "chain_too_long", vdi[:8], vdi=vdi, detail=fact.params)
    elif fact.code == ATTACH_NO_SPACE or (fact.code == NO_SPACE and fact.command in ATTACH_COMMANDS):
        _met(log, fact, "attach_no_space", vdi[:8], vdi=vdi, detail=fact.params, numbers=numbers)
    elif fact.code == NO_SPACE:
        _met(log, fact, "snapshot_no_space", "", vdi=vdi, detail=fact.params, cause=str(fact.code), numbers=numbers)
    elif fact.code == CLONE_FAILED and "error 28" in fact.params:
        _met(log, fact, "sr_full", "", vdi=vdi, detail=fact.params, cause=str(fact.code))


def _short(log: SrLog, fact: SpaceShort) -> None:
    """A9 stands before the error of its command and has both numbers."""
    kind: IncidentKind = "attach_no_space" if log.command in ATTACH_COMMANDS else "snapshot_no_space"
    key = "" if kind == "snapshot_no_space" else "space"
    if kind == "snapshot_no_space":
        _met(log, fact, kind, key, cause="space", numbers=(fact.free_bytes, fact.need_bytes))

"""Folding merges: what failed and why, what was refused, what healed when a pair was merged, and how fast it went."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from chainwatch_collector.read.facts import (
    Fact,
    JournalReplayed,
    LeafSkipped,
    MergeCopyStarted,
    MergeEnded,
    MergeStarted,
    SpaceRefused,
)
from chainwatch_collector.read.words import LineRef
from chainwatch_collector.track.incidents import Incident, IncidentKind
from chainwatch_collector.track.steps import CopyRate

if TYPE_CHECKING:
    from chainwatch_collector.track.sr_log import SrLog

RATES_KEPT = 20
_REMEMBERED = 5000
_UNFINISHED: Final = 1000
"""Merges that began and whose end was not seen: SM's GC does one at a time, what is left over was cut off."""
_INTERRUPTED = ("interrupted", "running")
_OF_PAIRS: Final[tuple[IncidentKind, ...]] = ("merge_failed", "gave_up", "no_space", "undone")
T = TypeVar("T")


def fold(log: SrLog, fact: Fact) -> bool:
    """True where the fact was one of these."""
    match fact:
        case MergeStarted():
            _remember(log.merge_started, fact.child, fact.ref, _UNFINISHED)
            node = fact.child_node
            size = (node.allocated_bytes or node.physical_bytes) if node is not None else None
            if size is not None:
                _remember(log.copy_bytes, fact.child, size, _UNFINISHED)
        case MergeCopyStarted():
            _remember(log.copy_started, fact.child, log.copy_started.get(fact.child[:8], fact.ref), _UNFINISHED)
            if not fact.online:
                _both_passed(log, fact)
        case MergeEnded():
            _ended(log, fact)
        case SpaceRefused():
            _refused(log, fact)
        case LeafSkipped():
            incident = Incident(kind="leaf_skipped", key=fact.vdi[:8], first=fact.ref, last=fact.ref, vdi=fact.vdi)
            log.incidents.met(replace(incident, cause=fact.why), fact.run)
        case JournalReplayed():
            _replayed(log, fact)
        case _:
            return False
    return True


def _ended(log: SrLog, fact: MergeEnded) -> None:
    child = fact.child[:8]
    _forget_correction(log, fact)
    started, size = log.copy_started.pop(child, None), log.copy_bytes.pop(child, None)
    proofs = (log.merge_started.pop(child, None), fact.proof or fact.ref)
    if fact.outcome == "done":
        _done(log, fact)
        if started is not None and size and started.at and fact.ref.at and fact.ref.at > started.at:
            _rate(log, fact, size, (fact.ref.at - started.at).total_seconds())
    elif fact.outcome == "gave_up":
        log.incidents.met(_incident("gave_up", fact), fact.run, proofs)
    elif fact.outcome not in _INTERRUPTED:
        log.incidents.met(_incident("merge_failed", fact), fact.run, proofs)
        if fact.outcome == "no_space":
            log.incidents.met(_incident("no_space", fact), fact.run, proofs)


def _incident(kind: Literal["gave_up", "no_space", "merge_failed"], fact: MergeEnded) -> Incident:
    cause = fact.cause or "unknown"
    key = fact.child[:8] if kind in ("gave_up", "no_space") else f"{fact.child[:8]}>{fact.parent[:8]}:{cause}"
    return Incident(
        kind=kind,
        key=key,
        first=fact.ref,
        last=fact.ref,
        vdi=fact.child,
        parent=fact.parent,
        cause="died" if kind == "no_space" else cause,
        detail=fact.detail,
    )


def _forget_correction(log: SrLog, fact: MergeEnded) -> None:
    """A merge's end may be told again when its run's end is corrected: the last word counts."""
    for incident in log.incidents.of("merge_failed"):
        told_before = fact.run is not None and fact.run in incident.runs and incident.vdi[:8] == fact.child[:8]
        if told_before and incident.count == 1:
            log.incidents.drop(incident)


def _both_passed(log: SrLog, fact: MergeCopyStarted) -> None:
    """SM checks the child and its parent right before it copies (`_doCoalesce`: `validate`), else it does not copy."""
    node = log.trees.nodes.get(fact.child[:8])
    _passed(log, fact.ref, fact.child, node.parent if node is not None else None)


def _passed(log: SrLog, ref: LineRef, *images: str | None) -> None:
    """These images passed SM's check: what was said of them before no longer holds, in whichever host's log it is."""
    for image in (name[:8] for name in images if name):
        log.incidents.heal("corrupt", key=image)
        _remember(log.passed_at, image, _when(ref), _REMEMBERED)


def _done(log: SrLog, fact: MergeEnded) -> None:
    """The pair is merged. Inner: the child's image is gone; leaf: the child stays and its parent's image is gone.

    Both images passed their checks for it, the parent before and after the copy (`_doCoalesce`: `validate`).
    """
    log.last_merge = fact.ref
    child = fact.child[:8]
    gone = child if fact.kind == "inner" else fact.parent[:8]
    for incident in log.incidents.of(*_OF_PAIRS):
        names = (incident.vdi[:8], incident.parent[:8])
        if child in names[:1] or gone in names:
            log.incidents.drop(incident)
    log.incidents.heal("interrupted")
    _passed(log, fact.ref, fact.child, fact.parent)
    _remember(log.merged_at, gone, _when(fact.ref), _REMEMBERED)


def _rate(log: SrLog, fact: MergeEnded, size: int, seconds: float) -> None:
    assert fact.ref.at is not None
    log.rates = [*log.rates, CopyRate(fact.ref.at, size, seconds)][-RATES_KEPT:]


def _refused(log: SrLog, fact: SpaceRefused) -> None:
    if fact.vdi is None:
        return
    incident = Incident(
        kind="no_space",
        key=fact.vdi[:8],
        first=fact.ref,
        last=fact.ref,
        vdi=fact.vdi,
        parent=fact.parent,
        cause="refused",
        free_bytes=fact.free_bytes,
        detail="offline_possible" if fact.offline_possible else "",
    )
    log.incidents.met(incident, fact.run)


def _replayed(log: SrLog, fact: JournalReplayed) -> None:
    if fact.what in ("undone", "undo_failed") and fact.interrupted:
        key = (fact.vdi or "")[:8]
        incident = Incident(kind="undone", key=key, first=fact.ref, last=fact.ref, vdi=fact.vdi or "", cause=fact.what)
        log.incidents.met(incident, fact.run)


def _when(ref: LineRef) -> LineRef:
    """Of thousands of these only the time is asked for: the rest would be most of what is stored of an SR."""
    return LineRef("", "", 0, 0, ref.at, "")


def _remember(table: dict[str, T], vdi: str, value: T, most: int) -> None:
    table.pop(vdi[:8], None)
    table[vdi[:8]] = value
    if len(table) > most:
        del table[next(iter(table))]

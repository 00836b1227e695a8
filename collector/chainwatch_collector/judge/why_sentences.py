"""The conclusion of a checklist in one sentence, and the status it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chainwatch_collector.judge.answer import Finding
from chainwatch_collector.judge.catalogue import RANKS
from chainwatch_collector.judge.checklist import Check, CheckStatus, Subject
from chainwatch_collector.judge.why_asked import Asked, precedence, sr_answer, title
from chainwatch_collector.track.state import SrState
from chainwatch_collector.words import plural

STOPPED: Final = frozenset(("failed", "blocked", "crashed", "starved", "stuck", "disabled"))
"""States in which merges that are due are not being done."""


_NO_MERGE: Final = RANKS.index("merge failed") + 1


def stopped(asked: Asked, sr: SrState) -> bool:
    """Whether the SR's state says that merges that are due are not being done."""
    answer = sr_answer(asked.answer, sr)
    return answer is not None and answer.state in STOPPED


def keeps_from_merging(finding: Finding) -> bool:
    """Whether it can be why merges are not being done: no effect of that, and no mere information."""
    return precedence(finding) <= _NO_MERGE and finding.severity != "info"


@dataclass(frozen=True, slots=True)
class Conclusion:
    sentence: str
    status: CheckStatus


def of_sr(
    asked: Asked, sr: SrState, subject: Subject, checks: Sequence[Check], worst: Finding | None, root: Finding | None
) -> Conclusion:
    """Coalesces or not, and the first reason."""
    name = subject.name or sr.name or sr.uuid
    answer = sr_answer(asked.answer, sr)
    state = answer.state if answer is not None else "unknown"
    trouble = worst if worst is not None and worst.severity != "info" else None
    if state == "no_gc":
        if trouble is not None:
            return Conclusion(f"{name} has no GC of SM, and {because(subject, trouble, root)}.", trouble.severity)
        return Conclusion(f"{name} has no GC of SM: its chains are not observable ({sr.no_gc}).", "ok")
    if state in STOPPED and trouble is not None:
        return Conclusion(f"{name} is NOT coalescing: {because(subject, trouble, root)}.", trouble.severity)
    if state == "unknown":
        return _unknown(subject, name, checks, trouble, root)
    if trouble is None:
        return Conclusion(f"{_well(name, state, sr, 'is fine:')}.", "ok")
    # What comes behind "but" is not fine.
    return Conclusion(f"{_well(name, state, sr, 'has')}, but {because(subject, trouble, root)}.", trouble.severity)


def _unknown(
    subject: Subject, name: str, checks: Sequence[Check], trouble: Finding | None, root: Finding | None
) -> Conclusion:
    if trouble is not None:
        said = f"Whether {name} coalesces is not known: {because(subject, trouble, root)}."
        return Conclusion(said, "error" if trouble.severity == "error" else "unknown")
    reason = next((check.detail for check in checks if check.status == "unknown"), "nothing that tells was read")
    return Conclusion(f"Whether {name} coalesces is not known: {reason}.", "unknown")


def _well(name: str, state: str, sr: SrState, verb: str) -> str:
    if state == "running":
        return f"{name} is coalescing: a GC run is at work"
    if state == "waiting":
        pending = sr.forest.pending if sr.forest is not None else sum(sr.tree.pending()) if sr.tree is not None else 0
        return f"{name} {verb} {plural(pending, 'merge')} to do, the next GC run is due"
    if state == "quiet":
        return f"{name} {verb} nothing to merge, snapshots or clones keep what is there"
    if state == "idle":
        return f"{name} {verb} nothing to merge"
    return f"{name} is {state}"


def plain(
    subject: Subject, checks: Sequence[Check], worst: Finding | None, root: Finding | None, well: str = ""
) -> Conclusion:
    """For everything that is no SR: the worst finding, else a line that is bad or unknown, else that it is fine.

    `checks`: the lines that decide.
    """
    name = subject.name or subject.uuid
    if worst is not None and worst.severity != "info":
        return Conclusion(f"{name}: {because(subject, worst, root)}.", worst.severity)
    bad = next((check for check in checks if check.status in ("error", "warning")), None)
    if bad is not None:
        return Conclusion(f"{name}: {bad.detail.rstrip('.')}.", bad.status)
    unknown = next((check for check in checks if check.status == "unknown"), None)
    if unknown is not None:
        return Conclusion(f"Whether {name} is well is not known: {unknown.detail.rstrip('.')}.", "unknown")
    return Conclusion(well or f"{name} is fine.", "ok")


def because(subject: Subject, worst: Finding, root: Finding | None) -> str:
    """What is wrong in the catalogue's words, and its cause where that is another finding."""
    said = _named(subject, worst)
    return said if root is None or root.id == worst.id else f"{said}, because {_named(subject, root)}"


def _named(subject: Subject, finding: Finding) -> str:
    """Of whom, where that is not the subject itself."""
    other = finding.subject.uuid != subject.uuid and finding.subject.name
    return f"{title(finding)} ({finding.subject.name})" if other else title(finding)

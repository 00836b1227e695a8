"""`why`: is it well; if not, why; which lines prove it. The troubleshooting page of a subject, executed on live state.

Pure. The lines are made of the same findings that every other surface shows, so no two surfaces can disagree; what no
finding is about is answered from the state. A line is ok, wrong (info, warning, error), unknown or not expected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from chainwatch_collector.judge import why_host, why_pool, why_sr, why_vdi, why_vm
from chainwatch_collector.judge.answer import Answer, Evidence, Finding
from chainwatch_collector.judge.checklist import Check, CheckStatus, Subject, Why
from chainwatch_collector.judge.evidence import shown
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.judge.why_asked import (
    SEVERITY_ORDER,
    Asked,
    findings_of_sr,
    gc_host_of,
    precedence,
    severity_key,
    with_causes,
)
from chainwatch_collector.judge.why_sentences import Conclusion, keeps_from_merging, of_sr, plain, stopped
from chainwatch_collector.read.facts import LineRef
from chainwatch_collector.track.state import PoolState, SrState

EVIDENCE_SHOWN = 5


class NoChecklistError(ValueError):
    """There is no checklist for this kind of subject; the text names those that have one."""


def why(state: PoolState, answer: Answer, subject: Subject, now: datetime, limits: Thresholds | None = None) -> Why:
    """The page of an SR, VDI, VM, host or pool. A subject that state does not have is told so, as unknown.

    Raises NoChecklistError for another kind.
    """
    asked = Asked(state, answer, now, limits=limits or Thresholds())
    match subject.kind:
        case "sr":
            return _of_sr(asked, subject)
        case "vdi":
            return _of_vdi(asked, subject)
        case "vm":
            return _of_vm(asked, subject)
        case "host" | "agent":
            return _of_host(asked, subject)
        case "pool":
            return _page(asked, subject, why_pool.checks(asked.about(answer.findings)), answer.findings)
    raise NoChecklistError(f"{subject.kind} {subject.name or subject.uuid}: give an SR, a VDI, a VM, a host or a pool")


def _of_sr(asked: Asked, subject: Subject) -> Why:
    sr = asked.state.srs.get(subject.uuid)
    if sr is None:
        return _nothing_known(asked, subject)
    findings = findings_of_sr(asked.answer, sr, gc_host_of(asked.state, sr))
    about = asked.about(findings)
    checks = why_sr.checks(about, sr)
    worst, root = _worst_and_root(subject, findings, keeps_from_merging if stopped(about, sr) else None)
    conclusion = of_sr(about, sr, subject, checks, worst, root)
    return _why(asked, subject, checks, findings, conclusion, worst, root, _run_lines(sr))


def _of_vdi(asked: Asked, subject: Subject) -> Why:
    found = why_vdi.find(asked.state, subject.uuid)
    if found is None:
        return _nothing_known(asked, subject)
    about = asked.about(why_vdi.findings(asked.answer, asked.state, found))
    checks = why_vdi.checks(about, found)
    return _page(asked, subject, checks, about.findings, why_vdi.sentence(found, subject), why_vdi.ASIDE)


def _of_vm(asked: Asked, subject: Subject) -> Why:
    vm = why_vm.find(asked.state, subject.uuid)
    if vm is None:
        return _nothing_known(asked, subject)
    about = asked.about(why_vm.findings(asked.answer, asked.state, vm))
    return _page(asked, subject, why_vm.checks(about, vm), about.findings, aside=why_vm.ASIDE)


def _of_host(asked: Asked, subject: Subject) -> Why:
    host = asked.state.hosts.get(subject.uuid)
    if host is None:
        return _nothing_known(asked, subject)
    about = asked.about(why_host.findings(asked.answer, host))
    return _page(asked, subject, why_host.checks(about, host), about.findings, aside=why_host.ASIDE)


def _page(
    asked: Asked,
    subject: Subject,
    checks: tuple[Check, ...],
    findings: Sequence[Finding],
    well: str = "",
    aside: frozenset[str] = frozenset(),
) -> Why:
    """`aside`: names of lines that tell something and decide nothing."""
    worst, root = _worst_and_root(subject, findings)
    deciding = [check for check in checks if check.name not in aside]
    return _why(asked, subject, checks, findings, plain(subject, deciding, worst, root, well), worst, root, ())


def _why(
    asked: Asked,
    subject: Subject,
    checks: tuple[Check, ...],
    findings: Sequence[Finding],
    conclusion: Conclusion,
    worst: Finding | None,
    root: Finding | None,
    otherwise: tuple[LineRef, ...],
) -> Why:
    return Why(
        subject=subject,
        # A label may hold any character, a line break too; the sentence is one line on every surface.
        sentence=" ".join(conclusion.sentence.split()),
        status=conclusion.status,
        code=root.code if root is not None and root.severity != "info" else None,
        checks=tuple(replace(check, detail=" ".join(check.detail.split())) for check in checks),
        findings=_order(findings, worst, root),
        evidence=_evidence(worst, root) or _evidence(*_effects(findings, root)) or shown(otherwise, asked.state),
        as_of=asked.now,
    )


def _order(findings: Sequence[Finding], worst: Finding | None, root: Finding | None) -> tuple[str, ...]:
    """The cause's steps come first, then those of what it does here, then the rest as bad as they are."""
    first = [finding.id for finding in (root, worst) if finding is not None]
    return tuple(dict.fromkeys([*first, *(finding.id for finding in sorted(findings, key=severity_key))]))


def _worst_and_root(
    subject: Subject, findings: Sequence[Finding], first: Callable[[Finding], bool] | None = None
) -> tuple[Finding | None, Finding | None]:
    """The worst finding, the subject's own before others as bad, and what it is because of in the end.

    `first`: those that are asked for before all others.
    """
    if not findings:
        return None, None

    def badness(finding: Finding) -> tuple[int, bool, tuple[int, int, datetime, str]]:
        own = subject.uuid in (finding.subject.uuid, finding.sr_uuid)
        return (SEVERITY_ORDER[finding.severity], not own, severity_key(finding))

    asked_for = [finding for finding in findings if first is None or first(finding)]
    worst = min(asked_for or findings, key=badness)
    causes = with_causes(Answer(findings=tuple(findings)), [worst])
    root = min(causes, key=lambda finding: (bool(finding.because), precedence(finding), severity_key(finding)))
    return worst, root


def _effects(findings: Sequence[Finding], root: Finding | None) -> tuple[Finding, ...]:
    """What a root that only XenAPI shows has done: the log proves that."""
    return tuple(one for one in findings if root is not None and root.id in one.because)


def _evidence(*findings: Finding | None) -> tuple[Evidence, ...]:
    lines: dict[tuple[str, int], Evidence] = {}
    for finding in reversed([found for found in findings if found is not None]):
        for line in finding.evidence:
            lines.setdefault((line.source, line.offset), line)
    return tuple(lines.values())[:EVIDENCE_SHOWN]


def _run_lines(sr: SrState) -> tuple[LineRef, ...]:
    """Where nothing is wrong the last run's first and last line prove it."""
    run = sr.open_run or (sr.runs[-1] if sr.runs else None)
    if run is None:
        return (sr.tree.ref,) if sr.tree is not None and sr.tree.ref is not None else ()
    return (run.start, *((run.end,) if run.end is not None else ()))


def _nothing_known(asked: Asked, subject: Subject) -> Why:
    status: CheckStatus = "unknown"
    said = f"Nothing is known of {subject.kind} {subject.name or subject.uuid}: neither inventory nor logs have it."
    return Why(subject, said, status, None, (), (), (), asked.now)

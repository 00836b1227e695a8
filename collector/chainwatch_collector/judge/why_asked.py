"""What a checklist is made from: state and answer around one subject, and how a line of it is told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from chainwatch_collector.inventory.records import Pbd
from chainwatch_collector.judge.answer import Answer, Finding, SrAnswer
from chainwatch_collector.judge.catalogue import CATALOGUE
from chainwatch_collector.judge.checklist import Check, CheckStatus
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.state import HostState, PoolState, SrState
from chainwatch_collector.words import age

SEVERITY_ORDER = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Asked:
    """The pool, its answer, and the findings that are about the subject in question."""

    state: PoolState
    answer: Answer
    now: datetime
    findings: tuple[Finding, ...] = ()
    limits: Thresholds = field(default_factory=Thresholds)

    def about(self, findings: Iterable[Finding]) -> Asked:
        """The same, with other findings in question."""
        return Asked(self.state, self.answer, self.now, tuple(findings), self.limits)

    def judged(self, name: str, *codes: str) -> Check | None:
        """The line that the worst finding with one of these codes makes; None where none is open."""
        found = [finding for finding in self.findings if finding.code in codes]
        if not found:
            return None
        worst = min(found, key=severity_key)
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        status: CheckStatus = "unknown" if worst.stale else worst.severity
        stale = " As last seen: what showed it says nothing now." if worst.stale else ""
        return Check(name, status, f"{worst.summary}{more}{stale}")

    def age(self, at: datetime | None) -> str:
        return age(at, self.now)


def severity_key(finding: Finding) -> tuple[int, int, datetime, str]:
    """Worst first; of the same severity the one nearest to the cause, then the oldest."""
    return (SEVERITY_ORDER[finding.severity], precedence(finding), finding.since, finding.id)


def precedence(finding: Finding) -> int:
    entry = CATALOGUE.get(finding.code)
    return entry.precedence if entry is not None else len(CATALOGUE)


def title(finding: Finding) -> str:
    entry = CATALOGUE.get(finding.code)
    return entry.title if entry is not None else finding.code


def gc_host_of(state: PoolState, sr: SrState) -> HostState | None:
    """The host that runs the SR's GC; offline without an inventory the one host whose log tells of it."""
    if sr.gc_host is not None:
        return state.hosts.get(sr.gc_host)
    return state.hosts.get(sr.hosts[0]) if sr.record is None and len(sr.hosts) == 1 else None


def pbd_of(state: PoolState, sr: SrState, host: HostState | None) -> Pbd | None:
    """The PBD of an SR on a host."""
    if state.picture is None or sr.record is None or host is None or host.record is None:
        return None
    wanted = (sr.record.ref, host.record.ref)
    return next((pbd for pbd in state.picture.pbds.values() if (pbd.sr_ref, pbd.host_ref) == wanted), None)


def sr_answer(answer: Answer, sr: SrState) -> SrAnswer | None:
    return next((one for one in answer.srs if one.uuid == sr.uuid), None)


def findings_of_sr(answer: Answer, sr: SrState, host: HostState | None) -> tuple[Finding, ...]:
    """The SR's own, its GC host's and the pool's, and whatever these point to as their cause."""
    hosts = {sr.gc_host, *((host.key,) if host is not None else ())}
    own = [
        finding
        for finding in answer.findings
        if sr.uuid in (finding.sr_uuid, finding.subject.uuid)
        or finding.subject.kind == "pool"
        or (finding.subject.kind in ("host", "agent") and finding.subject.uuid in hosts)
    ]
    return with_causes(answer, own)


def with_causes(answer: Answer, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """These and everything that they are because of, worst first."""
    by_id = {finding.id: finding for finding in answer.findings}
    found: dict[str, Finding] = {}
    waiting = list(findings)
    while waiting:
        finding = waiting.pop()
        if finding.id not in found:
            found[finding.id] = finding
            waiting += [by_id[cause] for cause in finding.because if cause in by_id]
    return tuple(sorted(found.values(), key=severity_key))

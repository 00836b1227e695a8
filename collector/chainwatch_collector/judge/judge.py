"""State → answer: every family asked, the ledger kept, causes pointed to, steps and evidence attached. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from chainwatch_collector.judge import (
    attach,
    backups,
    because,
    evidence,
    families,
    lost_sources,
    sr_answers,
)
from chainwatch_collector.judge.answer import Answer, Finding, Step
from chainwatch_collector.judge.catalogue import CATALOGUE, steps
from chainwatch_collector.judge.condition import Condition
from chainwatch_collector.judge.ledger import Entry, Ledger, Transition, from_stored, stored_body
from chainwatch_collector.judge.outlook import Outlook
from chainwatch_collector.judge.run_answers import RunAnswers
from chainwatch_collector.judge.strangers import Strangers
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.keep.folded import FindingIn, TransitionIn
from chainwatch_collector.track.state import PoolState

_TOUCH: Final = timedelta(seconds=60)
"""`last_seen` of a finding that did not change is written so often."""
_SEVERITY_ORDER: Final = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer as of now; `findings` and `transitions` are the rows that changed with it, to be stored."""

    answer: Answer
    transitions: tuple[TransitionIn, ...] = ()
    findings: tuple[FindingIn, ...] = ()


class Judge:
    """Holds the thresholds, and what was last written of each finding."""

    def __init__(self, thresholds: Thresholds | None = None) -> None:
        self.thresholds = thresholds or Thresholds()
        self._written: dict[str, tuple[datetime, object]] = {}
        self._outlook = Outlook()
        self._strangers = Strangers()
        self._runs = RunAnswers()

    def judge(self, state: PoolState, now: datetime, ledger: Ledger) -> Judgement:
        """Everything that holds now; `ledger` moves on with it."""
        lost = lost_sources.of(state, now, self.thresholds)
        holding = families.conditions(state, now, self.thresholds)
        found = self._strangers.admitted(state, holding, ledger.entries, self.thresholds)
        verdicts = self._outlook.of(state, found, lost, now, self.thresholds)
        found.extend(backups.conditions(state, verdicts, now, self.thresholds))
        found.extend(attach.conditions(state, self._outlook.starts, found))
        entries, transitions = ledger.update(_by_id(state, found), now, lost)
        findings = _findings(entries, state)
        srs = tuple(sr_answers.of(state, findings, now, self.thresholds, lost))
        runs = self._runs.of(state, [sr.uuid for sr in srs])
        answer = Answer(findings=findings, verdicts=verdicts, srs=srs, runs=runs)
        return Judgement(
            answer=answer,
            transitions=tuple(_transition_row(one) for one in transitions),
            findings=tuple(self._rows(entries, findings, transitions, now)),
        )

    def _rows(
        self, entries: Sequence[Entry], findings: Sequence[Finding], transitions: Sequence[Transition], now: datetime
    ) -> Iterable[FindingIn]:
        by_id = {finding.id: finding for finding in findings}
        for entry in entries:
            finding = by_id[entry.id]
            looks = (finding.severity, finding.because, finding.stale, finding.count)
            before = self._written.get(entry.id)
            if before is None or before[1] != looks or now - before[0] >= _TOUCH:
                self._written[entry.id] = (now, looks)
                yield _row(entry, finding, None)
        for transition in transitions:
            if transition.change == "cleared":
                self._written.pop(transition.finding_id, None)
                yield _cleared_row(transition)


def _by_id(state: PoolState, conditions: Iterable[Condition]) -> list[tuple[str, Condition]]:
    """Each once by its id, the first wins. Offline a single look has no time to hold anything down."""
    found: dict[str, Condition] = {}
    for condition in conditions:
        held = replace(condition, hold_seconds=0.0) if state.offline else condition
        found.setdefault(held.finding_id(state.pool_uuid), held)
    return list(found.items())


def _row(entry: Entry, finding: Finding, cleared_at: datetime | None) -> FindingIn:
    return FindingIn(
        entry.id,
        entry.first_seen,
        entry.last_seen,
        cleared_at,
        finding.code,
        finding.severity,
        finding.subject.uuid,
        stored_body(entry, finding),
    )


def _cleared_row(transition: Transition) -> FindingIn:
    entry = transition.entry
    finding = _finding(entry, (), None)
    return _row(entry, finding, transition.at)


def _transition_row(transition: Transition) -> TransitionIn:
    condition = transition.entry.condition
    body = {"severity": condition.severity, "summary": condition.summary, "sr_uuid": condition.sr_uuid}
    return TransitionIn(
        transition.at, transition.finding_id, condition.code, condition.subject.uuid, transition.change, body
    )


def _findings(entries: Sequence[Entry], state: PoolState) -> tuple[Finding, ...]:
    causes = because.causes([entry.condition for entry in entries])
    findings = [
        _finding(entry, tuple(entries[cause].id for cause in causes[index]), state)
        for index, entry in enumerate(entries)
    ]
    return tuple(sorted(findings, key=_order))


def _order(finding: Finding) -> tuple[int, bool, int, str, str]:
    """Worst first, roots before their effects, and of those what causes most."""
    rank = because.rank(finding.code)
    return (
        _SEVERITY_ORDER[finding.severity],
        bool(finding.because),
        999 if rank is None else rank,
        finding.subject.uuid,
        finding.id,
    )


def _finding(entry: Entry, caused_by: tuple[str, ...], state: PoolState | None) -> Finding:
    condition = entry.condition
    return Finding(
        id=entry.id,
        because=caused_by,
        code=condition.code,
        severity=condition.severity,
        stale=entry.stale,
        subject=condition.subject,
        summary=condition.summary,
        since=entry.first_seen,
        count=condition.count,
        evidence=evidence.shown(condition.evidence, state) if state is not None else (),
        next=_steps(condition),
        sr_uuid=condition.sr_uuid,
    )


def _steps(condition: Condition) -> tuple[Step, ...]:
    if condition.code not in CATALOGUE:
        return ()
    return steps(condition.code, condition.variant, **condition.params)


def restored_ledger(rows: Iterable[FindingIn]) -> Ledger:
    """The ledger as the store's open findings have it; rows of another make are left out and raised anew."""
    ledger = Ledger()
    entries = []
    for row in rows:
        try:
            entries.append(from_stored(row.finding_id, row.code, row.severity, row.first_seen, row.last_seen, row.body))
        except (KeyError, TypeError, ValueError):
            continue
    ledger.restore(entries)
    return ledger

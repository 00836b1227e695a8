"""The judge's words as views: the catalogue, what a pasted message means, and why a subject is as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import Final

from chainwatch_collector.judge import explain as judge_explain
from chainwatch_collector.judge import why as judge_why
from chainwatch_collector.judge.answer import Answer
from chainwatch_collector.judge.checklist import Subject as JudgesSubject
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.show.views import Check, Explanation, NotAvailableError, Subject, Why
from chainwatch_collector.track.state import PoolState

_EVIDENCE_SHOWN: Final = 5


@cache
def catalogue() -> Mapping[str, Explanation]:
    """Code → its entry."""
    return {code: _view(one) for code, one in judge_explain.codes().items()}


def explain(text: str) -> Sequence[Explanation]:
    """Entries that a code or a pasted message means, best first."""
    return [_view(one) for one in judge_explain.explain(text)]


def _view(one: judge_explain.Explanation) -> Explanation:
    return Explanation(**{field.name: getattr(one, field.name) for field in fields(Explanation)})


def why(subject: Subject, state: PoolState | None, answer: Answer | None, now: datetime, thresholds: Thresholds) -> Why:
    """The troubleshooting page of a subject. Raises `NotAvailableError` for a kind of thing that has none."""
    if state is None or answer is None:
        return _without_state(subject, answer)
    try:
        page = judge_why.why(state, answer, _judges_subject(subject), now, thresholds)
    except judge_why.NoChecklistError as error:
        raise NotAvailableError(str(error), "ask of an SR, a VDI, a VM, a host or a pool") from None
    checks = tuple(Check(one.name, one.status, one.detail) for one in page.checks)
    return Why(subject, page.sentence, page.status, page.code, checks, page.findings, page.evidence, page.as_of)


def _judges_subject(subject: Subject) -> JudgesSubject:
    return JudgesSubject(subject.kind, subject.uuid, subject.name, subject.pool_uuid)


def _without_state(subject: Subject, answer: Answer | None) -> Why:
    """The pool is being read, or another collector owns it: what was found is known, how it stands is not."""
    about = [one for one in (answer.findings if answer else ()) if subject.uuid in (one.subject.uuid, one.sr_uuid)]
    sentence = about[0].summary if about else f"It is not known how {subject.name} is: its pool is being read."
    status = about[0].severity if about else "unknown"
    evidence = tuple(proof for one in about for proof in one.evidence)[:_EVIDENCE_SHOWN]
    return Why(
        subject, sentence, status, about[0].code if about else None, (), tuple(one.id for one in about), evidence
    )

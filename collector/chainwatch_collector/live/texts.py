"""The judge's words as views: the catalogue, what a pasted message means, and why a subject is as it is."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache

from chainwatch_collector.judge.answer import Answer
from chainwatch_collector.judge.catalogue import CATALOGUE, Entry
from chainwatch_collector.show.views import Explanation, Subject, Why
from chainwatch_collector.track.state import PoolState


@cache
def catalogue() -> Mapping[str, Explanation]:
    """Code → its entry."""
    return {code: _explanation(entry, "") for code, entry in CATALOGUE.items()}


def explain(text: str) -> Sequence[Explanation]:
    """Entries that a code or a pasted message means, best first."""
    named = [entry for code, entry in CATALOGUE.items() if re.search(rf"\b{code}\b", text, re.IGNORECASE)]
    found = [_explanation(entry, entry.code) for entry in named]
    for entry in CATALOGUE.values():
        matched = next((m[0] for p in entry.patterns if (m := re.search(p, text, re.IGNORECASE))), None)
        if matched is not None and entry not in named:
            found.append(_explanation(entry, matched))
    return found


def why(subject: Subject, state: PoolState | None, answer: Answer | None, as_of: datetime | None) -> Why:
    """The troubleshooting page of a subject."""
    about = [one for one in (answer.findings if answer else ()) if subject.uuid in (one.subject.uuid, one.sr_uuid)]
    first = about[0] if about else None
    sentence = first.summary if first is not None else f"Nothing is wrong with {subject.name}."
    status = first.severity if first is not None else "unknown" if state is None else "ok"
    evidence = tuple(proof for one in about for proof in one.evidence)[:10]
    code, ids = first.code if first else None, tuple(one.id for one in about)
    return Why(subject, sentence, status, code, (), ids, evidence, as_of)


def _explanation(entry: Entry, matched: str) -> Explanation:
    return Explanation(
        code=entry.code,
        title=entry.title,
        severity=entry.severity,
        subject=entry.subject,
        meaning=entry.meaning,
        impact=entry.impact,
        causes=entry.causes,
        checks=entry.look,
        remedies=tuple(f"[{step.risk}] {step.text}" for step in entry.steps),
        clears_when=entry.clears_when,
        settings=entry.settings,
        see=entry.see,
        matched=matched,
    )

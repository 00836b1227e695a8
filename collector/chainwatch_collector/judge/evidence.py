"""Proving lines as the surfaces show them: where, when, and the text without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from chainwatch_collector.judge.answer import Evidence
from chainwatch_collector.read.facts import LineRef
from chainwatch_collector.track.state import PoolState

SHOWN: Final = 5
# A word is tried once, from where it begins: a long one is not gone through from each of its letters.
_SECRETS: Final = re.compile(
    r"(?i)('?(?<![a-z_])[a-z_]*(?:passw(?:or)?d|secret|session_ref|chapuser|token)'?"
    r"\s*[:=]\s*)('[^']*'|\"[^\"]*\"|[^\s,}]+)"
)


def shown(refs: Iterable[LineRef], state: PoolState) -> tuple[Evidence, ...]:
    """The first and the newest of these lines, oldest first, at most five."""
    unique = list(dict.fromkeys(refs))
    chosen = unique if len(unique) <= SHOWN else [*unique[:2], *unique[-(SHOWN - 2) :]]
    return tuple(_one(ref, state) for ref in chosen)


def _one(ref: LineRef, state: PoolState) -> Evidence:
    host = state.hosts.get(ref.host)
    source = ref.source if state.offline else f"{host.name if host is not None else ref.host}:{ref.source}"
    return Evidence(source=source, offset=ref.offset, at=ref.at or _unknown(state.now), text=scrub(ref.text))


def _unknown(now: datetime) -> datetime:
    """A line without a time is shown as of the judgement."""
    return now


def scrub(text: str) -> str:
    """Secrets masked in full; the agent has done it before, offline logs come as they are."""
    return _SECRETS.sub(r"\1******", text)

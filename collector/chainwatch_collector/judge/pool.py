"""POOL_UNREACHABLE: no XenAPI session, and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from chainwatch_collector.judge.condition import Condition, pool_subject
from chainwatch_collector.judge.registry import family
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.state import PoolState
from chainwatch_collector.words import age, duration

_KINDS = (
    ("tls", ("certificate", "tls")),
    ("role", ("role", "rbac", "permission")),
    ("login", ("login", "password", "authentication")),
    ("master_moved", ("slave", "master")),
)


@family("POOL_UNREACHABLE")
def unreachable(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Since long enough that it is no blink of a toolstack restart."""
    picture = state.picture
    if picture is None or not picture.problem:
        return
    since = picture.problem_since or now
    if (now - since).total_seconds() < limits.pool_unreachable_seconds:
        return
    subject = pool_subject(state)
    seen = f"; its inventory is of {age(picture.as_of, now)}" if picture.as_of is not None else ""
    yield Condition(
        code="POOL_UNREACHABLE",
        subject=subject,
        severity="error",
        summary=f"No XenAPI session with pool {subject.name or subject.uuid} for"
        f" {duration((now - since).total_seconds())}: {picture.problem}{seen}.",
        since=since + timedelta(seconds=limits.pool_unreachable_seconds),
        variant=kind_of(picture.problem),
    )


def kind_of(problem: str) -> str:
    """Which remedy it takes, from the session's own words (inventory/problems.py)."""
    words = problem.lower()
    return next((kind for kind, marks in _KINDS if any(mark in words for mark in marks)), "network")

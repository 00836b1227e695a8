"""The families of codes by name: a family is a function of (state, now, thresholds) that gives conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from chainwatch_collector.judge.condition import Condition
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.state import PoolState

Family = Callable[[PoolState, datetime, Thresholds], Iterator[Condition]]

FAMILIES: Final[list[tuple[tuple[str, ...], Family]]] = []


def family(*codes: str) -> Callable[[Family], Family]:
    """Register a function as the one place that raises these codes."""

    def register(function: Family) -> Family:
        FAMILIES.append((codes, function))
        return function

    return register


def codes() -> frozenset[str]:
    """Every code that some family can raise."""
    return frozenset(code for named, _ in FAMILIES for code in named)

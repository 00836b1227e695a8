"""How a forecast reads, on every surface alike."""

from __future__ import annotations

from chainwatch_collector.backups.seen import Foreseen
from chainwatch_collector.words import percent, size


def interval(one: Foreseen) -> str:
    """`on 2026-11-29 (2026-11-28 to 2026-12-02)`; with an open end where it may also never happen."""
    if one.at is None or one.earliest_at is None:
        return "at no time that can be told"
    until = one.latest_at.strftime("to %Y-%m-%d") if one.latest_at is not None else "or never"
    return f"on {one.at:%Y-%m-%d} ({one.earliest_at:%Y-%m-%d} {until})"


def sentence(one: Foreseen) -> str:
    """What is foretold, or why nothing is."""
    if one.kind == "chain_limit":
        return _chain(one)
    if one.kind == "sr_full":
        grows = f", {percent(one.per_cycle)} more a day" if one.per_cycle and one.at else ""
        return _told(one, f"the SR is full ({percent(one.now)} used now{grows})", f"{percent(one.now)} used now")
    falls = f", {size(-one.per_cycle)} a day" if one.per_cycle and one.at else ""
    return _told(one, f"the backlog is merged ({size(one.now)} left{falls})", f"{size(one.now)} left to merge")


def _chain(one: Foreseen) -> str:
    grows = f", {one.per_cycle:.1f} more a day" if one.per_cycle and one.at else ""
    return _told(one, f"the chain reaches {one.limit:.0f} (depth {one.now:.0f} now{grows})", f"depth {one.now:.0f} now")


def _told(one: Foreseen, what: str, standing: str) -> str:
    return what if one.at is not None else f"{standing}; no date: {one.reason}"

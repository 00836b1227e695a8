"""Codes about time: an SR that will be full, a backlog that grows from cycle to cycle, merges too slow for theirs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from chainwatch_collector.judge import keepers
from chainwatch_collector.judge.condition import INVENTORY, JOBS, Condition, log_sources, of_sr, sr_words
from chainwatch_collector.judge.forecast_words import interval
from chainwatch_collector.judge.registry import family
from chainwatch_collector.judge.sr_answers import merge_rate
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.state import PoolState, SrState
from chainwatch_collector.words import duration, percent, plural, rate, size


@family("SR_FULL_SOON")
def full_soon(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """The forecast's moment lies inside the horizon; a full SR has its own code."""
    horizon = now + timedelta(seconds=limits.full_soon_seconds)
    for one in state.backups.foreseen:
        sr = state.srs.get(one.sr_uuid)
        if one.kind != "sr_full" or sr is None or sr.record is None or one.at is None or one.at > horizon:
            continue
        free = sr.record.physical_size_bytes - sr.record.physical_utilisation_bytes
        if free <= limits.space_full_bytes:
            continue
        yield of_sr(
            sr,
            "SR_FULL_SOON",
            "warning",
            f"{sr_words(sr)} fills by {percent(one.per_cycle)} a day and is full {interval(one)}:"
            f" {size(free)} free now.",
            now=now,
            params=keepers.of_sr(sr),
            sources=frozenset((INVENTORY,)),
        )


@family("COALESCE_BEHIND")
def behind(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """The least that was pending in a cycle rose over the last complete cycles, whatever it did inside of them."""
    for uuid, least in state.backups.least_pending.items():
        sr = state.srs.get(uuid)
        last = least[-limits.behind_cycles :]
        rose = len(last) >= max(2, limits.behind_cycles) and all(a < b for a, b in pairwise(last))
        if sr is None or not rose or sr.no_gc or not _pending(sr):
            continue
        course = ", ".join(f"{value:.0f}" for value in last)
        yield of_sr(
            sr,
            "COALESCE_BEHIND",
            "warning",
            f"{sr_words(sr)} does not get through its merges: the least that was pending in each of the last"
            f" {len(last)} days was {course}.",
            now=now,
        )


@family("COALESCE_SLOW")
def slow(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """At the rate of the last merges the backlog lasts longer than from one backup to the next: by the schedules of the
    jobs that take the SR's disks, by the setting where no job is known. Right after a start they may not be known yet.
    """
    for sr in state.srs.values():
        todo = sr.forest.bytes_to_merge if sr.forest is not None else None
        measured = merge_rate(sr, limits.merge_rate_samples)
        if not todo or not measured or sr.no_gc:
            continue
        lasts = todo / measured
        cycle_seconds, by = _cycle(state, sr, limits)
        if lasts <= cycle_seconds:
            continue
        yield of_sr(
            sr,
            "COALESCE_SLOW",
            "warning",
            f"{sr_words(sr)} has {size(todo)} to merge in {plural(_pending(sr), 'merge')}: at the {rate(measured)} of"
            f" the last {len(sr.rates)} that takes {duration(lasts)}, longer than from one backup to the next"
            f" ({duration(cycle_seconds)} {by}).",
            now=now,
            sources=log_sources(sr) | ({JOBS} if sr.uuid in state.backups.cycles else set()),
            hold_seconds=0.0 if state.backups.jobs_known else limits.backup_pattern_seconds,
        )


def _cycle(state: PoolState, sr: SrState, limits: Thresholds) -> tuple[float, str]:
    """From one backup of the SR's disks to the next in seconds, and who says so."""
    seen = state.backups.cycles.get(sr.uuid)
    if seen is not None:
        return seen.seconds, f"by job '{seen.job}'"
    return limits.backup_cycle_seconds, "by the setting backup_cycle_seconds, as no job with a schedule is known here"


def _pending(sr: SrState) -> int:
    return sr.forest.pending if sr.forest is not None else 0

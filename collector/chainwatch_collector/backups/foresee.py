"""When each chain meets its limit, each SR is full, each backlog is cleared, by history and state. Pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from statistics import stdev
from typing import Final

from chainwatch_collector.backups.history import CYCLE, Series
from chainwatch_collector.backups.outlook import LEAST_CYCLES, Crossing, Silence, crossing, moments, t_quantile
from chainwatch_collector.backups.seen import Bucket, ForecastKind, Foreseen
from chainwatch_collector.chains.forest import MAX_DEPTH
from chainwatch_collector.chains.scope import raises_space_codes
from chainwatch_collector.track.state import PoolState, SrState

SILENT_SRS: Final = "its history is too short"
LEAST_RATES: Final = 3


def foresee(
    state: PoolState,
    cycles: Mapping[tuple[str, str], Series],
    chains: Mapping[str, Mapping[str, int]],
    now: datetime,
    most_cycles: int,
) -> tuple[Foreseen, ...]:
    """Of every SR and of every chain with a history; soonest first, the silent ones last."""
    found: list[Foreseen] = []
    for uuid, sr in state.srs.items():
        found += _of_sr(uuid, sr, cycles, now, most_cycles)
        for vdi, depth in chains.get(uuid, {}).items():
            days = _days(cycles.get((vdi, "depth_max")), now)
            values = [bucket.most for bucket in days]
            told = crossing(values, MAX_DEPTH, most_cycles, 1.0, depth)
            if depth < MAX_DEPTH:
                found.append(_foreseen("chain_limit", (vdi, uuid), (float(depth), MAX_DEPTH), told, days, now))
    return tuple(sorted(found, key=lambda one: (one.at is None, one.at or now, one.kind, one.uuid)))


def _of_sr(
    uuid: str, sr: SrState, cycles: Mapping[tuple[str, str], Series], now: datetime, most_cycles: int
) -> Iterator[Foreseen]:
    record = sr.record
    if record is not None and raises_space_codes(record):
        days = _days(cycles.get((uuid, "free_ratio")), now)
        used = 1 - max(0, record.physical_size_bytes - record.physical_utilisation_bytes) / record.physical_size_bytes
        told = crossing([1 - bucket.least for bucket in days], 1.0, most_cycles, today=used)
        yield _foreseen("sr_full", (uuid, uuid), (used, 1.0), told, days, now)
    todo = sr.forest.bytes_to_merge if sr.forest is not None else None
    if todo and not sr.no_gc:
        days = _days(cycles.get((uuid, "to_merge_bytes")), now)
        told = crossing([-bucket.least for bucket in days], 0.0, most_cycles, today=-float(todo))
        by_days = _foreseen("backlog_clear", (uuid, uuid), (float(todo), 0.0), told, days, now)
        yield _by_rate(sr, float(todo), now) or by_days


def _days(series: Series | None, now: datetime) -> list[Bucket]:
    return series.complete(now) if series is not None else []


def _foreseen(
    kind: ForecastKind,
    subject: tuple[str, str],
    numbers: tuple[float, float],
    told: Crossing | Silence,
    days: Sequence[Bucket],
    now: datetime,
) -> Foreseen:
    uuid, sr_uuid = subject
    value, limit = numbers
    known = Foreseen(kind=kind, uuid=uuid, sr_uuid=sr_uuid, now=value, limit=limit, cycles=len(days))
    if isinstance(told, Silence):
        reason = told.reason if len(days) >= LEAST_CYCLES else f"{SILENT_SRS}: {told.reason}"
        return replace(known, per_cycle=told.per_cycle, reason=reason)
    times = moments(told, days[-1].at, CYCLE, now)
    return replace(
        known, per_cycle=told.per_cycle, at=times.at, earliest_at=times.earliest_at, latest_at=times.latest_at
    )


def _by_rate(sr: SrState, todo: float, now: datetime) -> Foreseen | None:
    """The backlog at the rate of the last merges, as if nothing came to it; None with fewer than three to judge by.

    The interval is of the mean rate of so many merges as are known, on a scale of ratios.
    """
    rates = [rate.copied_bytes / rate.seconds for rate in sr.rates if rate.seconds > 0 and rate.copied_bytes > 0]
    seconds = sum(rate.seconds for rate in sr.rates)
    if len(rates) < LEAST_RATES or seconds <= 0:
        return None
    mean = sum(rate.copied_bytes for rate in sr.rates) / seconds
    logs = [math.log(rate) for rate in rates]
    wide = math.exp(min(5.0, t_quantile(len(rates) - 1) * stdev(logs) / math.sqrt(len(rates))))
    at, early, late = (now + timedelta(seconds=todo / (mean * factor)) for factor in (1.0, wide, 1 / wide))
    return Foreseen(
        kind="backlog_clear",
        uuid=sr.uuid,
        sr_uuid=sr.uuid,
        now=todo,
        limit=0.0,
        cycles=0,
        at=at,
        earliest_at=early,
        latest_at=late,
    )


def least_pending(cycles: Mapping[tuple[str, str], Series], now: datetime) -> dict[str, tuple[float, ...]]:
    """SR uuid → the least that was pending in each complete cycle, oldest first, up to now without a hole."""
    return {
        uuid: tuple(bucket.least for bucket in series.complete(now))
        for (uuid, name), series in cycles.items()
        if name == "pending"
    }

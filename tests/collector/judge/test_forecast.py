"""Codes about time over days of history, as the fold gathers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from chainwatch_collector.backups.seen import BackupsSeen, CycleSeen, Foreseen
from chainwatch_collector.judge import forecast
from chainwatch_collector.judge.condition import Condition
from chainwatch_collector.judge.forecast_words import sentence
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.state import PoolState
from chainwatch_collector.track.steps import CopyRate
from collector.judge.scene import (
    GIB,
    POOL_UUID,
    START,
    TIB,
    Scene,
    an_sr,
    disk,
    merged_chain,
    pending_chain,
    quiet_pool,
)
from smlog import SR, A, B, C

DAY = timedelta(days=1)
NOW = START + 30 * DAY


def days(scene: Scene, used: list[float]) -> Scene:
    """The SR is used so far at the end of each day; four looks a day."""
    for ratio in used:
        for hour in range(0, 24, 6):
            scene.now += timedelta(hours=6)
            scene.seen(
                srs={"OpaqueRef:sr": an_sr(physical_utilisation_bytes=int(TIB * (ratio - 0.001 * (3 - hour / 6))))}
            )
            scene.look()
    return scene


def test_an_sr_that_fills_within_a_week_is_told_and_clears_when_room_is_made() -> None:
    scene = days(quiet_pool(), [0.50 + 0.05 * day for day in range(9)])
    found = scene.look()["SR_FULL_SOON"]
    assert found.severity == "warning"
    assert found.subject.uuid == SR
    assert "5 % a day" in found.summary
    assert "SR_FULL_SOON" not in days(scene, [0.2]).codes()


def test_an_sr_that_fills_in_a_month_is_not() -> None:
    assert "SR_FULL_SOON" not in days(quiet_pool(), [0.50 + 0.01 * day for day in range(9)]).codes()


def test_a_short_history_foretells_nothing() -> None:
    assert "SR_FULL_SOON" not in days(quiet_pool(), [0.50, 0.60, 0.70, 0.80]).codes()


def state_of(scene: Scene, **fields: Any) -> PoolState:
    scene.look()
    state = scene.tracker.state(scene.now)
    srs = dict(state.srs)
    srs[SR] = replace(srs[SR], rates=fields.get("rates", ()))
    return PoolState(
        pool_uuid=POOL_UUID,
        now=scene.now,
        picture=state.picture,
        hosts=state.hosts,
        srs=srs,
        backups=BackupsSeen(least_pending=fields.get("least", {}), cycles=fields.get("cycles", {})),
    )


def behind(least: tuple[float, ...], scene: Scene | None = None) -> list[Condition]:
    state = state_of(scene or quiet_pool(*pending_chain()), least={SR: least})
    return list(forecast.behind(state, NOW, Thresholds()))


def test_a_backlog_whose_least_rises_over_three_days_is_behind() -> None:
    (found,) = behind((0, 2, 5, 9))
    assert (found.code, found.severity, found.subject.uuid) == ("COALESCE_BEHIND", "warning", SR)
    assert "2, 5, 9" in found.summary


def test_a_backlog_that_falls_once_is_not_behind_nor_one_just_known_nor_one_that_is_gone() -> None:
    assert behind((2, 5, 4)) == []
    assert behind((5, 5, 6)) == []
    assert behind((2, 5)) == []
    assert behind((2, 5, 9), quiet_pool(*merged_chain())) == []


def rate(mib_per_second: float) -> CopyRate:
    return CopyRate(START, int(mib_per_second * 2**20 * 100), 100.0)


def slow(count: int, mib_per_second: float, cycles: Mapping[str, CycleSeen] | None = None) -> list[Condition]:
    chain = (disk(A, hidden=True), disk(B, A, hidden=True, allocated_blocks=512 * 1024), disk(C, B))
    state = state_of(quiet_pool(*chain), rates=tuple(rate(mib_per_second) for _ in range(count)), cycles=cycles or {})
    assert state.srs[SR].forest is not None
    return list(forecast.slow(state, NOW, Thresholds()))


def test_merges_that_take_longer_than_a_day_are_slow() -> None:
    (found,) = slow(3, 10.0)
    assert (found.code, found.severity) == ("COALESCE_SLOW", "warning")
    assert "10.0 MiB/s" in found.summary
    assert "by the setting backup_cycle_seconds" in found.summary


def test_the_schedules_of_the_srs_jobs_say_how_long_merges_may_take() -> None:
    (found,) = slow(3, 20.0, {SR: CycleSeen(seconds=6 * 3600, job="every six hours")})
    assert "longer than from one backup to the next (6 h by job 'every six hours')" in found.summary
    assert slow(3, 10.0, {SR: CycleSeen(seconds=7 * 86400, job="weekly")}) == []


def test_merges_that_are_done_before_the_next_backup_or_not_yet_measured_are_not_slow() -> None:
    assert slow(3, 20.0) == []
    assert slow(2, 1.0) == []


def foreseen(kind: Any, **fields: Any) -> Foreseen:
    return Foreseen(kind=kind, uuid=C, sr_uuid=SR, **fields)


def test_forecasts_read_as_sentences() -> None:
    at: datetime = NOW
    chain = foreseen("chain_limit", now=26.0, limit=30.0, per_cycle=1.0, at=at, earliest_at=at, latest_at=at)
    assert sentence(chain) == "the chain reaches 30 (depth 26 now, 1.0 more a day)"
    full = foreseen("sr_full", now=0.9, limit=1.0, per_cycle=0.02, at=at, earliest_at=at)
    assert sentence(full) == "the SR is full (90 % used now, 2 % more a day)"
    silent = foreseen("backlog_clear", now=float(3 * GIB), limit=0.0, reason="it does not grow")
    assert sentence(silent) == "3.0 GiB left to merge; no date: it does not grow"

"""Forecasts keep what they promise: over lawful histories the interval holds nine times of ten, and silence where the
data carry nothing.
"""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import pytest
from chainwatch_collector.backups.outlook import Crossing, Silence, crossing, moments, t_quantile

DAY = timedelta(days=1)
FIRST = datetime(2026, 10, 1, tzinfo=UTC)


def deepening(chance: random.Random, cycles: int) -> list[float]:
    """A chain that a backup deepens by one or two a day, while some days a merge takes one or two away."""
    fails = chance.uniform(0.5, 1.0)
    often = chance.choice((1, 2))
    steps = [sum(chance.random() < fails for _ in range(often)) - (chance.random() < 0.1) for _ in range(cycles)]
    return [float(depth) for depth in accumulate(steps, initial=chance.randint(4, 10))]


def filling(chance: random.Random, cycles: int) -> list[float]:
    """An SR that fills along a line, with noise that does not add up."""
    slope, noise = chance.uniform(0.005, 0.03), chance.uniform(0.0005, 0.02)
    return [0.4 + slope * day + chance.gauss(0, noise) for day in range(cycles)]


def lumpy(chance: random.Random, cycles: int) -> list[float]:
    """An SR that grows by lumps of very different size, as guests do."""
    mean = chance.uniform(0.005, 0.03)
    return list(accumulate((chance.gammavariate(2, mean / 2) for _ in range(cycles)), initial=0.3))


Course = Callable[[random.Random, int], list[float]]


@pytest.mark.parametrize(("course", "limit", "grain"), [(deepening, 30.0, 1.0), (filling, 1.0, 0.0), (lumpy, 1.0, 0.0)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_interval_holds_nine_times_of_ten(course: Course, limit: float, grain: float, seed: int) -> None:
    chance = random.Random(seed)
    held = told = 0
    while told < 100:
        history = course(chance, 400)
        known = chance.randint(6, 20)
        truth = next(day for day, value in enumerate(history) if value >= limit)
        if truth <= known:
            continue
        found = crossing(history[:known], limit, grain=grain)
        if isinstance(found, Silence):
            continue
        told += 1
        times = moments(found, FIRST + (known - 1) * DAY, DAY, FIRST + known * DAY)
        happens = FIRST + truth * DAY + chance.random() * DAY
        held += times.earliest_at <= happens and (times.latest_at is None or happens <= times.latest_at)
    assert held >= 90


def test_a_chain_that_hits_thirty_in_four_days_is_forecast_within_a_day() -> None:
    chance = random.Random(8)
    near = 0
    for _ in range(100):
        per_day = chance.choice((1, 2))
        known = chance.randint(8, 14)
        steps = [per_day - (chance.random() < 0.1) for _ in range(known + 3)]
        climbed = list(accumulate(steps, initial=0))
        history = [float(30 - climbed[-1] + depth) for depth in climbed]
        found = crossing(history[:known], 30.0, grain=1.0)
        assert isinstance(found, Crossing)
        times = moments(found, FIRST + (known - 1) * DAY, DAY, FIRST + known * DAY)
        happens = FIRST + history.index(30.0) * DAY + DAY / 2
        near += abs(times.at - happens) <= DAY
    assert near >= 95


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([1.0, 2.0, 3.0], "3 of 5 complete days"),
        ([9.0, 9.0, 9.0, 9.0, 9.0, 9.0], "does not grow"),
        ([9.0, 8.0, 7.0, 6.0, 5.0], "does not grow"),
        ([1.0, 9.0, 2.0, 8.0, 3.0, 9.0], "too unevenly"),
        ([1.0, 1.01, 1.02, 1.03, 1.04], "not within a year"),
        ([26.0, 27.0, 28.0, 29.0, 30.0], "reached"),
    ],
)
def test_what_the_data_do_not_carry_is_not_told(values: list[float], reason: str) -> None:
    found = crossing(values, 30.0)
    assert isinstance(found, Silence)
    assert reason in found.reason


def test_room_that_was_made_counts_at_once() -> None:
    filling_up = [0.50, 0.55, 0.60, 0.65, 0.70, 0.75]
    full, freed = crossing(filling_up, 1.0, today=0.76), crossing(filling_up, 1.0, today=0.30)
    assert isinstance(full, Crossing)
    assert isinstance(freed, Crossing)
    assert (round(full.cycles), round(freed.cycles)) == (5, 14)


def test_a_steady_course_has_a_narrow_interval() -> None:
    found = crossing([20.0, 21.0, 22.0, 23.0, 24.0, 25.0], 30.0)
    assert found == Crossing(5.0, 5.0, 5.0, 1.0)
    times = moments(found, FIRST, DAY, FIRST + DAY)
    assert (times.earliest_at, times.at, times.latest_at) == (FIRST + 5 * DAY, FIRST + 5.5 * DAY, FIRST + 6 * DAY)


@pytest.mark.parametrize(("freedom", "table"), [(3, 3.182), (4, 2.776), (9, 2.262), (13, 2.160), (60, 2.000)])
def test_students_t_is_that_of_the_tables(freedom: int, table: float) -> None:
    assert t_quantile(freedom, 0.95) == pytest.approx(table, rel=0.015)

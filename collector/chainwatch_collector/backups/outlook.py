"""When a number that is known by cycles reaches a limit, with an interval that holds nine times of ten. Pure.

The model is a random walk with drift: the changes from cycle to cycle are alike and do not know of each other. Where
the true course is a straight line with noise the interval comes out too wide, never too narrow. Its bounds are where
the band of the walk, the uncertainty of the drift included, meets the limit; Student's t pays for short histories.
"""

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import NormalDist, fmean, stdev
from typing import Final, NamedTuple

CONFIDENCE: Final = 0.97
"""Of the band at one cycle. That the first crossing is meant, and not the value at one cycle, costs some of it: what is
stated of the interval is nine of ten."""
LEAST_CYCLES: Final = 5
MOST_CYCLES_AHEAD: Final = 365


class Crossing(NamedTuple):
    """Cycles from the last complete one to the crossing; `latest` None: it may also never happen."""

    cycles: float
    earliest: float
    latest: float | None
    per_cycle: float


class Silence(NamedTuple):
    """Nothing can be said, and why."""

    reason: str
    per_cycle: float | None = None


def crossing(
    values: Sequence[float], limit: float, cycles: int = 14, grain: float = 0.0, today: float | None = None
) -> Crossing | Silence:
    """When a rising number meets `limit`: its value in each of the last complete cycles, oldest first.

    `grain`: the step of a number that counts. A few equal steps do not prove that none will ever differ: as much spread
    is added as if one more step had been half a grain off. `today`: the number of the cycle that goes on; where it is
    far below what the cycles before let expect, room was made, and it counts from there.
    """
    used = values[-(cycles + 1) :]
    if len(used) < LEAST_CYCLES:
        return Silence(f"{len(used)} of {LEAST_CYCLES} complete days are known")
    changes = [after - before for before, after in pairwise(used)]
    count = len(changes)
    drift, last = fmean(changes), used[-1]
    spread = math.hypot(stdev(changes), grain / 2 / math.sqrt(count + 1))
    wide = t_quantile(count - 1) * spread
    if today is not None and today < last - 2 * abs(drift) - wide:
        last = today
    distance = limit - last
    if distance <= 0:
        return Silence("the limit is reached", drift)
    if drift <= 0:
        return Silence("it does not grow", drift)
    if drift <= wide / math.sqrt(count):
        return Silence("it moves too unevenly to tell", drift)
    latest = _first(lambda k: drift * k - wide * math.sqrt(k + k * k / count) >= distance)
    expected = distance / drift
    if expected > MOST_CYCLES_AHEAD:
        return Silence("not within a year at this rate", drift)
    earliest = _first(lambda k: drift * k + wide * math.sqrt(k + k * k / count) >= distance)
    return Crossing(expected, float(earliest or 1), None if latest is None else float(latest), drift)


def t_quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """Student's t, two-sided, by the expansion of Cornish and Fisher; good to 1 % from 3 degrees on."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def _first(holds: Callable[[int], bool]) -> int | None:
    """The first whole cycle for which it holds; it may come and go, and never come within ten years."""
    return next((k for k in range(1, 10 * MOST_CYCLES_AHEAD) if holds(k)), None)


class Moments(NamedTuple):
    """A crossing as times."""

    at: datetime
    earliest_at: datetime
    latest_at: datetime | None


def moments(found: Crossing, last: datetime, cycle: timedelta, now: datetime) -> Moments:
    """`last`: when the last complete cycle began. A cycle's number may come at any time of it: the interval ends with
    the cycle, and the expected moment lies in its middle."""
    whole = max(1, math.ceil(found.cycles - 1e-9))
    at = max(now, last + whole * cycle + cycle / 2)
    earliest = max(now, last + found.earliest * cycle)
    latest = None if found.latest is None else max(now, last + (found.latest + 1) * cycle)
    return Moments(at, min(earliest, at), latest if latest is None else max(latest, at))

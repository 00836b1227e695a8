"""Small charts as server-side SVG: history lines and the timeline of GC runs. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chainwatch_collector.judge.answer import Run
from chainwatch_collector.show.views import HistoryPoint
from chainwatch_collector.words import clock

WIDTH: Final = 560
HEIGHT: Final = 90
PAD: Final = 6
TIMELINE_HOURS: Final = 24
MIN_BAR: Final = 4.0

BAD: Final = frozenset({"failed", "crashed", "killed"})
ODD: Final = frozenset({"aborted", "disabled", "superseded", "not_here"})


@dataclass(frozen=True, slots=True)
class Chart:
    """`points` is the polyline; `low` and `high` are the axis' ends as words; `now` the newest value as words."""

    title: str
    points: str
    low: str
    high: str
    now: str
    start: datetime
    end: datetime
    width: int = WIDTH
    height: int = HEIGHT


def chart(
    title: str,
    points: Sequence[HistoryPoint],
    value: Callable[[HistoryPoint], float | None],
    words: Callable[[float | None], str],
) -> Chart | None:
    """A line over time; None where fewer than two samples know the value. The axis starts at 0."""
    known = [(point.at, value(point)) for point in points]
    pairs = [(at, number) for at, number in known if number is not None]
    if len(pairs) < 2:
        return None
    start, end = pairs[0][0], pairs[-1][0]
    span = max((end - start).total_seconds(), 1.0)
    top = max(number for _, number in pairs) or 1.0
    coordinates = [
        f"{PAD + (at - start).total_seconds() / span * (WIDTH - 2 * PAD):.1f},"
        f"{HEIGHT - PAD - number / top * (HEIGHT - 2 * PAD):.1f}"
        for at, number in pairs
    ]
    return Chart(title, " ".join(coordinates), words(0.0), words(top), words(pairs[-1][1]), start, end)


@dataclass(frozen=True, slots=True)
class Bar:
    """One run. `kind` is ok, bad, odd or idle: each is drawn in another shape, too."""

    x: float
    width: float
    y: int
    height: int
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class Timeline:
    bars: tuple[Bar, ...]
    start: datetime
    end: datetime
    counts: dict[str, int]
    width: int = WIDTH
    height: int = 40


def timeline(runs: Sequence[Run], now: datetime) -> Timeline:
    """The runs of the last day from left to right."""
    start = now - timedelta(hours=TIMELINE_HOURS)
    counts: dict[str, int] = {}
    bars = []
    for run in runs:
        end = run.ended_at or now
        if end < start:
            continue
        counts[run.outcome] = counts.get(run.outcome, 0) + 1
        bars.append(_bar(run, max(run.started_at, start), end, start))
    return Timeline(tuple(bars), start, now, counts)


def _bar(run: Run, begin: datetime, end: datetime, start: datetime) -> Bar:
    scale = WIDTH / (TIMELINE_HOURS * 3600)
    kind = "bad" if run.outcome in BAD else "odd" if run.outcome in ODD else "idle" if run.outcome == "idle" else "ok"
    height = {"bad": 32, "ok": 24, "odd": 16, "idle": 8}[kind]
    x = (begin - start).total_seconds() * scale
    width = max(MIN_BAR, (end - begin).total_seconds() * scale)
    title = f"{run.outcome}, pid {run.pid}, from {clock(run.started_at)}"
    return Bar(round(min(x, WIDTH - MIN_BAR), 1), round(width, 1), 36 - height, height, kind, title)

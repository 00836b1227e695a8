"""How far a log is known: never further than what was committed and read."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from chainwatch_collector.fold.coverage import CoverageWatch
from chainwatch_collector.keep.rows import Cursor
from chainwatch_collector.track.observations import LogSeen
from collector.fold.test_inbox import STATUS

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
PATH = "/var/log/SMlog"
LATER = NOW + timedelta(minutes=10)


def watch(size: int = 1000, read_to: int = 1000, problem: str = "") -> CoverageWatch:
    """Lines up to NOW were read; ten minutes later the agent says how long the log is."""
    made = CoverageWatch()
    made.read(NOW)
    log = LogSeen(path=PATH, size_bytes=size, mtime=None, read_to=read_to, problem=problem)
    made.status = replace(STATUS, at=LATER, logs=(log,))
    return made


def until(made: CoverageWatch, offset: int = 1000, *, more: bool = False) -> datetime | None:
    return made.coverage({PATH: Cursor(1, offset, 0)}, more).until


def test_a_quiet_log_is_known_up_to_the_agents_last_word() -> None:
    assert until(watch()) == LATER


def test_what_is_not_read_or_not_committed_yet_is_not_known() -> None:
    assert until(watch(size=2000)) == NOW
    assert until(watch(), offset=400) == NOW
    assert until(watch(), more=True) == NOW
    assert until(watch(problem="permission denied")) == NOW
    assert watch(size=2000).coverage({PATH: Cursor(1, 1000, 0)}, more=False).behind_bytes == 1000
    assert watch().coverage({PATH: Cursor(1, 400, 0)}, more=False).behind_bytes == 600


def test_a_gap_begins_a_new_stretch() -> None:
    made = watch()
    made.gap(500)
    assert made.coverage({}, more=False).since is None
    made.read(LATER)
    covered = made.coverage({PATH: Cursor(2, 1000, 0)}, more=False)
    assert (covered.since, covered.lost_bytes) == (LATER, 500)


def test_nothing_read_is_nothing_known() -> None:
    assert CoverageWatch().coverage({}, more=False).until is None

"""The bound on what the connector's events may cost."""

import select
import subprocess
from typing import Iterator

import pytest
from agent.image_processes import needs_connector, until
from chainwatch_agent.event_intake import BURST_EVENTS, EventIntake

pytestmark = needs_connector


@pytest.fixture
def intake() -> "Iterator[EventIntake]":
    """The real connector."""
    opened = EventIntake.open()
    assert opened is not None
    yield opened
    opened.close()


def readable(intake: EventIntake) -> bool:
    """As an event loop sees it."""
    return bool(select.select([intake.fileno()], [], [], 0)[0])


def test_events_in_time(intake: EventIntake) -> None:
    with subprocess.Popen(["/bin/true"]) as process:
        assert until(lambda: readable(intake))
        assert until(lambda: process.pid in [event.pid for event in intake.read_now()])
    assert list(intake.read_late()) == []
    assert intake.pauses_total == 0


def test_beyond_the_allowance_they_wait_without_waking_anybody(intake: EventIntake) -> None:
    intake._allowance = 3.0
    intake._refill = lambda: None  # type: ignore[method-assign]
    pids = [subprocess.Popen(["/bin/true"]) for _ in range(8)]
    for process in pids:
        process.wait()
    told = list(intake.read_now())
    assert len(told) == 3
    assert not readable(intake)
    assert list(intake.read_now()) == []
    late = {event.pid for event in intake.read_late()}
    assert {process.pid for process in pids} <= late | {event.pid for event in told}
    assert intake.pauses_total == 1
    assert intake.events_total >= 8
    assert until(lambda: not readable(intake) or bool(list(intake.read_now())))


def test_the_allowance_comes_back_and_no_more_than_a_burst(intake: EventIntake) -> None:
    intake._allowance, intake._allowed_at = 0.0, intake._allowed_at - 1.0
    intake._refill()
    assert 100.0 <= intake._allowance < BURST_EVENTS
    intake._allowed_at -= 3600.0
    intake._refill()
    assert intake._allowance == BURST_EVENTS

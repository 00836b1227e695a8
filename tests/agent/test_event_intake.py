"""The bound on what the connector's events may cost."""

import select
import subprocess
import time
from typing import Iterator, List

import pytest
from agent.image_processes import needs_connector, until
from chainwatch_agent.event_intake import BURST_EVENTS, EventIntake
from chainwatch_agent.proc_events import ProcEvent

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


def test_when_they_come_thick_a_timer_wakes(intake: EventIntake) -> None:
    told: List[ProcEvent] = []
    for _ in range(6):
        subprocess.run(["/bin/true"], check=True)
        told.extend(intake.read_now())
    assert len(told) < 6 or intake._gathering
    intake._read_at = time.monotonic()
    subprocess.run(["/bin/true"], check=True)
    list(intake.read_now())
    assert intake._gathering
    assert until(lambda: readable(intake))  # the timer
    assert until(lambda: not list(intake.read_now()) and not intake._gathering)  # none came: back to the next event
    with subprocess.Popen(["/bin/true"]) as process:
        assert until(lambda: process.pid in [event.pid for event in intake.read_now()])


def test_beyond_the_allowance_they_wait_without_waking_anybody(intake: EventIntake) -> None:
    intake._allowance, intake._read_at = 3.0, time.monotonic() + 3600.0
    processes = [subprocess.Popen(["/bin/true"]) for _ in range(8)]
    for process in processes:
        process.wait()
    told = {event.pid for event in intake.read_now()}
    assert {process.pid for process in processes} <= told
    late = subprocess.Popen(["/bin/true"])
    late.wait()
    assert not readable(intake)
    assert list(intake.read_now()) == []
    assert late.pid in {event.pid for event in intake.read_late()}
    assert intake.pauses_total == 1
    assert intake.events_total >= 9
    assert until(lambda: readable(intake))


def test_the_allowance_comes_back_and_no_more_than_a_burst(intake: EventIntake) -> None:
    intake._allowance, intake._read_at = 0.0, time.monotonic() - 1.0
    list(intake.read_now())
    assert 0.0 < intake._allowance < BURST_EVENTS
    intake._read_at -= 3600.0
    list(intake.read_now())
    assert intake._allowance > BURST_EVENTS - 256

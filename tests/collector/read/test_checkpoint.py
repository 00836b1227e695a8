"""The reader's state survives being stored, between any two spans."""

from __future__ import annotations

import pickle
import zlib
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from chainwatch_collector.read import checkpoint
from chainwatch_collector.read.checkpoint import StateRefusedError
from chainwatch_collector.read.reader import GRAMMAR_VERSION, HostReader
from smlog import Smlog, read


def story() -> Smlog:
    log = Smlog().start(90, worker=100).chain(100).inner_start(100).copy(110).failed_command(110, 28, "no\nroom")
    log.banner(110, "This exception has occured", "No space left on device").banner(100, "coalesce", "Child process")
    return log.gc(100, "Coalesce failed, skipping").updated(100).finish(100)


@pytest.mark.parametrize("zone", [UTC, ZoneInfo("Europe/Paris")])
def test_stored_after_every_line_it_says_the_same(zone: object) -> None:
    assert isinstance(zone, (type(UTC), ZoneInfo))
    whole = HostReader("", zone)
    at_once = [*whole.feed(story().as_lines()), *whole.finish()]
    reader, facts = HostReader("", zone), []
    for line in story().as_lines():
        facts.extend(reader.feed([line]))
        reader = checkpoint.load(checkpoint.dump(reader))
    facts.extend(reader.finish())
    assert facts == at_once
    assert [run.to_json() for run in reader.runs] == [run.to_json() for run in whole.runs]


def test_state_of_another_grammar_is_refused() -> None:
    data = checkpoint.dump(read(story())[0])
    other = data[:3] + (GRAMMAR_VERSION + 1).to_bytes(4, "big") + data[7:]
    with pytest.raises(StateRefusedError, match="another version"):
        checkpoint.load(other)


def test_state_that_builds_foreign_types_is_refused() -> None:
    body = zlib.compress(pickle.dumps(print))
    with pytest.raises(StateRefusedError, match="none of its own types"):
        checkpoint.load(b"CWR" + GRAMMAR_VERSION.to_bytes(4, "big") + body)


def test_damaged_state_is_refused() -> None:
    data = checkpoint.dump(read(story())[0])
    with pytest.raises(StateRefusedError, match="damaged"):
        checkpoint.load(data[: len(data) // 2])

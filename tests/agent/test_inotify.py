"""The kernel's word for growth and rotation."""

import select
from pathlib import Path
from typing import Iterator

import pytest
from chainwatch_agent.inotify import LogEvents, log_events


@pytest.fixture
def events(tmp_path: Path) -> "Iterator[LogEvents]":
    (tmp_path / "SMlog").write_bytes(b"")
    made = log_events([str(tmp_path / "SMlog"), str(tmp_path / "daemon.log")])
    assert made is not None
    yield made
    made.close()


def told(events: LogEvents) -> bool:
    ready, _, _ = select.select([events.fileno()], [], [], 2.0)
    return bool(ready) and events.read()


def append(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"x\n")


def test_growth_rotation_and_growth_after_it(events: LogEvents, tmp_path: Path) -> None:
    live = tmp_path / "SMlog"
    append(live)
    assert told(events)
    live.rename(tmp_path / "SMlog.1")
    assert told(events)
    append(live)
    assert told(events)
    events.read()
    append(live)
    assert told(events)
    append(tmp_path / "SMlog.1")
    assert told(events)


def test_a_log_that_appears_later(events: LogEvents, tmp_path: Path) -> None:
    append(tmp_path / "daemon.log")
    assert told(events)
    events.read()
    append(tmp_path / "daemon.log")
    assert told(events)


def test_other_files_are_nothing(events: LogEvents, tmp_path: Path) -> None:
    append(tmp_path / "xensource.log")
    assert not told(events)
    assert not events.read()


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    made = log_events([str(tmp_path / "no" / "SMlog")])
    assert made is not None
    assert not made.read()
    made.close()

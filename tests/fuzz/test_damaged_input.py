"""Every parser under damaged input. `CHAINWATCH_FUZZ_FACTOR` multiplies the numbers, `SEED` is where they begin."""

from __future__ import annotations

import faulthandler
import itertools
import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chainwatch_agent.policy import FLOOR, SMLOG, part_for
from chainwatch_agent.scrub import scrub
from chainwatch_agent.select import Selector
from chainwatch_collector.keep.engine import open_engine, sqlite_url
from chainwatch_collector.keep.ingest import StreamBatch
from chainwatch_collector.keep.intake import FileKey, FileSeenIn, StreamOpened
from chainwatch_collector.keep.migrate import migrate
from chainwatch_collector.keep.streams import open_stream
from chainwatch_collector.receive.messages import hello_of
from lab.wire import hello
from sqlalchemy import Engine

from fuzz import samples, targets
from fuzz.mutation import Mutator

FACTOR = float(os.environ.get("CHAINWATCH_FUZZ_FACTOR", "1"))
SEED = int(os.environ.get("SEED", "0"))
LINES_PER_READER = 5_000
LINES = int(100_000 * FACTOR)
MESSAGES = int(10_000 * FACTOR)
MESSAGES_PER_STREAM = 250
# What takes so long does not end: the run stops with where it is, and begins there again with the same SEED.
STUCK_SECONDS = 120.0
# Of one reader, whatever the lines: its open runs, blocks and counters of unknown wordings.
MOST_READER_BYTES = 64 * 1024 * 1024


@pytest.mark.parametrize(
    ("target", "count"), [("config", 3000), ("checkpoint", 1500), ("select", 300), ("mask", 20_000), ("tail", 60)]
)
def test_no_input_breaks_a_parser(target: str, count: int, watchdog: Callable[[], None]) -> None:
    mutator = Mutator(SEED, samples.samples_of(target))
    for number in range(int(count * FACTOR)):
        watchdog()
        data = mutator.next()
        try:
            targets.TARGETS[target](data)
        except Exception as error:
            error.add_note(f"SEED={SEED}: input {number} of {target}: {data[:2000]!r}")
            raise


@pytest.fixture
def watchdog() -> Iterator[Callable[[], None]]:
    """To be called now and then; the process ends with a traceback where it was not for `STUCK_SECONDS`."""

    def still_there() -> None:
        faulthandler.dump_traceback_later(STUCK_SECONDS, exit=True)

    still_there()
    yield still_there
    faulthandler.cancel_dump_traceback_later()


def batches() -> Iterator[list[bytes]]:
    """`LINES` damaged lines and as many whole ones; each batch is in the order of a real run, so that its states are
    met.
    """
    whole = samples.smlog_lines()
    mutator = Mutator(SEED, whole)
    while mutator.damaged < LINES:
        yield [
            whole[number % len(whole)] if mutator.chance.random() < 0.5 else mutator.next()
            for number in range(LINES_PER_READER)
        ]
    print(f"measured: {mutator.damaged} damaged lines")


def test_damaged_lines_are_read_in_bounded_memory(watchdog: Callable[[], None]) -> None:
    for number, batch in enumerate(batches()):
        watchdog()
        data = b"\n".join(batch)
        measured = number == 0
        if measured:
            tracemalloc.start()
        try:
            targets.lines(data)
        except Exception as error:
            error.add_note(f"SEED={SEED}: batch {number}")
            raise
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        if measured:
            assert peak < MOST_READER_BYTES
        masked, _ = scrub(data)
        assert len(masked) == len(data)
        for offset, part in Selector(part_for(FLOOR, SMLOG)).select(data + b"\n", 0):
            assert data[offset : offset + len(part) - 1] == part[:-1]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(sqlite_url(tmp_path / "chainwatch.db"))
    migrate(engine)
    yield engine
    engine.dispose()


def opened_by(engine: Engine, number: int) -> StreamOpened:
    with engine.begin() as connection:
        asked = hello_of(hello(), f"{number:08x}-0000-4000-8000-000000000000", None)
        opened = open_stream(connection, asked, 1764086400000000, 35.0)
    assert isinstance(opened, StreamOpened)
    return opened


def test_damaged_messages_are_stored_or_refused(engine: Engine, watchdog: Callable[[], None]) -> None:
    """Through the real commit; each stream ends in an answer of the contract."""
    mutator = Mutator(SEED, samples.messages())
    for number in itertools.count():
        if mutator.damaged >= MESSAGES:
            break
        watchdog()
        opened = opened_by(engine, number)
        seen: dict[FileKey, FileSeenIn] = {}
        with engine.begin() as connection:
            for _ in range(MESSAGES_PER_STREAM):
                data = mutator.next()
                item = targets.message(data, opened.policy_rows[0])
                if isinstance(item, FileSeenIn):
                    seen[item.key] = item
                elif item is not None:
                    batch = StreamBatch(opened.host_id, opened.stream_epoch, seen, [item], 1764086400000000)
                    committed = batch.apply(connection)
                    assert committed.refusal is None or committed.refusal.kind in ("hole", "unknown file"), data
    print(f"measured: {mutator.damaged} damaged messages")

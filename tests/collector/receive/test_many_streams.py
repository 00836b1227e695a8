"""Many hosts at once through the real service, commit and TLS: everything is stored once, nothing stays pending.

`CHAINWATCH_SCALE_STREAMS` and `CHAINWATCH_SCALE_RECORDS` (of all streams together) are raised by `make test-long`.
"""

import asyncio
import contextlib
import os
import resource

import pytest
from chainwatch_collector.keep.tables import COVERAGE, FILES, HOSTS, LINES
from chainwatch_collector.receive.limits import IngestLimits
from lab.wire import Wire, file_seen, key_of, span
from sqlalchemy import Connection, Table, func, select

from .conftest import Ingest, new_host

STREAMS = int(os.environ.get("CHAINWATCH_SCALE_STREAMS", "200"))
RECORDS = int(os.environ.get("CHAINWATCH_SCALE_RECORDS", "100000"))
PER_STREAM = RECORDS // STREAMS
LINES_PER_SPAN = 2000
# Of each stream: its two sockets' ends, both in this process.
_DESCRIPTORS_PER_STREAM = 3
_OPENING_AT_ONCE = 50
# Both ends of every stream share this process.
PATIENCE_SECONDS = 900.0


def log_of(number: int) -> bytes:
    """One host's log; every line is selected."""
    lines = (b"Nov 24 10:00:00 xcp-%d SMGC: [%d] line %d\n" % (number, number, n) for n in range(PER_STREAM))
    return b"".join(lines)


async def ship(wire: Wire, data: bytes) -> None:
    """The whole log in spans, each within a message's limit."""
    await wire.send(file_seen=file_seen(data))
    start = 0
    while start < len(data):
        end = start
        for _ in range(LINES_PER_SPAN):
            end = data.find(b"\n", end) + 1 or len(data)
            if end == len(data):
                break
        await wire.send(span=span(data, start, end))
        start = end
    while True:
        ack = (await wire.receive(PATIENCE_SECONDS)).ack
        if ack.to_offset == len(data):
            assert ack.file == key_of(data)
            return


async def one_host(ingest: Ingest, number: int, opening: asyncio.Semaphore, all_open: asyncio.Barrier) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with opening:
            wire = await stack.enter_async_context(ingest.connect(new_host()))
            await wire.welcome()
        await all_open.wait()
        await ship(wire, log_of(number))


def count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


@pytest.fixture
def limits() -> IngestLimits:
    """Nobody is thought silent because this process is busy."""
    return IngestLimits(hello_seconds=60, silent_seconds=PATIENCE_SECONDS)


@pytest.fixture
def descriptors() -> None:
    """As many as the streams need, where this process may have them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 512 + _DESCRIPTORS_PER_STREAM * STREAMS
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, hard)), hard))


async def test_every_record_of_every_stream_is_stored_once(ingest: Ingest, descriptors: None) -> None:
    opening, all_open = asyncio.Semaphore(_OPENING_AT_ONCE), asyncio.Barrier(STREAMS)
    await asyncio.gather(*(one_host(ingest, number, opening, all_open) for number in range(STREAMS)))
    counts = ingest.readers.call(lambda c: [count(c, table) for table in (HOSTS, FILES, LINES)])
    assert counts == [STREAMS, STREAMS, STREAMS * PER_STREAM]
    covered = ingest.readers.call(lambda c: c.execute(select(func.sum(COVERAGE.c.lines_selected))).scalar_one())
    assert covered == STREAMS * PER_STREAM
    assert ingest.service.shared.counters.streams_opened_total == STREAMS

"""What receiving costs: records a second over mutual TLS until they are durable and acknowledged, against bare inserts
of the same rows in the same minutes; and what 2,000 streams that are quiet cost.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import psutil
import psycopg
from chainwatch.v1 import evidence_pb2
from chainwatch_collector.keep.engine import open_engine, parse_url
from chainwatch_collector.keep.lines import split_slice
from chainwatch_collector.keep.migrate import migrate
from chainwatch_collector.keep.store_lines import LineRow
from lab import postgres
from lab.pki import Identity, Pki
from lab.wire import Wire, connect, file_seen, key_of, now_us, span

from bench.figures import Figure, figure
from bench.reread import RUN

TESTS = Path(__file__).resolve().parents[1]
STREAMS = 4
RECORDS_PER_SPAN = 100
RECORDS = 100_000
ROUNDS = 5
ROWS_PER_COMMIT = 1000
QUIET_STREAMS = 2000
HEARTBEAT_SECONDS = 10
WATCH_SECONDS = 30
_NUMBERS = itertools.count(1)


class IngestServer:
    """A process with receive and keep alone."""

    def __init__(self, directory: Path, pki: Pki, url: str) -> None:
        server = pki.server()
        command = [
            sys.executable,
            "-m",
            "bench._ingest_server",
            url,
            *map(str, (server.certificate, server.key, pki.ca)),
        ]
        self.pki = pki
        self._log = (directory / "server.log").open("ab")
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, cwd=TESTS
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.usage = psutil.Process(self._process.pid)

    def stop(self) -> None:
        self._process.communicate()
        self._log.close()


@contextmanager
def ingest_server(directory: Path, pki: Pki, url: str) -> Iterator[IngestServer]:
    """Running; its end is awaited."""
    server = IngestServer(directory, pki, url)
    try:
        yield server
    finally:
        server.stop()


def log_of(records: int) -> bytes:
    """A log of about so many records that no other begins like."""
    first = b"Nov 22 08:00:00 xcp1 SMGC: [1] generation %d\n" % next(_NUMBERS)
    return first + b"".join(line + b"\n" for line in itertools.islice(itertools.cycle(RUN), records - 1))


def spans_of(data: bytes) -> list[evidence_pb2.Span]:
    """All of it, so many records at a time."""
    ends = [n + 1 for n, byte in enumerate(data) if byte == 10]
    cuts = [0, *ends[RECORDS_PER_SPAN - 1 :: RECORDS_PER_SPAN]]
    cuts += [len(data)] if cuts[-1] != len(data) else []
    return [span(data, start, end) for start, end in itertools.pairwise(cuts)]


async def _ship(wire: Wire, data: bytes, spans: Sequence[evidence_pb2.Span]) -> None:
    await wire.send(file_seen=file_seen(data))
    writing = asyncio.ensure_future(_write(wire, spans))
    await wire.acked_to(key_of(data), len(data))
    await writing


async def _write(wire: Wire, spans: Sequence[evidence_pb2.Span]) -> None:
    for one in spans:
        await wire.send(span=one)


async def received_per_second(server: IngestServer, hosts: Sequence[Identity]) -> float:
    """Records a second, from the first byte sent to the last acknowledgement, over a stream of each host."""
    logs = [log_of(RECORDS // len(hosts)) for _ in hosts]
    prepared = [spans_of(data) for data in logs]
    async with AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(connect(server.port, server.pki.ca, host)) for host in hosts]
        for wire in wires:
            await wire.welcome()
        began = time.perf_counter()
        await asyncio.gather(*map(_ship, wires, logs, prepared))
        return RECORDS / (time.perf_counter() - began)


def rows_to_store() -> list[LineRow]:
    """The rows that receiving would store, ready for the database."""
    return [(1, line.offset, line.hash, 1, line.data) for line in split_slice(0, log_of(RECORDS))]


def executemany_per_second(path: Path) -> float:
    """The same rows into the same table by SQLite's own module, durable after every thousand."""
    engine = open_engine(parse_url(f"sqlite:///{path}"))
    migrate(engine)
    engine.dispose()
    rows = rows_to_store()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    began = time.perf_counter()
    for start in range(0, len(rows), ROWS_PER_COMMIT):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO lines VALUES (?, ?, ?, ?, ?)", rows[start : start + ROWS_PER_COMMIT])
        connection.execute("COMMIT")
    seconds = time.perf_counter() - began
    connection.close()
    return len(rows) / seconds


def copy_per_second(url: str) -> float:
    """The same rows into the same table by COPY, a transaction for every thousand."""
    rows = rows_to_store()
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM lines WHERE file_id = 1")
        connection.commit()
        began = time.perf_counter()
        for start in range(0, len(rows), ROWS_PER_COMMIT):
            with connection.cursor().copy("COPY lines FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(("int8", "int8", "int8", "int8", "bytea"))
                for row in rows[start : start + ROWS_PER_COMMIT]:
                    copy.write_row(row)
            connection.commit()
        return len(rows) / (time.perf_counter() - began)


def _rounds(server: IngestServer, hosts: Sequence[Identity], anchor: Callable[[int], float]) -> tuple[float, float]:
    """Medians of ours and of the anchor, taken in turns."""
    ours, anchors = [], []
    for number in range(ROUNDS):
        ours.append(asyncio.run(received_per_second(server, hosts)))
        anchors.append(anchor(number))
    return statistics.median(ours), statistics.median(anchors)


def sqlite_figures(directory: Path, pki: Pki, hosts: Sequence[Identity]) -> list[Figure]:
    """Against executemany."""
    with ingest_server(directory, pki, f"sqlite:///{directory / 'ingest.db'}") as server:
        ours, bare = _rounds(server, hosts, lambda number: executemany_per_second(directory / f"bare-{number}.db"))
    anchor = f"executemany, 1,000 rows a commit: {bare:,.0f}/s"
    return [
        figure("ingest_records_per_s", ours, "/s", ">= 40000", ours >= 40_000, "100 records a message, SQLite"),
        figure("ingest_vs_executemany", ours, "/s", "ratio >= 0.6", ours >= 0.6 * bare, anchor, ours / bare),
    ]


def postgres_figures(directory: Path, pki: Pki, hosts: Sequence[Identity]) -> list[Figure]:
    """Against COPY into the same server (the lab's: it does not wait for the disk, for either of them)."""
    with postgres.server() as url:
        for name in ("ours", "bare"):
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
        ours_url, bare_url = (url.replace("/postgres?", f"/{name}?") for name in ("ours", "bare"))
        engine = open_engine(parse_url(bare_url))
        migrate(engine)
        engine.dispose()
        with ingest_server(directory, pki, ours_url) as server:
            ours, bare = _rounds(server, hosts, lambda _: copy_per_second(bare_url))
    anchor = f"COPY, 1,000 rows a transaction: {bare:,.0f}/s"
    return [figure("ingest_vs_copy", ours, "/s", "ratio >= 0.45", ours >= 0.45 * bare, anchor, ours / bare)]


async def _beat(wire: Wire, delay: float, ending: asyncio.Event) -> None:
    """A heartbeat every ten seconds, and nothing else."""
    await asyncio.sleep(delay)
    for seq in itertools.count(1):
        await wire.send(status=evidence_pb2.Status(agent_epoch=7, seq=seq, at_us=now_us()))
        ack = await wire.ack()
        assert ack.observed_seq == seq
        try:
            await asyncio.wait_for(ending.wait(), HEARTBEAT_SECONDS)
        except TimeoutError:
            continue
        return


async def quiet_streams(server: IngestServer, hosts: Sequence[Identity]) -> tuple[float, float]:
    """KiB of memory a stream, and the percent of one core that all of them cost while they are open."""
    before = server.usage.memory_info().rss
    ending = asyncio.Event()
    async with AsyncExitStack() as stack:
        beats = []
        for number, host in enumerate(hosts):
            wire = await stack.enter_async_context(connect(server.port, server.pki.ca, host))
            await wire.welcome()
            beats.append(asyncio.ensure_future(_beat(wire, number % 100 / 100 * HEARTBEAT_SECONDS, ending)))
        # Each has beaten once: the first of a stream is dearer.
        await asyncio.sleep(HEARTBEAT_SECONDS + 2)
        kib = (server.usage.memory_info().rss - before) / 1024 / len(hosts)
        cpu, began = _cpu(server.usage), time.perf_counter()
        await asyncio.sleep(WATCH_SECONDS)
        percent = 100 * (_cpu(server.usage) - cpu) / (time.perf_counter() - began)
        ending.set()
        await asyncio.gather(*beats)
    return kib, percent


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def stream_figures(directory: Path, pki: Pki, count: int = QUIET_STREAMS) -> list[Figure]:
    """Two thousand hosts that have nothing to say but that they are there."""
    hosts = [pki.host(str(uuid.uuid4())) for _ in range(count)]
    with ingest_server(directory, pki, f"sqlite:///{directory / 'quiet.db'}") as server:
        kib, percent = asyncio.run(quiet_streams(server, hosts))
    beat = f"a heartbeat every {HEARTBEAT_SECONDS} s, {count:,} streams"
    return [
        figure("stream_rss_kb", kib, "KiB", "<= 115", kib <= 115, f"{count:,} streams with TLS"),
        figure("streams_2000_cpu_percent", percent, "%", "<= 16", percent <= 16, beat),
    ]


def figures() -> list[Figure]:
    """For `make bench`."""
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    with tempfile.TemporaryDirectory(prefix="chainwatch-bench-") as folder:
        directory = Path(folder)
        pki = Pki(directory / "pki")
        hosts = [pki.host(str(uuid.uuid4())) for _ in range(STREAMS)]
        return [
            *sqlite_figures(directory, pki, hosts),
            *postgres_figures(directory, pki, hosts),
            *stream_figures(directory, pki),
        ]

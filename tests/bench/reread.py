"""`reread_million_s`: stored records read again into facts and runs, as a rebuild with a better grammar does it."""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

from chainwatch_collector.keep.engine import open_engine, sqlite_url
from chainwatch_collector.keep.evidence import lines_after
from chainwatch_collector.keep.migrate import migrate
from chainwatch_collector.keep.rows import Cursor
from chainwatch_collector.keep.store_lines import store_lines
from chainwatch_collector.keep.tables import FILES, HOSTS, LOGS
from chainwatch_collector.read.reader import HostReader
from smlog import OTHER_SR, SR, Smlog
from sqlalchemy import Connection

from bench.figures import Figure, figure

LOG = "/var/log/SMlog"
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
_HOST, _FILE, _LOG = 1, 1, 1


def reread_million_s(count: int = 1_000_000) -> float:
    """Seconds for `count` records of one host, from the database to facts, on one core. Writing them is not timed."""
    with tempfile.TemporaryDirectory(prefix="chainwatch-bench-") as folder:
        engine = open_engine(sqlite_url(Path(folder) / "chainwatch.db"))
        try:
            migrate(engine)
            with engine.begin() as connection:
                store_records(connection, count)
            with engine.connect() as connection:
                return _reread(connection, count)
        finally:
            engine.dispose()


def _reread(connection: Connection, count: int) -> float:
    began = time.perf_counter()
    reader, cursor, more, facts = HostReader("00000000-host", UTC, keep_ended_runs=50), Cursor(), True, 0
    while more:
        batch = lines_after(connection, _HOST, LOG, cursor, 5000)
        facts += len(reader.feed(batch.lines))
        cursor, more = batch.cursor, batch.more
    seconds = time.perf_counter() - began
    read = reader.lines_understood + reader.lines_unknown
    if read != count or reader.lines_unknown or not facts:
        raise AssertionError(f"{read} of {count} records read, {reader.lines_unknown} unknown, {facts} facts")
    return seconds


def store_records(connection: Connection, count: int) -> None:
    """So many records of one host, in one file, as ingest leaves them."""
    micros = int(NOW.timestamp() * 1e6)
    connection.execute(HOSTS.insert(), {"id": _HOST, "uuid": "0" * 36, "registered_at_us": micros})
    connection.execute(LOGS.insert(), {"id": _LOG, "path": LOG})
    offset, pid, rows = 0, 1000, []
    for number in range(count):
        if not number % len(RUN):
            pid += 10
        data = RUN[number % len(RUN)].replace(b"[1000]", b"[%d]" % pid).replace(b"[1001]", b"[%d]" % (pid + 1))
        rows.append((_FILE, offset, number, micros // 1000, data))
        offset += len(data) + 1
        if len(rows) == 20_000:
            store_lines(connection, rows)
            rows = []
    store_lines(connection, rows)
    connection.execute(
        FILES.insert(),
        {
            "id": _FILE,
            "host_id": _HOST,
            "log_id": _LOG,
            "ordinal": 1,
            "fingerprint": b"f" * 32,
            "salt": 0,
            "mtime_us": micros,
            "to_offset": offset,
            "born_on": date(2026, 11, 22),
        },
    )


def _run() -> list[bytes]:
    """A run as an agent ships it: evaluation printed again and again, trees, two merges, one of them failing."""
    log = Smlog().start(1000).chain(1000)
    for sr in (SR, SR, OTHER_SR):
        uuid = "bbbbbbb2-0000-4000-8000-000000000002"
        for _ in range(3):
            log.gc(1000, f"{uuid} is coalescable", "Num combined blocks = 600", "Coalesced size = 1.174G")
            log.gc(1000, "Coalesce candidate: *bbbbbbb2(4.000G/400.790M?) (tree height 3)")
            log.gc(1000, f"SR {sr[:4]} ('Local storage') (3 VDIs in 1 VHD trees): no changes")
    log.inner_start(1000).copy(1001).copied(1000, 1001).updated(1000).chain(1000)
    log.inner_start(1000).copy(1001).failed_command(1001, 28, "error coalescing: -28")
    log.banner(1001, "This exception has occured", "No space left on device")
    log.banner(1000, "coalesce", "Child process exited with error").gc(1000, "Coalesce failed, skipping")
    return log.updated(1000).finish(1000).lines


RUN = _run()


def figures() -> list[Figure]:
    """For `make bench`."""
    seconds = reread_million_s()
    return [figure("reread_million_s", seconds, "s", "< 60", seconds < 60)]

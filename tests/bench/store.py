"""`bytes_per_record`: what a stored record costs on disk when it was folded, its text, events and indexes included."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

from chainwatch_collector.fold.assignment import UNASSIGNED
from chainwatch_collector.fold.loading import FoldStore
from chainwatch_collector.fold.pool_driver import FoldSettings, PoolDriver
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.keep.engine import open_engine, sqlite_url
from chainwatch_collector.keep.evidence import hosts
from chainwatch_collector.keep.migrate import migrate
from chainwatch_collector.keep.readers import Readers
from chainwatch_collector.keep.retention_plan import files_to_drop, used_bytes
from chainwatch_collector.keep.tables import FILES, LINES
from chainwatch_collector.keep.writer import Writer
from sqlalchemy import func, select

from bench.figures import Figure, figure
from bench.reread import NOW, store_records

RECORDS = 200_000


def figures() -> list[Figure]:
    """For `make bench`."""
    whole, text = bytes_per_record()
    goal = whole - text <= 140
    return [figure("bytes_per_record", whole, "B", "text + 140", goal, f"its text has {text:.0f}", whole / text)]


def bytes_per_record(records: int = RECORDS) -> tuple[float, float]:
    """Bytes in use on SQLite for each stored record, and those of its text alone."""
    with tempfile.TemporaryDirectory(prefix="chainwatch-bench-") as folder:
        url = sqlite_url(Path(folder) / "chainwatch.db")
        engine = open_engine(url)
        migrate(engine)
        writer, readers = Writer(engine), Readers(open_engine(url, read_only=True, pool_size=2), threads=1)
        try:
            empty = readers.call(used_bytes)
            writer.write(lambda c: store_records(c, records))
            _fold(writer, readers)
            text = readers.call(lambda c: c.execute(select(func.sum(func.length(LINES.c.data)))).scalar_one(), 60)
            [file] = readers.call(files_to_drop)
            [size] = readers.call(lambda c: c.execute(select(FILES.c.to_offset)).scalars().all())
            if file.until != size:
                raise AssertionError(f"{file.until} of {size} bytes were folded")
            return (readers.call(used_bytes) - empty) / records, text / records
        finally:
            writer.close()
            readers.close()
            engine.dispose()


def _fold(writer: Writer, readers: Readers) -> None:
    """All of it, as the collector does, until nothing is left."""
    clock = NOW + timedelta(minutes=1)
    settings = FoldSettings("bench", 1, judge_every=0.0, judge_gap=0.0, commit_gap=0.0)
    driver = PoolDriver(UNASSIGNED, FoldStore(readers, writer, lambda: clock), settings, Thresholds())
    driver.set_hosts(readers.call(hosts), settled=True)
    while driver.turn(clock) is None or driver.problem:
        if driver.problem:
            raise AssertionError(driver.problem)
    driver.close()

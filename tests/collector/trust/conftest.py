"""Identities over each database, with a clock that tests move."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from chainwatch_collector.keep.engine import open_engine
from chainwatch_collector.keep.migrate import migrate
from chainwatch_collector.keep.readers import Readers
from chainwatch_collector.keep.writer import Writer
from lab.databases import Database, database, postgres_url

__all__ = ["database", "postgres_url"]


@dataclass
class Clock:
    """`clock()` is now; `clock.pass_(…)` lets time pass."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 25, 12, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time: float) -> None:
        self.now += timedelta(**time)


@dataclass
class Store:
    writer: Writer
    readers: Readers


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    engine = open_engine(database.parsed)
    migrate(engine)
    writer = Writer(engine, retry_seconds=2)
    readers = Readers(open_engine(database.parsed, read_only=True, pool_size=3), threads=2)
    yield Store(writer, readers)
    writer.close()
    readers.close()
    engine.dispose()

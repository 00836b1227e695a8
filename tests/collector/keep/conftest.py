"""Every test of keep runs on both databases."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from chainwatch_collector.keep.engine import open_engine
from chainwatch_collector.keep.migrate import migrate
from chainwatch_collector.keep.readers import Readers
from chainwatch_collector.keep.writer import Writer
from lab.databases import Database, database, postgres_url

__all__ = ["database", "postgres_url"]


@dataclass
class Store:
    """A migrated database with its writer and readers."""

    writer: Writer
    readers: Readers


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    engine = open_engine(database.parsed)
    migrate(engine)
    writer = Writer(engine, retry_seconds=2)
    readers = Readers(open_engine(database.parsed, read_only=True, pool_size=3), threads=3)
    yield Store(writer, readers)
    writer.close()
    readers.close()
    engine.dispose()

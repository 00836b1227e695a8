"""Connections to either database, set up so that committed means durable."""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool, QueuePool

SQLITE_BUSY_SECONDS = 30.0
_CHECKPOINT_PAGES = 2000


class DatabaseUrlError(ValueError):
    """A `database_url` that cannot be used; the message says why and what would be right."""


def parse_url(text: str) -> URL:
    """`sqlite:////path/to/file` or `postgresql://user@host/name`; the driver is ours to choose."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise DatabaseUrlError("not a URL: write sqlite:////path/to/file or postgresql://user@host/name") from None
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite":
        if not url.database or url.database == ":memory:":
            raise DatabaseUrlError("a database in memory forgets: name a file, sqlite:////path/to/file")
        return url.set(drivername="sqlite+pysqlite")
    raise DatabaseUrlError(f"{url.get_backend_name()} is not supported: use sqlite or postgresql")


def sqlite_url(path: Path) -> URL:
    """The embedded default: one file."""
    return URL.create("sqlite+pysqlite", database=str(path))


def open_engine(url: URL, *, read_only: bool = False, pool_size: int = 1) -> Engine:
    """An engine for one writer, or for `pool_size` readers. The database must exist or be creatable."""
    return _open_sqlite(url, read_only, pool_size) if url.get_backend_name() == "sqlite" else _open_pg(url, read_only)


def _open_sqlite(url: URL, read_only: bool, pool_size: int) -> Engine:
    engine = create_engine(
        url,
        connect_args={"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False},
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=SQLITE_BUSY_SECONDS,
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _record: Any) -> None:
        # Transactions are begun by us: the module's own BEGIN is deferred and fails at the upgrade to a write.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA page_size = 8192")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        # A WAL that grew in a burst is cut back at its next restart.
        cursor.execute("PRAGMA journal_size_limit = 67108864")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA cache_size = -16384")
        if read_only:
            cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _open_pg(url: URL, read_only: bool) -> Engine:
    options = "-c timezone=UTC -c lock_timeout=20s -c idle_in_transaction_session_timeout=60s"
    options += " -c default_transaction_read_only=on" if read_only else " -c synchronous_commit=on"
    return create_engine(
        url,
        connect_args={"options": options, "connect_timeout": 10, "application_name": "chainwatch-collector"},
        pool_pre_ping=True,
        pool_size=4,
        max_overflow=0,
    )


def open_bare(url: URL) -> Engine:
    """An engine that keeps no connection, for one-shot commands."""
    return create_engine(url, poolclass=NullPool)

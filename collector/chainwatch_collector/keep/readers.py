"""A small pool of read-only connections, each query under a deadline."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

T = TypeVar("T")
_PROGRESS_OPCODES = 20_000


class QueryTimeoutError(Exception):
    """A query took longer than its deadline and was stopped. The message says how to ask for less."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the query was stopped after {seconds:g} s: ask for a shorter time or fewer rows")


class Readers:
    """`threads` at once. One snapshot per call: what a function reads in one call is consistent."""

    def __init__(self, engine: Engine, threads: int = 3) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="keep-reader")

    def call(self, work: Callable[[Connection], T], deadline_seconds: float = 30.0) -> T:
        """Run `work` in the calling thread. Raises `QueryTimeoutError`."""
        with self._engine.connect() as connection:
            if self._engine.dialect.name == "sqlite":
                return _on_sqlite(connection, work, deadline_seconds)
            return _on_postgresql(connection, work, deadline_seconds)

    async def read(self, work: Callable[[Connection], T], deadline_seconds: float = 5.0) -> T:
        """Run `work` in a reader thread. Raises `QueryTimeoutError`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self.call, work, deadline_seconds)

    def close(self) -> None:
        """End the threads and their connections."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._engine.dispose()


def _on_sqlite(connection: Connection, work: Callable[[Connection], T], seconds: float) -> T:
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    deadline = time.monotonic() + seconds
    raw.set_progress_handler(lambda: time.monotonic() > deadline, _PROGRESS_OPCODES)
    try:
        with connection.begin():
            return work(connection)
    except OperationalError as error:
        if "interrupted" in str(error.orig):
            raise QueryTimeoutError(seconds) from None
        raise
    finally:
        raw.set_progress_handler(None, 0)


def _on_postgresql(connection: Connection, work: Callable[[Connection], T], seconds: float) -> T:
    try:
        with connection.begin():
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            connection.execute(text(f"SET LOCAL statement_timeout = {int(seconds * 1000)}"))
            return work(connection)
    except OperationalError as error:
        if "statement timeout" in str(error.orig):
            raise QueryTimeoutError(seconds) from None
        raise

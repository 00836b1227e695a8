"""The collector's side of a stream without the network: its own functions from message to commit, step by step."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from chainwatch.v1 import ingest_service_pb2
from chainwatch_collector.keep.engine import open_bare, open_engine, parse_url, sqlite_url
from chainwatch_collector.keep.ingest import StreamBatch
from chainwatch_collector.keep.intake import Committed, FileKey, FileSeenIn, Refusal, StreamOpened
from chainwatch_collector.keep.migrate import migrate
from chainwatch_collector.keep.streams import open_stream
from chainwatch_collector.keep.tables import FILES
from chainwatch_collector.keep.writer import MAX_COST_PER_COMMIT
from chainwatch_collector.receive.answers import acks_of, welcome_of
from chainwatch_collector.receive.limits import IngestLimits
from chainwatch_collector.receive.messages import MessageError, hello_of, item_of
from chainwatch_collector.receive.pending import Pending
from lab.wire import hello
from sqlalchemy import Connection, Engine, select, text

HOST = "6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a11"
SILENT_SECONDS = 35.0


class Storage(Protocol):
    """A database that can be opened, cut off as by a crash, copied away and put back."""

    def open(self) -> Engine: ...

    def crash(self) -> None:
        """What is on disk now is all that the next `open` finds."""

    def backup(self) -> None: ...

    def restore(self) -> None: ...

    def close(self) -> None: ...


class SqliteStorage:
    """One file; `template` is a migrated one."""

    def __init__(self, template: Path, directory: Path) -> None:
        self._directory = directory
        self._numbers = itertools.count()
        self._path = self._new()
        shutil.copy(template, self._path)
        self._backup = template
        self._engine: Engine | None = None

    def open(self) -> Engine:
        self._disconnect()
        self._engine = open_engine(sqlite_url(self._path))
        return self._engine

    def crash(self) -> None:
        # The file and its log as they are, before an orderly close could add anything.
        crashed = self._new()
        for suffix in ("", "-wal"):
            if Path(f"{self._path}{suffix}").exists():
                shutil.copy(f"{self._path}{suffix}", f"{crashed}{suffix}")
        self._disconnect()
        self._path = crashed

    def backup(self) -> None:
        self._backup = self._new()
        with sqlite3.connect(self._path) as source, sqlite3.connect(self._backup) as target:
            source.backup(target)
        source.close()
        target.close()

    def restore(self) -> None:
        self._disconnect()
        self._path = self._new()
        shutil.copy(self._backup, self._path)

    def close(self) -> None:
        self._disconnect()

    def _disconnect(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _new(self) -> Path:
        return self._directory / f"chainwatch-{next(self._numbers)}.db"


class PostgresStorage:
    """Databases of one server, each made from another; `template` is a migrated one."""

    def __init__(self, server_url: str, template: str, prefix: str) -> None:
        self._server_url = server_url
        self._prefix = prefix
        self._numbers = itertools.count()
        self._made: list[str] = []
        self._name = self._copy_of(template)
        self._backup = template
        self._engine: Engine | None = None

    def open(self) -> Engine:
        self._disconnect()
        self._engine = open_engine(parse_url(url_of(self._server_url, self._name)))
        return self._engine

    def crash(self) -> None:
        """The server lives on: what the collector had not committed is gone with its connection."""
        self._disconnect()

    def backup(self) -> None:
        self._disconnect()
        self._backup = self._copy_of(self._name)

    def restore(self) -> None:
        self._disconnect()
        self._name = self._copy_of(self._backup)

    def close(self) -> None:
        self._disconnect()
        for name in self._made:
            administer(self._server_url, f"DROP DATABASE {name} WITH (FORCE)")

    def _disconnect(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _copy_of(self, template: str) -> str:
        name = f"{self._prefix}_{next(self._numbers)}"
        administer(self._server_url, f"CREATE DATABASE {name} TEMPLATE {template}")
        self._made.append(name)
        return name


def url_of(server_url: str, name: str) -> str:
    """Another database of the same server."""
    return server_url.replace("/postgres?", f"/{name}?")


def administer(server_url: str, statement: str) -> None:
    """One statement outside a transaction."""
    engine = open_bare(parse_url(server_url)).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def migrated_sqlite(path: Path) -> Path:
    """An empty database with today's schema, all of it in the one file."""
    engine = open_engine(sqlite_url(path))
    migrate(engine)
    engine.dispose()
    return path


def migrated_postgres(server_url: str, name: str) -> str:
    """The same on a server."""
    administer(server_url, f"CREATE DATABASE {name}")
    engine = open_engine(parse_url(url_of(server_url, name)))
    migrate(engine)
    engine.dispose()
    return name


@dataclass
class Call:
    """One stream as the collector holds it. `ended` says why it ended, empty while it is up."""

    opened: StreamOpened
    welcome: ingest_service_pb2.Welcome
    seen: dict[FileKey, FileSeenIn] = field(default_factory=dict)
    pending: Pending = field(default_factory=Pending)
    ended: str = ""


class CrashError(Exception):
    """The process died before its transaction was over."""


class DirectCollector:
    """Several calls at once, as they come; `now_us` is what its clock says, `most_cost` of what a commit holds."""

    def __init__(self, storage: Storage, window_bytes: int) -> None:
        self.storage = storage
        self.limits = IngestLimits(window_bytes=window_bytes)
        self.now_us = 1764086400 * 10**6
        self.most_cost = MAX_COST_PER_COMMIT
        self.acked: dict[FileKey, int] = {}
        self._engine = storage.open()

    def hello(self, machine_id: str = "a" * 32) -> Call | Refusal:
        """A new stream of the host, its epoch durable."""
        self.now_us += 1000
        asked = hello_of(hello(machine_id=machine_id, agent_clock_us=self.now_us), HOST, None)
        with self._engine.begin() as connection:
            opened = open_stream(connection, asked, self.now_us, SILENT_SECONDS)
        if isinstance(opened, Refusal):
            return opened
        return Call(opened, welcome_of(opened, self.limits, None, "0.1.0", self.now_us))

    def take(self, call: Call, raw: bytes) -> None:
        """One message arrives. A malformed one ends the stream."""
        message = ingest_service_pb2.AgentMessage.FromString(raw)
        try:
            item = item_of(message, call.opened.policy_rows)
        except MessageError as error:
            call.ended = str(error)
            return
        if isinstance(item, FileSeenIn):
            call.seen[item.key] = item
        elif item is not None:
            call.pending.add(item, len(raw))

    def commit(self, call: Call, crash: bool = False) -> Sequence[ingest_service_pb2.Ack]:
        """The oldest of what is pending, in one transaction; the acknowledgements that follow. `crash`: it dies before
        the end.
        """
        if not call.pending:
            return []
        items = call.pending.take(self.most_cost).items
        self.now_us += 1000
        batch = StreamBatch(call.opened.host_id, call.opened.stream_epoch, call.seen, items, self.now_us)
        committed = self._apply(batch, crash)
        if committed is None:
            return []
        call.pending.drop_rest({ack.key for ack in committed.acks if ack.reopen_salt})
        if committed.refusal is not None:
            call.ended = f"{committed.refusal.kind}: {committed.refusal.detail}"
        self.acked |= {ack.key: ack.to_offset for ack in committed.acks}
        return acks_of(committed)

    def _apply(self, batch: StreamBatch, crash: bool) -> Committed | None:
        try:
            with self._engine.begin() as connection:
                committed = batch.apply(connection)
                if crash:
                    raise CrashError
        except CrashError:
            self.crash()
            return None
        return committed

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """What is committed."""
        with self._engine.connect() as connection:
            yield connection

    def crash(self) -> None:
        """Killed, and started again. What was acknowledged is still there."""
        self.storage.crash()
        self._engine = self.storage.open()
        assert self.acked.items() <= self._positions().items()

    def _positions(self) -> dict[FileKey, int]:
        with self.reading() as connection:
            rows = connection.execute(select(FILES.c.fingerprint, FILES.c.salt, FILES.c.to_offset))
            return {FileKey(bytes(fingerprint), salt): to_offset for fingerprint, salt, to_offset in rows}

    def restore(self) -> None:
        """Its database is replaced by an older copy."""
        self.storage.restore()
        self._engine = self.storage.open()
        self.acked = {}

    def backup(self) -> None:
        """Remember the state of now."""
        self.storage.backup()
        self._engine = self.storage.open()

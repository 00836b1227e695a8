"""Everything wired together: database, writer, readers, ingest, and the parts that plug in. Started in order, stopped
in the opposite one: no new evidence, then no new work, then what waits is committed."""

import asyncio
import fcntl
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import grpc
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from chainwatch_collector.keep.engine import open_engine
from chainwatch_collector.keep.migrate import SchemaTooNewError, migrate
from chainwatch_collector.keep.readers import Readers
from chainwatch_collector.keep.streams import close_all_streams
from chainwatch_collector.keep.writer import Writer
from chainwatch_collector.receive.server import ListenError, make_server
from chainwatch_collector.receive.service import IngestService
from chainwatch_collector.receive.shared import IngestListener, Shared
from chainwatch_collector.serve.live_tls import LiveTls
from chainwatch_collector.serve.settings import Settings
from chainwatch_collector.track.observations import DuplicateRefused, Observation
from chainwatch_collector.trust.files import TrustFileError
from chainwatch_collector.trust.identities import Identities, utc_now

LOG = logging.getLogger(__name__)
READER_THREADS = 3


class StartError(Exception):
    """The collector cannot start; the message says what and the fix."""


@dataclass(frozen=True)
class Core:
    """What a part may use."""

    settings: Settings
    writer: Writer
    readers: Readers
    ingest: IngestService
    tls: LiveTls
    identities: Identities


class Part(Protocol):
    """Something that lives as long as the collector: the fold, the inventory, the web."""

    @property
    def listener(self) -> IngestListener | None:
        """Told of what is committed, or None."""
        ...

    async def start(self, core: Core) -> None: ...

    async def stop(self) -> None: ...


class Fanout:
    """One listener for several parts."""

    def __init__(self, listeners: Sequence[IngestListener]) -> None:
        self._listeners = tuple(listeners)

    def evidence_committed(self, host_id: int, host_uuid: str) -> None:
        for listener in self._listeners:
            listener.evidence_committed(host_id, host_uuid)

    def observed(self, observation: Observation) -> None:
        for listener in self._listeners:
            listener.observed(observation)

    def stream_changed(self, host_uuid: str, connected: bool) -> None:
        for listener in self._listeners:
            listener.stream_changed(host_uuid, connected)

    def duplicate_refused(self, duplicate: DuplicateRefused) -> None:
        for listener in self._listeners:
            listener.duplicate_refused(duplicate)


class Collector:
    """`async with Collector(settings, parts) as core:`. `clock` is what certificates go by. Raises `StartError`."""

    def __init__(self, settings: Settings, parts: Sequence[Part] = (), clock: Callable[[], datetime] = utc_now) -> None:
        self.settings = settings
        self._clock = clock
        self.ingest_port = 0
        self._parts = tuple(parts)
        self._started: list[Part] = []
        self._engine: Engine | None = None
        self._core: Core | None = None
        self._server: grpc.aio.Server | None = None
        self._lock: StateLock | None = None

    async def __aenter__(self) -> Core:
        try:
            return await self._start()
        except BaseException:
            await self._stop("start failed")
            raise

    async def __aexit__(self, *_error: object) -> None:
        await self._stop("shutting down")

    async def _start(self) -> Core:
        settings = self.settings
        self._lock = StateLock(settings.path(settings.state_dir))
        tls = _tls(settings, self._clock)
        engine = self._engine = open_database(settings)
        writer = Writer(engine)
        readers = Readers(open_engine(settings.database, read_only=True, pool_size=READER_THREADS + 1), READER_THREADS)
        if engine.dialect.name == "sqlite":
            writer.write(close_all_streams)
        heard = [part.listener for part in self._parts]
        shared = Shared(writer, settings.ingest.limits(), Fanout([one for one in heard if one is not None]))
        identities = Identities(tls.authority, writer, readers, tls.anchor, settings.trust.host_days)
        ingest = IngestService(shared, version=version("chainwatch"), revoked=identities.refusal)
        core = self._core = Core(settings, writer, readers, ingest, tls, identities)
        for part in self._parts:
            self._started.append(part)
            await part.start(core)
        await self._listen(ingest, tls)
        identities.ingest_port = self.ingest_port
        return core

    async def _listen(self, ingest: IngestService, tls: LiveTls) -> None:
        section = self.settings.ingest
        try:
            self._server, self.ingest_port = make_server(ingest, section.listen, tls.tls.ingest, tls.newer_ingest())
        except ListenError as error:
            raise StartError(f"ingest: {error}") from None
        await self._server.start()
        ingest.start()
        LOG.info("ingest listens on %s:%d", section.listen.rpartition(":")[0], self.ingest_port)

    async def _stop(self, reason: str) -> None:
        core = self._core
        if self._server is not None and core is not None:
            await core.ingest.drain(reason)
            await self._server.stop(grace=1)
            self._server = None
        for part in reversed(self._started):
            await part.stop()
        self._started.clear()
        if core is not None:
            await asyncio.to_thread(core.writer.close)
            await asyncio.to_thread(core.readers.close)
            self._core = None
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def open_database(settings: Settings) -> Engine:
    """The engine of the migrated database. Raises `StartError`."""
    url = settings.database
    shown = url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite" and url.database is not None:
        _make_directory(Path(url.database).parent)
    engine = open_engine(url)
    try:
        before, after = migrate(engine)
    except SchemaTooNewError as error:
        engine.dispose()
        raise StartError(f"{shown}: {error}") from None
    except SQLAlchemyError as error:
        engine.dispose()
        reason = str(getattr(error, "orig", error)).strip().split("\n", 1)[0]
        raise StartError(f"{shown}: {reason}; is the server up, and does database_url name it?") from None
    if before != after:
        LOG.info("database migrated from %s to %s", before or "empty", after)
    return engine


def _tls(settings: Settings, clock: Callable[[], datetime]) -> LiveTls:
    try:
        return LiveTls(settings, clock)
    except TrustFileError as error:
        raise StartError(f"tls: {error}") from None


class StateLock:
    """One collector per state directory. Raises `StartError` where another process has it."""

    def __init__(self, directory: Path) -> None:
        _make_directory(directory)
        path = directory / "collector.lock"
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise StartError(f"{path}: another collector uses this state_dir: stop it or set another") from None

    def release(self) -> None:
        """Let the next one in."""
        os.close(self._descriptor)


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"{directory}: cannot be made: {error.strerror}; make it or set state_dir") from None

"""A real ingest server on loopback over each database, and a PKI."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from chainwatch_collector.keep.engine import open_engine
from chainwatch_collector.keep.migrate import migrate
from chainwatch_collector.keep.readers import Readers
from chainwatch_collector.keep.writer import Writer
from chainwatch_collector.receive.limits import IngestLimits
from chainwatch_collector.receive.server import TlsFiles, make_server
from chainwatch_collector.receive.service import IngestService
from chainwatch_collector.receive.shared import Shared
from chainwatch_collector.track.observations import DuplicateRefused, Observation
from lab.databases import Database, database, postgres_url
from lab.pki import Identity, Pki
from lab.wire import Wire, connect

__all__ = ["database", "postgres_url"]
HOST = "6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a11"


@dataclass
class Heard:
    """A listener that remembers."""

    committed: list[tuple[int, str]] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    streams: list[tuple[str, bool]] = field(default_factory=list)
    duplicates: list[DuplicateRefused] = field(default_factory=list)

    def evidence_committed(self, host_id: int, host_uuid: str) -> None:
        self.committed.append((host_id, host_uuid))

    def observed(self, observation: Observation) -> None:
        self.observations.append(observation)

    def stream_changed(self, host_uuid: str, connected: bool) -> None:
        self.streams.append((host_uuid, connected))

    def duplicate_refused(self, duplicate: DuplicateRefused) -> None:
        self.duplicates.append(duplicate)


@dataclass
class Ingest:
    """The running service and how to reach it."""

    service: IngestService
    port: int
    pki: Pki
    readers: Readers
    heard: Heard
    revoked: dict[str, str]
    identities: dict[str, Identity] = field(default_factory=dict)

    def connect(self, host_uuid: str = HOST) -> AbstractAsyncContextManager[Wire]:
        """A call as this host."""
        if host_uuid not in self.identities:
            self.identities[host_uuid] = self.pki.host(host_uuid)
        return connect(self.port, self.pki.ca, self.identities[host_uuid])


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def server_identity(pki: Pki) -> Identity:
    return pki.server()


@pytest.fixture
def limits() -> IngestLimits:
    return IngestLimits(hello_seconds=0.5, drain_seconds=0.3, revocation_check_seconds=0.1, silent_seconds=30)


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    engine = open_engine(database.parsed)
    migrate(engine)
    writer = Writer(engine, retry_seconds=1)
    yield writer
    writer.close()
    engine.dispose()


@pytest.fixture
async def ingest(
    database: Database, writer: Writer, limits: IngestLimits, pki: Pki, server_identity: Identity
) -> AsyncIterator[Ingest]:
    heard, revoked = Heard(), dict[str, str]()

    async def is_revoked(peer: object) -> str | None:
        return revoked.get(getattr(peer, "host_uuid", ""))

    service = IngestService(Shared(writer, limits, heard), version="0.1.0", revoked=is_revoked)
    server, port = make_server(
        service, "127.0.0.1:0", TlsFiles(server_identity.certificate, server_identity.key, pki.ca)
    )
    await server.start()
    service.start()
    readers = Readers(open_engine(database.parsed, read_only=True, pool_size=2))
    yield Ingest(service, port, pki, readers, heard, revoked)
    await service.drain("test ends")
    await server.stop(None)
    readers.close()


@pytest.fixture
def rogue(tmp_path: Path) -> Pki:
    """Another CA than the collector's."""
    return Pki(tmp_path / "rogue", "another CA")


def status_of(ended: tuple[grpc.StatusCode, str]) -> str:
    return ended[0].name


def new_host() -> str:
    return str(uuid.uuid4())

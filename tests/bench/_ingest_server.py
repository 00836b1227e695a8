"""`python -m bench._ingest_server DATABASE_URL CERTIFICATE KEY CA`: receive and keep alone, until stdin ends.

Prints its port when it listens. What is measured against a bare insert does not fold meanwhile.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from chainwatch_collector.keep.engine import open_engine, parse_url
from chainwatch_collector.keep.migrate import migrate
from chainwatch_collector.keep.writer import Writer
from chainwatch_collector.receive.limits import IngestLimits
from chainwatch_collector.receive.server import TlsFiles, make_server
from chainwatch_collector.receive.service import IngestService
from chainwatch_collector.receive.shared import Shared
from chainwatch_collector.track.observations import DuplicateRefused, Observation


class Nobody:
    """A listener that has nothing to do."""

    def evidence_committed(self, host_id: int, host_uuid: str) -> None:
        pass

    def observed(self, observation: Observation) -> None:
        pass

    def stream_changed(self, host_uuid: str, connected: bool) -> None:
        pass

    def duplicate_refused(self, duplicate: DuplicateRefused) -> None:
        pass


async def _nobody_is_revoked(_peer: object) -> None:
    return None


async def serve(url: str, tls: TlsFiles) -> None:
    """Until stdin ends."""
    engine = open_engine(parse_url(url))
    migrate(engine)
    writer = Writer(engine)
    service = IngestService(Shared(writer, IngestLimits(), Nobody()), version="0.1.0", revoked=_nobody_is_revoked)
    server, port = make_server(service, "127.0.0.1:0", tls)
    await server.start()
    service.start()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)
    await asyncio.to_thread(writer.close)
    engine.dispose()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], TlsFiles(*map(Path, sys.argv[2:5]))))

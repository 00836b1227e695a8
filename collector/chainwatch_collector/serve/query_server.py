"""QueryService on a loopback port of its own, which `one_port` joins gRPC clients of the web port to."""

from pathlib import Path
from typing import Final

import grpc
from chainwatch.v1 import query_service_pb2_grpc

from chainwatch_collector.receive.server import Newer, Pem, credentials
from chainwatch_collector.show.guard import Guard
from chainwatch_collector.show.model import ReadModel
from chainwatch_collector.show.query_service import QueryServicer

# Questions are small. Whoever is not through TLS by then, or asks nothing for so long, is cut off.
_LIMITS: Final = [
    ("grpc.max_receive_message_length", 64 * 1024),
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.max_concurrent_streams", 100),
    ("grpc.max_allowed_incoming_connections", 500),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 300_000),
]


class QueryServer:
    """`tls`: (certificate, key) as PEM files, None where the web port has none either; `newer`: what follows them."""

    def __init__(self, model: ReadModel, guard: Guard, tls: tuple[Path, Path] | None, newer: Newer) -> None:
        self._servicer = QueryServicer(model, guard)
        self._tls, self._newer = tls, newer
        self._server: grpc.aio.Server | None = None

    async def start(self) -> int:
        """The port it listens on."""
        server = self._server = grpc.aio.server(options=_LIMITS)
        query_service_pb2_grpc.add_QueryServiceServicer_to_server(self._servicer, server)
        if self._tls is None:
            port = server.add_insecure_port("127.0.0.1:0")
        else:
            certificate, key = self._tls
            pem = Pem(key.read_bytes(), certificate.read_bytes())
            port = server.add_secure_port("127.0.0.1:0", credentials(pem, self._newer))
        await server.start()
        return port

    async def stop(self) -> None:
        """End every watch and call."""
        self._servicer.close()
        if self._server is not None:
            await self._server.stop(grace=1)
            self._server = None

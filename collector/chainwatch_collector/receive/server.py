"""The gRPC server: mutual TLS always, keepalive that agents may use, limits below the messages."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import grpc
from chainwatch.v1 import ingest_service_pb2_grpc

from chainwatch_collector.receive.limits import FRAME_BYTES, READ_FACTOR, UNREAD_BYTES
from chainwatch_collector.receive.service import IngestService


class ListenError(Exception):
    """The address cannot be listened on, or the TLS files do not fit; the message says which and what to do."""


@dataclass(frozen=True)
class TlsFiles:
    """PEM files: the server's certificate and key, and the CA that signs the agents' certificates."""

    certificate: Path
    key: Path
    client_ca: Path


class Pem(NamedTuple):
    """What is in such files. Without `client_ca` a client needs no certificate."""

    key: bytes
    certificate: bytes
    client_ca: bytes | None = None


Newer = Callable[[], Pem | None]
"""Asked at every handshake, in a thread of gRPC's; None where what was given last still holds."""


def nothing_newer() -> Pem | None:
    """For a server whose files stay as they are."""
    return None


def read_files(files: TlsFiles) -> Pem:
    """Raises `ListenError` naming a file that cannot be read."""
    contents: list[bytes] = []
    for path in (files.key, files.certificate, files.client_ca):
        try:
            contents.append(path.read_bytes())
        except OSError as error:
            raise ListenError(f"{path}: {error.strerror or error}") from None
    return Pem(*contents)


def credentials(pem: Pem, newer: Newer) -> grpc.ServerCredentials:
    """Where there is a client CA, client certificates are required and verified. An open connection keeps its own."""

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        found = newer()
        return _configuration(found) if found is not None else None

    return grpc.dynamic_ssl_server_credentials(
        _configuration(pem),
        # gRPC's documentation has None for "as before"; its stubs do not.
        cast("Callable[[], grpc.ServerCertificateConfiguration]", fetch),
        require_client_authentication=pem.client_ca is not None,
    )


def _configuration(pem: Pem) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pem.key, pem.certificate)], root_certificates=pem.client_ca)


def make_server(
    service: IngestService, address: str, files: TlsFiles, newer: Newer = nothing_newer
) -> tuple[grpc.aio.Server, int]:
    """A server that is bound and not started, and its port. Raises `ListenError`."""
    limits = service.shared.limits
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", READ_FACTOR * (limits.max_message_bytes + FRAME_BYTES)),
            # What waits here unread, of each stream. Left to itself gRPC guesses from the line's speed: 30 MB and more.
            ("grpc.http2.bdp_probe", 0),
            ("grpc.http2.lookahead_bytes", UNREAD_BYTES),
            ("grpc.max_metadata_size", 16 * 1024),
            ("grpc.max_concurrent_streams", 16),
            # An agent has one call. Who opens many to give them up at once (CVE-2023-44487) is read more slowly.
            ("grpc.http2.max_requests_per_read", 1),
            # Agents ping while idle (proto/README.md 6.4); without these they are answered by GOAWAY.
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
            ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
            ("grpc.keepalive_permit_without_calls", 1),
            # A peer that vanished without a FIN is noticed within a minute.
            ("grpc.keepalive_time_ms", 40_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.so_reuseport", 0),
            # Who is not through TLS and HTTP/2's first frames by then, or has had no stream for so long, is cut off.
            ("grpc.server_handshake_timeout_ms", int(1000 * limits.handshake_seconds)),
            ("grpc.max_connection_idle_ms", int(1000 * limits.idle_connection_seconds)),
            # Above it a connection is closed as soon as it is accepted.
            ("grpc.max_allowed_incoming_connections", limits.max_streams + limits.spare_connections),
        ]
    )
    ingest_service_pb2_grpc.add_IngestServiceServicer_to_server(service, server)
    try:
        port = server.add_secure_port(address, credentials(read_files(files), newer))
    except RuntimeError:
        port = 0
    if port == 0:
        raise ListenError(f"cannot listen on {address}: is it in use, or are the TLS files not a pair?")
    return server, port

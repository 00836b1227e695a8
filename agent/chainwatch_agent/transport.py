"""The one module that knows grpc: a channel over mutual TLS, one call on it, and how calls end.

`grpc.aio` alone: on grpcio 1.48 an open stream of the synchronous API wakes up 900 times a second.
"""

import asyncio
import io
from typing import NamedTuple, Optional

import grpc
import grpc.aio
from chainwatch.v1 import ingest_service_pb2, ingest_service_pb2_grpc
from google.protobuf.internal import api_implementation

Message = ingest_service_pb2.AgentMessage
Answer = ingest_service_pb2.CollectorMessage
# What the collector may send at most: Welcome with 64 positions of 64 logs, a policy.
_MAX_ANSWER_BYTES = 4 * 1024 * 1024


class Tls(NamedTuple):
    """Paths of PEM files."""

    ca: str
    certificate: str
    key: str


class TlsError(Exception):
    """A TLS file that cannot be used: which, why, and what to do."""


class StreamEnded(Exception):  # noqa: N818 - an end is not an error
    """The call is over. `code` is gRPC's name of the status, `details` what the collector said."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__("{}: {}".format(code, details))
        self.code = code
        self.details = details


def slow_protobuf() -> bool:
    """Whether protobuf runs in pure Python, which costs six times the CPU."""
    return api_implementation.Type() == "python"


def credentials(tls: Tls) -> grpc.ChannelCredentials:
    """Read the files. Raises `TlsError`."""
    parts = []
    for path in (tls.ca, tls.key, tls.certificate):
        try:
            with io.open(path, "rb") as stream:
                data = stream.read(1024 * 1024)
        except OSError as error:
            why = error.strerror or str(error)
            raise TlsError("{}: {}: chainwatch-agent enroll makes it".format(path, why)) from None
        if b"-----BEGIN " not in data:
            raise TlsError("{}: that is no PEM file".format(path))
        parts.append(data)
    return grpc.ssl_channel_credentials(parts[0], parts[1], parts[2])


class Stream:
    """One call of `StreamEvidence`. Every method but `close` raises `StreamEnded` when the call is over."""

    def __init__(self, address: str, tls: Tls, keepalive_seconds: float) -> None:
        """Open a channel; nothing is connected before the first write. Raises `TlsError`."""
        options = [
            ("grpc.keepalive_time_ms", int(keepalive_seconds * 1000)),
            ("grpc.keepalive_timeout_ms", int(max(5.0, keepalive_seconds / 2) * 1000)),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.max_receive_message_length", _MAX_ANSWER_BYTES),
            # Also the time-out of a connection: shorter, and a slow handshake never ends.
            ("grpc.min_reconnect_backoff_ms", 10000),
            ("grpc.enable_retries", 0),
        ]
        self._channel = grpc.aio.secure_channel(
            address, credentials(tls), options=options, compression=grpc.Compression.Gzip
        )
        self._call = ingest_service_pb2_grpc.IngestServiceStub(self._channel).StreamEvidence()

    async def write(self, message: Message) -> None:
        """Hand a message to the transport, which waits while the collector does not read."""
        try:
            await self._call.write(message)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError):
            # On a call that is over grpc.aio raises one or the other, and only the call knows why.
            raise await self._ended() from None

    async def read(self) -> Answer:
        """The next message of the collector."""
        try:
            answer = await self._call.read()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError):
            raise await self._ended() from None
        if answer is grpc.aio.EOF or not isinstance(answer, Answer):
            raise await self._ended()
        return answer

    async def half_close(self) -> None:
        """No more messages from us."""
        try:
            await self._call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError):
            raise await self._ended() from None

    async def close(self) -> None:
        """End the call, whatever its state, and the channel."""
        self._call.cancel()
        await self._channel.close()

    async def _ended(self) -> StreamEnded:
        if not self._call.done():
            # Its end was seen, its status not yet; a call that never ends is ended here.
            try:
                await asyncio.wait_for(asyncio.shield(self._call.code()), 5.0)
            except (asyncio.TimeoutError, asyncio.CancelledError):
                self._call.cancel()
        code, details = await self._call.code(), await self._call.details()
        return StreamEnded(code.name if code is not None else "UNKNOWN", _text(details))


def _text(details: "Optional[str]") -> str:
    return " ".join((details or "").split())[:1000]

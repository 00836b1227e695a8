"""The agent's end of the wire contract, by hand: for tests that must send exactly this or exactly that."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc
from chainwatch.v1 import evidence_pb2, ingest_service_pb2, ingest_service_pb2_grpc

from lab.pki import Identity

SMLOG = "/var/log/SMlog"


def now_us() -> int:
    return time.time_ns() // 1000


def key_of(data: bytes, salt: int = 0) -> evidence_pb2.FileKey:
    """The identity of a file with these bytes."""
    first = data.lstrip(b"\0").split(b"\n", 1)[0] + b"\n"
    return evidence_pb2.FileKey(fingerprint=hashlib.sha256(first[:8192]).digest(), salt=salt)


def tail_of(data: bytes, offset: int) -> bytes:
    return hashlib.sha256(data[max(0, offset - 1024) : offset]).digest()


def hello(**fields: Any) -> ingest_service_pb2.Hello:
    """A Hello that is right in every field unless told otherwise."""
    known: dict[str, Any] = {
        "hostname": "xcp-1",
        "machine_id": "a" * 32,
        "agent_version": "0.1.0",
        "agent_epoch": 7,
        "agent_clock_us": now_us(),
        "timezone": "UTC",
        "python": "3.6.15",
        "features": ["samples", "status", "policy", "evidence", "drain", "reopen"],
        "logs": [SMLOG],
    }
    return ingest_service_pb2.Hello(**(known | fields))


def file_seen(data: bytes, salt: int = 0, log: str = SMLOG, **fields: Any) -> evidence_pb2.FileSeen:
    """The announcement of a file with these bytes."""
    first_line = data.split(b"\n", 1)[0] + b"\n"
    return evidence_pb2.FileSeen(
        file=key_of(data, salt), log=log, name=log, first_line=first_line, mtime_us=now_us(), **fields
    )


def slices_message(start: int, parts: Sequence[tuple[int, bytes]]) -> evidence_pb2.Slices:
    """The columns of these slices (offset, data), ascending, of a span that begins at `start`."""
    ends = [start, *(offset + len(part) for offset, part in parts)]
    return evidence_pb2.Slices(
        skipped_bytes=[offset - end for end, (offset, _) in zip(ends, parts, strict=False)],
        size_bytes=[len(part) for _, part in parts],
        data=b"".join(part for _, part in parts),
    )


def span(
    data: bytes, start: int, end: int, slices: Sequence[tuple[int, bytes]] | None = None, salt: int = 0, **fields: Any
) -> evidence_pb2.Span:
    """`[start, end)` of a file with these bytes, everything selected unless slices are given."""
    parts = [(start, data[start:end])] if slices is None else slices
    known: dict[str, Any] = {"policy_id": 0, "read_at_us": now_us(), "tail_sha256": tail_of(data, end)}
    return evidence_pb2.Span(
        file=key_of(data, salt),
        from_offset=start,
        to_offset=end,
        slices=slices_message(start, parts),
        **(known | fields),
    )


class Wire:
    """One open call."""

    def __init__(self, call: Any) -> None:
        self.call = call

    async def send(self, **body: Any) -> None:
        """`send(span=…)`."""
        await self.call.write(ingest_service_pb2.AgentMessage(**body))

    async def receive(self, seconds: float = 10.0) -> ingest_service_pb2.CollectorMessage:
        """The next message. Raises `grpc.aio.AioRpcError` where the collector ended the stream."""
        message = await asyncio.wait_for(self.call.read(), seconds)
        if not isinstance(message, ingest_service_pb2.CollectorMessage):
            code, details = await self.call.code(), await self.call.details()
            raise EndedError(code, details or "")
        return message

    async def welcome(self, **fields: Any) -> ingest_service_pb2.Welcome:
        """Say Hello and get the Welcome."""
        await self.send(hello=hello(**fields))
        message = await self.receive()
        assert message.WhichOneof("body") == "welcome"
        return message.welcome

    async def ack(self) -> ingest_service_pb2.Ack:
        """The next message, which must be an Ack."""
        message = await self.receive()
        assert message.WhichOneof("body") == "ack", message
        return message.ack

    async def acked_to(self, key: evidence_pb2.FileKey, offset: int) -> ingest_service_pb2.Ack:
        """Acks until this file is committed to `offset`."""
        while True:
            ack = await self.ack()
            if ack.file == key and ack.to_offset >= offset:
                return ack

    async def ended(self) -> tuple[grpc.StatusCode, str]:
        """How the collector ended it; messages before are skipped."""
        try:
            while True:
                await self.receive()
        except EndedError as error:
            return error.code, error.details
        except grpc.aio.AioRpcError as error:
            return error.code(), error.details() or ""


class EndedError(Exception):
    """The collector ended the call."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code
        self.details = details


@asynccontextmanager
async def connect(port: int, ca: Path, identity: Identity | None) -> AsyncIterator[Wire]:
    """A channel and a call, closed at the end."""
    credentials = grpc.ssl_channel_credentials(
        ca.read_bytes(),
        identity.key.read_bytes() if identity else None,
        identity.certificate.read_bytes() if identity else None,
    )
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
        stub = cast("Any", ingest_service_pb2_grpc.IngestServiceStub(channel))
        call = stub.StreamEvidence()
        try:
            yield Wire(call)
        finally:
            call.cancel()

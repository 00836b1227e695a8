"""Raw log lines asked of an agent over its own stream (proto/README.md 9). One request per host at a time."""

import asyncio
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from chainwatch.v1 import evidence_pb2, ingest_service_pb2


class EvidenceRefusedError(Exception):
    """The agent, or its absence, refused; the message says why and what would help."""


class EvidencePart(NamedTuple):
    """Raw bytes of a log from `from_offset` of a file that is named by its fingerprint."""

    file: evidence_pb2.FileKey
    from_offset: int
    data: bytes
    truncated: bool


@dataclass
class _Waiting:
    request_id: int
    max_bytes: int
    done: "asyncio.Future[list[EvidencePart]]"
    parts: list[EvidencePart] = field(default_factory=list)
    size: int = 0


class EvidenceRequests:
    """Requests under way, by host."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._waiting: dict[str, _Waiting] = {}

    def begin(
        self, host_uuid: str, request: ingest_service_pb2.EvidenceRequest
    ) -> "asyncio.Future[list[EvidencePart]]":
        """Number the request. Raises `EvidenceRefusedError` where one is under way."""
        if host_uuid in self._waiting:
            raise EvidenceRefusedError("this host is answering another request: try again in a few seconds")
        request.request_id = next(self._numbers)
        future: asyncio.Future[list[EvidencePart]] = asyncio.get_running_loop().create_future()
        self._waiting[host_uuid] = _Waiting(request.request_id, request.max_bytes, future)
        return future

    def end(self, host_uuid: str) -> None:
        """Forget the request, whatever became of it."""
        self._waiting.pop(host_uuid, None)

    def reply(self, host_uuid: str, reply: ingest_service_pb2.EvidenceReply) -> None:
        """A part of an answer. What nobody asked for, and what exceeds the bound, is dropped."""
        waiting = self._waiting.get(host_uuid)
        if waiting is None or waiting.request_id != reply.request_id or waiting.done.done():
            return
        if reply.error:
            waiting.done.set_exception(EvidenceRefusedError(reply.error[:500]))
            return
        room = waiting.max_bytes - waiting.size
        if reply.data:
            data = reply.data[:room]
            waiting.size += len(data)
            cut = reply.truncated or len(data) < len(reply.data)
            waiting.parts.append(EvidencePart(reply.file, reply.from_offset, data, cut))
        if reply.last or waiting.size >= waiting.max_bytes:
            waiting.done.set_result(waiting.parts)

    def gone(self, host_uuid: str) -> None:
        """The host's stream ended."""
        waiting = self._waiting.get(host_uuid)
        if waiting is not None and not waiting.done.done():
            waiting.done.set_exception(EvidenceRefusedError("the agent disconnected while it was answering"))

"""Raw lines of a log around a time, asked for by the collector (proto/README.md section 9). One request at a time."""

import time
from typing import Callable, Dict, Iterator, List, Optional, Tuple

from chainwatch.v1 import evidence_pb2, ingest_service_pb2

from chainwatch_agent.generations import Generation, generations
from chainwatch_agent.identity import FIRST_LINE_BYTES, fingerprint, first_line
from chainwatch_agent.line_time import find_time, line_time
from chainwatch_agent.scrub import scrub
from chainwatch_agent.sources import DamagedError, Source, open_source

Message = ingest_service_pb2.AgentMessage
MAX_BYTES = 1024 * 1024
_REPLY_BYTES = 128 * 1024
_BLOCK_BYTES = 64 * 1024
_DEFAULT_SECONDS = 30.0


class EvidenceServer:
    """`logs` maps dom0's path to where it is. Replies are made one at a time, so that nothing waits behind them."""

    def __init__(self, logs: Dict[str, str], allowed: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._logs = logs
        self._allowed = allowed
        self._clock = clock
        self._replies: Optional[Iterator[ingest_service_pb2.EvidenceReply]] = None

    def asked(self, request: ingest_service_pb2.EvidenceRequest) -> List[Message]:
        """Begin to answer; a refusal is handed out at once."""
        refusal = self._refusal(request)
        if refusal:
            return [_message(_error(request, refusal))]
        self._replies = self._answer(request, self._clock() + (float(request.deadline_seconds) or _DEFAULT_SECONDS))
        return []

    def next_replies(self) -> List[Message]:
        """The next part of the answer, empty where none is under way."""
        if self._replies is None:
            return []
        reply = next(self._replies, None)
        if reply is None or reply.last:
            self._replies = None
        return [_message(reply)] if reply is not None else []

    def stop(self) -> None:
        """The stream is gone, and with it who asked."""
        self._replies = None

    def _refusal(self, request: ingest_service_pb2.EvidenceRequest) -> str:
        if not self._allowed:
            return "this agent hands out no evidence: [evidence] allow=yes in its agent.conf permits it"
        if self._replies is not None:
            return "another request is being answered"
        if request.log not in self._logs:
            return "{} is not followed; [log] files in agent.conf names those that are".format(request.log[:200])
        return ""

    def _answer(
        self, request: ingest_service_pb2.EvidenceRequest, deadline: float
    ) -> Iterator[ingest_service_pb2.EvidenceReply]:
        try:
            for reply in self._parts(request):
                if self._clock() > deadline:
                    yield _error(request, "not found within the deadline")
                    return
                yield reply
        except (OSError, DamagedError) as error:
            yield _error(request, "{}: {}".format(request.log, error))

    def _parts(self, request: ingest_service_pb2.EvidenceRequest) -> Iterator[ingest_service_pb2.EvidenceReply]:
        found = _generation_at(generations(request.log, self._logs[request.log]), request.around_us)
        if found is None:
            yield _error(request, "{}: there is no such file".format(request.log))
            return
        source = open_source(found.path)
        try:
            line = first_line(source.read_at)
            if line is None:
                yield _error(request, "{}: has no complete line".format(found.name))
                return
            key = evidence_pb2.FileKey(fingerprint=fingerprint(line[:FIRST_LINE_BYTES]))
            most = min(request.max_bytes or MAX_BYTES, MAX_BYTES)
            offset = _around(source, found, request.around_us / 1e6, most)
            yield from _replies(request, key, source, offset, most)
        finally:
            source.close()


def _generation_at(found: List[Generation], around_us: int) -> Optional[Generation]:
    """The oldest file that was still written to at that time, else the live one."""
    for one in found:
        if one.mtime_us >= around_us:
            return one
    return found[-1] if found else None


def _around(source: Source, one: Generation, around: float, most: int) -> int:
    """An offset so that the time lies in the middle of `most` bytes. A .gz is looked through from its beginning."""
    near = one.mtime_us / 1e6
    if source.compressed:
        middle = _find_forwards(source, around, near)
    else:
        middle = find_time(source.read_at, source.size(), around, near)
    return max(0, middle - most // 2)


def _find_forwards(source: Source, around: float, near: float) -> int:
    """The first line that is not older, block by block; the end where there is none."""
    at = 0
    while True:
        block = source.read_at(at, _BLOCK_BYTES)
        last = line_time(block[block.rfind(b"\n", 0, -1) + 1 :], near)
        if last is not None and last >= around:
            break
        if len(block) < _BLOCK_BYTES:
            return at + len(block)
        at += block.rfind(b"\n") + 1 or len(block)
    for line in block.split(b"\n"):
        time = line_time(line, near)
        if time is not None and time >= around:
            break
        at += len(line) + 1
    return at


def _replies(
    request: ingest_service_pb2.EvidenceRequest, key: evidence_pb2.FileKey, source: Source, offset: int, most: int
) -> Iterator[ingest_service_pb2.EvidenceReply]:
    literals = [word.encode("utf-8") for word in request.literals]
    reply = ingest_service_pb2.EvidenceReply(request_id=request.request_id, file=key, from_offset=offset)
    sent = 0
    for at, line in _lines(source, offset):
        if literals and not any(word in line for word in literals):
            continue
        if sent + len(line) > most:
            reply.truncated = True
            break
        if reply.data and (len(reply.data) + len(line) > _REPLY_BYTES or reply.from_offset + len(reply.data) != at):
            yield reply
            reply = ingest_service_pb2.EvidenceReply(request_id=request.request_id, file=key)
        if not reply.data:
            reply.from_offset = at
        reply.data += scrub(line)[0]
        sent += len(line)
    reply.last = True
    yield reply


def _lines(source: Source, offset: int) -> "Iterator[Tuple[int, bytes]]":
    """Whole lines from the first that begins at or behind `offset`."""
    rest, at = b"", offset
    skip = offset > 0
    while True:
        block = source.read_at(at + len(rest), _BLOCK_BYTES)
        lines = (rest + block).split(b"\n")
        rest = lines.pop()[: 2 * _BLOCK_BYTES]
        for line in lines:
            if not skip:
                yield at, line + b"\n"
            skip = False
            at += len(line) + 1
        if not block:
            return


def _error(request: ingest_service_pb2.EvidenceRequest, text: str) -> ingest_service_pb2.EvidenceReply:
    return ingest_service_pb2.EvidenceReply(request_id=request.request_id, error=text[:1000], last=True)


def _message(reply: ingest_service_pb2.EvidenceReply) -> Message:
    return Message(evidence_reply=reply)

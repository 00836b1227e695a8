"""One agent's stream: read, bound what is pending, hand it to the writer, acknowledge what it committed.

One coroutine reads; a short-lived one (`_pump`) commits and acknowledges while there is something to commit, so that an
idle stream costs one coroutine. Everything here runs in the event loop's thread; `StreamBatch.apply` in the writer's.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence

import grpc
from chainwatch.v1 import ingest_service_pb2

from chainwatch_collector.keep.ingest import StreamBatch
from chainwatch_collector.keep.intake import (
    Committed,
    FileKey,
    FileSeenIn,
    ObservationIn,
    Refusal,
    SpanIn,
    StreamOpened,
)
from chainwatch_collector.keep.writer import LITTLE_COST, Priority, WriterBusyError
from chainwatch_collector.receive.answers import acks_of
from chainwatch_collector.receive.identity import Peer
from chainwatch_collector.receive.limits import FRAME_BYTES, MAX_FILES_SEEN, REPLY_FACTOR
from chainwatch_collector.receive.messages import MessageError, item_of, policy_in
from chainwatch_collector.receive.observations import observation_of
from chainwatch_collector.receive.pace import points_of
from chainwatch_collector.receive.pending import Pending, Unit
from chainwatch_collector.receive.shared import Shared

LOG = logging.getLogger(__name__)
Context = grpc.aio.ServicerContext[ingest_service_pb2.AgentMessage, ingest_service_pb2.CollectorMessage]
_BUSY_SECONDS = 0.05
# An observation that is alone waits so long for those of other hosts: a commit costs more than what is in it.
_COMPANY_SECONDS = 0.05
_CATCHING_UP_SECONDS = 2.0
_STATUS = {
    "superseded": grpc.StatusCode.ABORTED,
    "hole": grpc.StatusCode.FAILED_PRECONDITION,
    "unknown file": grpc.StatusCode.FAILED_PRECONDITION,
    "duplicate host": grpc.StatusCode.FAILED_PRECONDITION,
    "revoked": grpc.StatusCode.PERMISSION_DENIED,
}


class StreamEndedError(Exception):
    """Why we end the stream: a status and a text for the agent's operator. `late`: no haste to say so."""

    def __init__(self, code: grpc.StatusCode, text: str, *, late: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.late = late


class AgentFaultError(StreamEndedError):
    """No agent may do that (proto/README.md): counted against its host, and told.

    `lenient`: now and then an honest one does, in whose place the collector's database or the network was at fault.
    """

    def __init__(self, code: grpc.StatusCode, text: str, *, lenient: bool = False, late: bool = False) -> None:
        super().__init__(code, text, late=late)
        self.lenient = lenient


def ended_by(refusal: Refusal) -> StreamEndedError:
    """A refusal of the store as gRPC says it (proto/README.md 10)."""
    code, text = _STATUS[refusal.kind], f"{refusal.kind}: {refusal.detail}"
    if refusal.kind in ("hole", "unknown file"):
        return AgentFaultError(code, text, lenient=True)
    return StreamEndedError(code, text)


class HostStream:
    """Lives from Welcome to the end of the call."""

    def __init__(
        self,
        shared: Shared,
        context: Context,
        peer: Peer,
        hello: ingest_service_pb2.Hello,
        opened: StreamOpened,
    ) -> None:
        self.peer = peer
        self.hello = hello
        self.opened = opened
        self.last_message_at = time.monotonic()
        self._shared = shared
        self._context = context
        self._seen: dict[FileKey, FileSeenIn] = {}
        self._pending = Pending()
        self._in_flight_bytes = 0
        self._reply_room_bytes = 0
        self._room = asyncio.Event()
        self._room.set()
        self._waits_for_company = False
        self._much_at = float("-inf")
        self._pump_task: asyncio.Task[None] | None = None
        self._reader_task: asyncio.Task[None] | None = None
        self._write_lock = asyncio.Lock()
        self._pace = shared.paces.of(peer.host_uuid, self.last_message_at)
        self._end: StreamEndedError | None = None

    async def run(self) -> None:
        """Read until the agent half-closes. Raises `StreamEndedError` where we end it."""
        self._reader_task = asyncio.ensure_future(self._read())
        try:
            await self._reader_task
        except asyncio.CancelledError:
            if self._end is None:
                raise
        finally:
            self._reader_task.cancel()
            if self._end is None and self._pump_task is not None:
                # The agent half-closed: what it sent is committed and acknowledged first.
                await self._pump_task
            elif self._pump_task is not None:
                self._pump_task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._pump_task
            self._shared.budget.give_back(self._pending.size_bytes + self._in_flight_bytes)
        if self._end is not None:
            raise self._end

    def fail(self, error: StreamEndedError) -> None:
        """End the stream from our side; safe to call at any time, the first reason counts."""
        if self._end is None:
            self._end = error
            if self._reader_task is not None:
                self._reader_task.cancel()

    async def send(self, message: ingest_service_pb2.CollectorMessage) -> None:
        """One write at a time is all that gRPC allows. To a peer that is gone nothing is sent: its reader says so."""
        async with self._write_lock:
            with contextlib.suppress(grpc.aio.BaseError):
                await self._context.write(message)

    async def ask(self, request: ingest_service_pb2.EvidenceRequest) -> None:
        """Ask for raw lines; only what is asked for may come. A reply is a line at worst, in a frame of its own."""
        self._reply_room_bytes += REPLY_FACTOR * request.max_bytes + FRAME_BYTES
        await self.send(ingest_service_pb2.CollectorMessage(evidence_request=request))

    async def change_policy(self, policy: ingest_service_pb2.Policy) -> None:
        """Store the policy under this agent's floor, then tell the agent."""
        stored = policy_in(self.hello.policy, policy)
        self.opened.policy_rows[stored.policy_id] = await self._shared.store_policy(stored)
        await self.send(ingest_service_pb2.CollectorMessage(policy=policy))

    async def _read(self) -> None:
        limits = self._shared.limits
        while True:
            message = await self._context.read()
            if not isinstance(message, ingest_service_pb2.AgentMessage):
                return  # grpc.aio.EOF
            self.last_message_at = time.monotonic()
            self._shared.counters.messages_total += 1
            size = message.ByteSize()
            if size > limits.max_message_bytes + FRAME_BYTES:
                text = f"a message of {size} bytes is larger than max_message_bytes, {limits.max_message_bytes}"
                raise self._ending(AgentFaultError(grpc.StatusCode.RESOURCE_EXHAUSTED, text))
            if message.WhichOneof("body") == "evidence_reply":
                self._reply(message.evidence_reply, size)
            else:
                self._take(message, size)
            await self._pause(points_of(message, size))
            if self._pending.size_bytes > limits.window_bytes:
                self._room.clear()
                await self._room.wait()
            await self._shared.budget.wait()

    async def _pause(self, points: float) -> None:
        """A host that says much is read no faster than its pace allows."""
        now = time.monotonic()
        wait = self._pace.wait_seconds(points, now)
        if not wait:
            return
        self._shared.counters.slowed_total += 1
        if self._pace.to_tell(now):
            LOG.warning("host %s: its agent says more than any should: its stream is slowed", self.peer.host_uuid)
            if self._pace.lasts(now):
                self._shared.faults.slowed(self.peer.host_uuid, self._context.peer())
        await asyncio.sleep(wait)

    def _reply(self, reply: ingest_service_pb2.EvidenceReply, size: int) -> None:
        self._reply_room_bytes -= size
        if self._reply_room_bytes < 0:
            text = "evidence_reply: more of it than was asked for on this stream"
            raise self._ending(AgentFaultError(grpc.StatusCode.INVALID_ARGUMENT, text))
        self._shared.evidence.reply(self.peer.host_uuid, reply)

    def _take(self, message: ingest_service_pb2.AgentMessage, size: int) -> None:
        counters = self._shared.counters
        try:
            item = item_of(message, self.opened.policy_rows)
        except MessageError as error:
            counters.malformed_messages_total += 1
            raise self._ending(AgentFaultError(grpc.StatusCode.INVALID_ARGUMENT, str(error))) from None
        if item is None:
            counters.unknown_messages_total += 1
            return
        if isinstance(item, FileSeenIn):
            if len(self._seen) >= MAX_FILES_SEEN:
                text = f"file_seen: more than {MAX_FILES_SEEN} files in one stream"
                raise self._ending(AgentFaultError(grpc.StatusCode.RESOURCE_EXHAUSTED, text))
            self._seen[item.key] = item
            return
        counters.bytes_received_total += size
        counters.spans_total += isinstance(item, SpanIn)
        self._pending.add(item, size)
        self._shared.budget.take(size)
        if self._waits_for_company and not isinstance(item, ObservationIn):
            # Lines must not wait behind it.
            self._shared.writer.hurry()
        if self._pump_task is None or self._pump_task.done():
            self._pump_task = asyncio.ensure_future(self._pump())

    def _ending(self, error: StreamEndedError) -> StreamEndedError:
        self._end = self._end or error
        return self._end

    async def _pump(self) -> None:
        try:
            while self._pending and self._end is None:
                await self._commit_once()
        except grpc.aio.AbortError:
            raise
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the store raises ends this stream, not the service
            LOG.error("a commit for host %s failed: %s", self.peer.host_uuid, str(error).split("\n", 1)[0])
            self.fail(StreamEndedError(grpc.StatusCode.UNAVAILABLE, "the collector's database refused the write"))

    async def _commit_once(self) -> None:
        unit = self._pending.take(self._shared.writer.most_cost)
        self._in_flight_bytes = unit.size_bytes
        try:
            committed = await self._committed(unit)
        finally:
            self._waits_for_company = False
            self._in_flight_bytes = 0
            self._shared.budget.give_back(unit.size_bytes)
            self._room.set()
        await self._tell(committed)
        reopened = {ack.key for ack in committed.acks if ack.reopen_salt}
        self._shared.budget.give_back(self._pending.drop_rest(reopened))
        await self._acknowledge(committed)
        if committed.refusal is not None:
            self.fail(ended_by(committed.refusal))

    async def _committed(self, unit: Unit) -> Committed:
        """When it is durable, however long the writer is busy."""
        epoch, now_us = self.opened.stream_epoch, self._shared.now_us()
        batch = StreamBatch(self.opened.host_id, epoch, self._seen, unit.items, now_us)
        alone = all(isinstance(item, ObservationIn) for item in unit.items)
        now = time.monotonic()
        if unit.cost > LITTLE_COST:
            self._much_at = now
        while True:
            try:
                future = self._shared.writer.submit(
                    batch.apply,
                    priority=Priority.EVIDENCE,
                    weight=unit.size_bytes,
                    cost=unit.cost,
                    catching_up=now - self._much_at < _CATCHING_UP_SECONDS,
                    within_seconds=_COMPANY_SECONDS if alone else 0.0,
                )
            except WriterBusyError:
                self._shared.counters.busy_waits_total += 1
                await asyncio.sleep(_BUSY_SECONDS)
                continue
            self._waits_for_company = alone
            return await asyncio.wrap_future(future)

    async def _tell(self, committed: Committed) -> None:
        counters = self._shared.counters
        counters.commits_total += 1
        counters.lines_stored_total += committed.lines_stored
        counters.lines_repeated_total += committed.lines_repeated
        counters.gaps_total += committed.gaps
        counters.observations_total += len(committed.observations)
        counters.reopened_total += sum(1 for ack in committed.acks if ack.reopen_salt)
        host_uuid = self.peer.host_uuid
        if committed.evidence:
            self._shared.listener.evidence_committed(self.opened.host_id, host_uuid)
        for observation in _worth_telling(committed.observations):
            self._shared.listener.observed(observation_of(host_uuid, observation))
            # A long one takes milliseconds; others have their turn in between.
            await asyncio.sleep(0)

    async def _acknowledge(self, committed: Committed) -> None:
        for ack in acks_of(committed):
            await self.send(ingest_service_pb2.CollectorMessage(ack=ack))


def _worth_telling(observations: Sequence[ObservationIn]) -> list[ObservationIn]:
    """Of Status only the newest says how things are; each is parsed for its listener."""
    newest = max((n for n, one in enumerate(observations) if one.kind == "status"), default=-1)
    return [one for n, one in enumerate(observations) if one.kind != "status" or n == newest]

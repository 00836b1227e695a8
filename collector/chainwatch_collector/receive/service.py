"""`IngestService` as agents see it: who may open a stream, which stream is the host's, how they all end."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import grpc
from chainwatch.v1 import ingest_service_pb2, ingest_service_pb2_grpc
from sqlalchemy.exc import SQLAlchemyError

from chainwatch_collector.keep.intake import HelloIn, Refusal, StreamOpened
from chainwatch_collector.keep.streams import close_stream, open_stream
from chainwatch_collector.keep.writer import Priority, WriterBusyError, WriterClosedError
from chainwatch_collector.rate import RateLimit
from chainwatch_collector.receive.answers import welcome_of
from chainwatch_collector.receive.evidence_requests import EvidencePart, EvidenceRefusedError
from chainwatch_collector.receive.identity import IdentityError, Peer, peer_of
from chainwatch_collector.receive.messages import MessageError, hello_of
from chainwatch_collector.receive.shared import Shared
from chainwatch_collector.receive.stream import AgentFaultError, Context, HostStream, StreamEndedError, ended_by
from chainwatch_collector.track.observations import DuplicateRefused

LOG = logging.getLogger(__name__)
_SWEEP_SECONDS = 5.0
_LAST_WORDS_SECONDS = 2.0
_MAX_HELD_BACK = 100
RevokedCheck = Callable[[Peer], Awaitable[str | None]]


async def never_revoked(_peer: Peer) -> str | None:
    """For a collector without a table of certificates."""
    return None


class IngestService(ingest_service_pb2_grpc.IngestServiceServicer):
    """`revoked` says why a certificate may not be used, None where it may; asked at Hello and every minute."""

    def __init__(self, shared: Shared, *, version: str, revoked: RevokedCheck = never_revoked) -> None:
        self.shared = shared
        self._version = version
        self._revoked = revoked
        self._policy: ingest_service_pb2.Policy | None = None
        self._streams: dict[str, HostStream] = {}
        self._open_calls = 0
        self._held_back = 0
        self._draining = False
        self._sweeper: asyncio.Task[None] | None = None
        limits = shared.limits
        self._opens = RateLimit(limits.stream_opens_per_minute, limits.stream_opens_burst, limits.max_streams)

    @property
    def connected(self) -> frozenset[str]:
        """Uuids of hosts with a stream here now."""
        return frozenset(self._streams)

    @property
    def held(self) -> dict[str, int]:
        """Host uuid → epoch of the stream that it has here now."""
        return {uuid: stream.opened.stream_epoch for uuid, stream in self._streams.items()}

    def start(self) -> None:
        """Begin looking after silent and revoked streams."""
        self._sweeper = asyncio.ensure_future(self._sweep())

    async def StreamEvidence(  # type: ignore[override]  # noqa: N802 - the proto's name; gRPC takes a coroutine too
        self, request_iterator: object, context: Context
    ) -> None:
        """One agent's stream. Every end that we choose has a status and a text for the agent's operator."""
        counters = self.shared.counters
        self._open_calls += 1
        try:
            await self._serve(context)
        except StreamEndedError as error:
            if error.code is grpc.StatusCode.ABORTED:
                counters.streams_superseded_total += 1
            if isinstance(error, AgentFaultError):
                host_uuid = peer_of(context.auth_context()).host_uuid
                now = time.monotonic()
                counters.streams_faulty_total += 1
                self.shared.faults.met(host_uuid, error.text, context.peer(), now, lenient=error.lenient)
            if error.late:
                await self._hold_back()
            await context.abort(error.code, error.text)
        finally:
            self._open_calls -= 1

    async def _serve(self, context: Context) -> None:
        peer = self._identify(context)
        hello = await self._hello(context)
        opened = await self._open(peer, hello, context.peer())
        stream = HostStream(self.shared, context, peer, hello, opened)
        self._take_over(stream)
        counters, listener = self.shared.counters, self.shared.listener
        counters.streams_opened_total += 1
        counters.streams += 1
        listener.stream_changed(peer.host_uuid, True)
        LOG.info("host %s: stream epoch %d, agent %s", peer.host_uuid, opened.stream_epoch, hello.agent_version)
        try:
            await stream.send(self._welcome(opened))
            await stream.run()
        finally:
            counters.streams -= 1
            if self._streams.get(peer.host_uuid) is stream:
                del self._streams[peer.host_uuid]
                self.shared.evidence.gone(peer.host_uuid)
                listener.stream_changed(peer.host_uuid, False)
            self._mark_closed(opened)

    def _identify(self, context: Context) -> Peer:
        limits, counters = self.shared.limits, self.shared.counters
        try:
            peer = peer_of(context.auth_context())
        except IdentityError as error:
            counters.streams_refused_total += 1
            raise StreamEndedError(grpc.StatusCode.UNAUTHENTICATED, str(error)) from None
        if self._draining:
            raise StreamEndedError(grpc.StatusCode.UNAVAILABLE, "the collector is shutting down")
        if self._open_calls > limits.max_streams:
            counters.streams_refused_total += 1
            text = f"the collector serves {limits.max_streams} streams already: raise max_streams or add a collector"
            raise StreamEndedError(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        self._may_open(peer.host_uuid, time.monotonic())
        return peer

    def _may_open(self, host_uuid: str, now: float) -> None:
        counters = self.shared.counters
        wait = self.shared.faults.wait_seconds(host_uuid, now)
        if wait:
            counters.streams_refused_total += 1
            times = self.shared.faults.times(host_uuid)
            text = f"streams of this host were ended {times} times for its agent's fault: wait {wait:.1f} s"
            raise StreamEndedError(grpc.StatusCode.UNAVAILABLE, text, late=True)
        wait = self._opens.wait_seconds(host_uuid, now)
        if wait:
            counters.streams_refused_total += 1
            text = f"this host opens streams too often: wait {wait:.1f} s"
            raise AgentFaultError(grpc.StatusCode.UNAVAILABLE, text, late=True)

    async def _hold_back(self) -> None:
        """Who comes again and again costs a handshake and a call each time: he waits for his answer, in few places."""
        if self._held_back >= _MAX_HELD_BACK:
            return
        self._held_back += 1
        try:
            await asyncio.sleep(self.shared.limits.refusal_seconds)
        finally:
            self._held_back -= 1

    async def _hello(self, context: Context) -> ingest_service_pb2.Hello:
        seconds = self.shared.limits.hello_seconds
        try:
            message = await asyncio.wait_for(context.read(), seconds)
        except TimeoutError:
            text = f"no Hello within {seconds:g} s"
            raise AgentFaultError(grpc.StatusCode.INVALID_ARGUMENT, text, lenient=True) from None
        if not isinstance(message, ingest_service_pb2.AgentMessage) or message.WhichOneof("body") != "hello":
            self.shared.counters.malformed_messages_total += 1
            raise AgentFaultError(grpc.StatusCode.INVALID_ARGUMENT, "the first message must be hello")
        return message.hello

    async def _open(self, peer: Peer, hello: ingest_service_pb2.Hello, address: str) -> StreamOpened:
        reason = await self._revoked(peer)
        if reason is not None:
            self.shared.counters.streams_refused_total += 1
            raise StreamEndedError(grpc.StatusCode.PERMISSION_DENIED, f"revoked: {reason}")
        if hello.host_uuid and hello.host_uuid != peer.host_uuid:
            LOG.warning("the agent of host %s says that it is %.36s", peer.host_uuid, hello.host_uuid)
        try:
            asked = hello_of(hello, peer.host_uuid, self._policy)
        except MessageError as error:
            self.shared.counters.malformed_messages_total += 1
            raise AgentFaultError(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from None
        now, live_seconds = self.shared.now_us(), self.shared.limits.silent_seconds
        try:
            future = self.shared.writer.submit(
                lambda c: open_stream(c, asked, now, live_seconds, address), priority=Priority.EVIDENCE
            )
            opened = await asyncio.wrap_future(future)
        except (WriterBusyError, WriterClosedError) as error:
            raise StreamEndedError(grpc.StatusCode.UNAVAILABLE, str(error)) from None
        except SQLAlchemyError as error:
            LOG.error("a stream of host %s was not opened: %s", peer.host_uuid, str(error).split("\n", 1)[0])
            raise StreamEndedError(grpc.StatusCode.UNAVAILABLE, "the collector's database is away") from None
        if isinstance(opened, Refusal):
            self.shared.counters.streams_refused_total += 1
            LOG.warning("host %s refused: %s", peer.host_uuid, opened.detail)
            if opened.kind == "duplicate host":
                self.shared.listener.duplicate_refused(_duplicate(asked, opened, address, now))
            raise ended_by(opened)
        return opened

    def _take_over(self, stream: HostStream) -> None:
        older = self._streams.get(stream.peer.host_uuid)
        self._streams[stream.peer.host_uuid] = stream
        if older is not None:
            older.fail(ended_by(Refusal("superseded", f"by stream epoch {stream.opened.stream_epoch}")))

    def _welcome(self, opened: StreamOpened) -> ingest_service_pb2.CollectorMessage:
        welcome = welcome_of(opened, self.shared.limits, self._policy, self._version, self.shared.now_us())
        return ingest_service_pb2.CollectorMessage(welcome=welcome)

    def _mark_closed(self, opened: StreamOpened) -> None:
        now = self.shared.now_us()
        # Shutting down, or the database far behind: the next start, or the host's silence, says the same.
        with contextlib.suppress(WriterClosedError, WriterBusyError):
            self.shared.writer.submit(
                lambda c: close_stream(c, opened.host_id, opened.stream_epoch, now), priority=Priority.EVIDENCE
            )

    async def set_policy(self, policy: ingest_service_pb2.Policy | None) -> None:
        """The collector's part of the selection, for every stream now and later."""
        self._policy = policy
        for stream in list(self._streams.values()):
            if policy is not None and "policy" in stream.hello.features:
                await stream.change_policy(policy)

    async def request_evidence(self, host_uuid: str, request: ingest_service_pb2.EvidenceRequest) -> list[EvidencePart]:
        """Ask a host's agent for raw lines. Raises `EvidenceRefusedError`, also where the host is not here."""
        stream = self._streams.get(host_uuid)
        if stream is None:
            raise EvidenceRefusedError("no agent of this host is connected to this collector")
        if "evidence" not in stream.hello.features:
            raise EvidenceRefusedError(
                "the agent does not hand out evidence: set [evidence] allow=yes in its agent.conf"
            )
        request.max_bytes = min(
            request.max_bytes or self.shared.limits.evidence_bytes, self.shared.limits.evidence_bytes
        )
        request.deadline_seconds = min(request.deadline_seconds or 30, 60)
        future = self.shared.evidence.begin(host_uuid, request)
        try:
            await stream.ask(request)
            return await asyncio.wait_for(future, request.deadline_seconds + 2)
        except TimeoutError:
            raise EvidenceRefusedError(f"the agent did not answer within {request.deadline_seconds} s") from None
        finally:
            self.shared.evidence.end(host_uuid)

    async def drain(self, reason: str, reconnect_after_seconds: int = 1) -> None:
        """Take no new stream, ask all to go, and end those that stay."""
        self._draining = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        message = ingest_service_pb2.CollectorMessage(
            drain=ingest_service_pb2.Drain(reconnect_after_seconds=reconnect_after_seconds, reason=reason)
        )
        for stream in list(self._streams.values()):
            await stream.send(message)
        deadline = time.monotonic() + self.shared.limits.drain_seconds
        while self._streams and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for stream in list(self._streams.values()):
            stream.fail(StreamEndedError(grpc.StatusCode.UNAVAILABLE, f"the collector goes away: {reason}"))
        # Who has not said Hello yet, or waits for a refusal, is cut off by the server that stops after this.
        while self._open_calls and time.monotonic() < deadline + _LAST_WORDS_SECONDS:
            await asyncio.sleep(0.01)

    async def _sweep(self) -> None:
        checked_at = time.monotonic()
        limits = self.shared.limits
        while True:
            await asyncio.sleep(min(_SWEEP_SECONDS, limits.silent_seconds / 4))
            now = time.monotonic()
            for stream in list(self._streams.values()):
                if now - stream.last_message_at > limits.silent_seconds:
                    text = f"no message for {limits.silent_seconds:g} s"
                    stream.fail(StreamEndedError(grpc.StatusCode.UNAVAILABLE, text))
            if now - checked_at >= limits.revocation_check_seconds:
                checked_at = now
                await self._end_revoked()

    async def _end_revoked(self) -> None:
        for stream in list(self._streams.values()):
            reason = await self._revoked(stream.peer)
            if reason is not None:
                stream.fail(StreamEndedError(grpc.StatusCode.PERMISSION_DENIED, f"revoked: {reason}"))


def _duplicate(asked: HelloIn, refusal: Refusal, address: str, now_us: int) -> DuplicateRefused:
    return DuplicateRefused(
        host_uuid=asked.host_uuid,
        at=datetime.fromtimestamp(now_us / 1e6, UTC),
        live_machine_id=refusal.live_machine_id,
        machine_id=asked.machine_id,
        hostname=asked.hostname,
        peer=address,
    )

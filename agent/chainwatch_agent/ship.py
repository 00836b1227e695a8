"""The stream to the collector: Hello, positions, observations first, then spans; reconnect, drain, stop.

Everything that can be decided without a network is in `reader.py` and `hold.py`; here they are driven by one task
that writes and one that reads. Nothing is held while there is no stream.
"""

import asyncio
import random
import time
from typing import Callable, List, NamedTuple, Optional

from chainwatch.v1 import ingest_service_pb2

from chainwatch_agent import backoff
from chainwatch_agent.config import Settings
from chainwatch_agent.evidence import EvidenceServer
from chainwatch_agent.hold import Ring
from chainwatch_agent.log import Log
from chainwatch_agent.reader import Message, Reader
from chainwatch_agent.transport import Answer, Stream, StreamEnded, Tls, TlsError

_WELCOME_SECONDS = 20.0
_ACK_SECONDS = 5.0
# Heartbeats, or keepalive intervals where those are longer. grpcio 1.48 finds a hung peer by its pings, 1.85 does not.
_SILENCE = 3.0


class Tempo(NamedTuple):
    """What the collector asks for; agent.conf wins where it says something."""

    heartbeat_seconds: float = 10.0
    busy_seconds: float = 2.0


class Shipper:
    """Keeps one stream up until stopped. `wake` is to be called when the disk or the ring has something new."""

    def __init__(
        self,
        settings: Settings,
        reader: Reader,
        ring: Ring,
        evidence: EvidenceServer,
        hello: Callable[[], ingest_service_pb2.Hello],
        log: Log,
    ) -> None:
        self.tempo = Tempo()
        self.connected_to = ""
        # How long to sleep when nothing is due: longer where the kernel tells of changes.
        self.idle_seconds = settings.poll_seconds
        self._settings = settings
        self._reader = reader
        self._ring = ring
        self._evidence = evidence
        self._hello = hello
        self._log = log
        self._backoff = backoff.Backoff(
            settings.reconnect_seconds, settings.reconnect_max_seconds, random.SystemRandom()
        )
        self._wake = asyncio.Event()
        self._stopping = False
        self._draining: Optional[ingest_service_pb2.Drain] = None
        self._first: List[Message] = []
        self._features: "frozenset[str]" = frozenset()
        self._address = 0

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    def stop(self) -> None:
        """Send nothing new, wait for what is on its way, and end `run`."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Until `stop`."""
        while not self._stopping:
            seconds = await self._one_stream()
            if not self._stopping:
                self._reader.counters.add("reconnects_total")
                await self._pause(seconds)

    async def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < until:
            await self._wait(until - time.monotonic())

    async def _wait(self, seconds: float) -> None:
        """Until woken, at most `seconds`."""
        try:
            await asyncio.wait_for(self._wake.wait(), max(0.0, seconds))
        except asyncio.TimeoutError:
            pass
        self._wake.clear()

    # --- one stream -------------------------------------------------------------------------------------------

    async def _one_stream(self) -> float:
        """Connect, serve, and say how many seconds to wait before the next."""
        address = self._settings.addresses[self._address % len(self._settings.addresses)]
        try:
            stream = Stream(
                address,
                Tls(self._settings.ca, self._settings.certificate, self._settings.key),
                self._settings.keepalive_seconds,
            )
        except TlsError as error:
            self._log.say("stream", str(error))
            return self._backoff.next_seconds(backoff.Advice("", worst=True))
        try:
            return await self._serve(stream, address)
        except StreamEnded as ended:
            self._next_address(ended.code)
            given = backoff.advice(ended.code, ended.details)
            self._log.say("stream", "{}: {}".format(address, given.text))
            if ended.code == "RESOURCE_EXHAUSTED" and "larger than" in ended.details:
                self._reader.halve_spans()
            if ended.details.startswith("superseded"):
                self._reader.counters.add("superseded_total")
            return self._backoff.next_seconds(given)
        finally:
            self.connected_to = ""
            self._reader.on_disconnect()
            self._evidence.stop()
            await stream.close()

    def _next_address(self, code: str) -> None:
        if code in ("UNAVAILABLE", "UNAUTHENTICATED", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"):
            self._address += 1

    async def _serve(self, stream: Stream, address: str) -> float:
        await stream.write(Message(hello=self._hello()))
        try:
            answer = await asyncio.wait_for(stream.read(), _WELCOME_SECONDS)
        except asyncio.TimeoutError:
            raise StreamEnded("DEADLINE_EXCEEDED", "no Welcome within {:g} s".format(_WELCOME_SECONDS)) from None
        if answer.WhichOneof("body") != "welcome":
            raise StreamEnded("INVALID_ARGUMENT", "the collector's first message is no Welcome")
        self._welcomed(answer.welcome, address)
        reading = asyncio.ensure_future(self._read(stream))
        writing = asyncio.ensure_future(self._write(stream))
        try:
            await asyncio.wait([reading, writing], return_when=asyncio.FIRST_COMPLETED)
            if writing.done() and not writing.cancelled() and writing.exception() is None:
                return await self._close(stream, reading)
            # Both know how it ended; the reader is told the status.
            await (reading if reading.done() else writing)
            return 0.0
        finally:
            for task in (reading, writing):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)

    def _welcomed(self, welcome: ingest_service_pb2.Welcome, address: str) -> None:
        self._backoff.succeeded()
        self.connected_to = address
        self._draining, self._first = None, []
        self._features = frozenset(welcome.features)
        limits = welcome.limits
        self.tempo = Tempo(
            self._settings.heartbeat_seconds or float(limits.heartbeat_seconds or 10),
            self._settings.watch_busy_seconds or float(limits.sample_seconds or 2),
        )
        self._reader.on_welcome(welcome)
        self._ring.rewind()
        self._log.say(
            "stream",
            "connected to {}, collector {}, stream epoch {}".format(
                address, welcome.collector_version, welcome.stream_epoch
            ),
        )
        self._wake.set()

    async def _read(self, stream: Stream) -> None:
        """Every Status is acknowledged: a collector that says nothing hangs, whatever the transport thinks of it."""
        while True:
            silence = _SILENCE * max(self.tempo.heartbeat_seconds, self._settings.keepalive_seconds)
            try:
                answer = await asyncio.wait_for(stream.read(), silence)
            except asyncio.TimeoutError:
                raise StreamEnded("UNAVAILABLE", "it said nothing for {:g} s".format(silence)) from None
            self._heard(answer)

    def _heard(self, answer: Answer) -> None:
        body = answer.WhichOneof("body")
        if body == "ack":
            self._ring.acked(answer.ack.observed_seq)
            self._reader.on_ack(answer.ack)
        elif body == "policy":
            self._first += self._reader.on_policy(answer.policy, time.monotonic())
        elif body == "evidence_request":
            self._first += self._evidence.asked(answer.evidence_request)
        elif body == "drain":
            self._draining = answer.drain
        else:
            self._reader.counters.add("unknown_messages_total")
            return
        self._wake.set()

    async def _write(self, stream: Stream) -> None:
        """Ends when asked to stop or to drain."""
        while not self._stopping and self._draining is None:
            now = time.monotonic()
            messages = self._urgent() or self._evidence.next_replies()
            waiting = self._reader.poll(now)
            if waiting:
                messages += self._reader.next_messages(now)
            for message in messages:
                self._reader.counters.add("bytes_sent_total", message.ByteSize())
                await stream.write(message)
            if not messages:
                await self._wait(self._settings.poll_seconds if waiting else self.idle_seconds)

    def _urgent(self) -> List[Message]:
        """Observations first, and what a change of policy or a refusal hands out."""
        messages, self._first = self._first, []
        known = [m for m in self._ring.unsent() if m.WhichOneof("body") in self._features]
        return known + messages

    async def _close(self, stream: Stream, reading: "asyncio.Future[None]") -> float:
        """Nothing new; wait for the acknowledgements on their way, half-close, and be gone."""
        until = time.monotonic() + _ACK_SECONDS
        while not self._reader.window.empty and not reading.done() and time.monotonic() < until:
            await self._wait(0.05)
        await stream.half_close()
        await asyncio.wait([reading], timeout=max(0.1, until - time.monotonic()))
        if self._draining is None:
            return 0.0
        self._address += 1
        self._log.say("stream", "the collector asked to go: {}".format(self._draining.reason[:200]))
        after = float(self._draining.reconnect_after_seconds)
        return after + random.SystemRandom().uniform(0.0, after)

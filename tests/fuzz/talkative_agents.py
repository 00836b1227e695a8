"""Agents with a certificate that talk too much, or say again and again what ends their stream; a process of its own.

`python -m fuzz.talkative_agents`: its `Talk` as a line of JSON on stdin, then a line for each piece of work: `KIND
HOSTS SECONDS` lets so many hosts talk, `burn 0 SECONDS` works alike without a collector. Each is answered by a line:
how many messages or calls were sent. Like the other hostile peers they take only what CPU is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from chainwatch.v1 import evidence_pb2, ingest_service_pb2
from lab.wire import file_seen, hello, key_of, span

from fuzz.hostile_peers import client_hello, tls_client
from fuzz.http2_call import ENDED, MAX_FRAME_BYTES, Connection, connection, head_of, message

HEAD: Final = head_of("/chainwatch.v1.IngestService/StreamEvidence")
SR: Final = "6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7acc"
FILES_OF_A_STREAM: Final = 4000
MANY: Final = 1000


@dataclass(frozen=True)
class Talk:
    """`identities`: certificate and key of each host, `path` and `path`."""

    ingest_port: int
    identities: list[tuple[str, str]]


@dataclass
class Host:
    """One of them."""

    port: int
    tls: ssl.SSLContext
    number: int
    sent: int = 0
    _files: Iterator[int] = field(default_factory=itertools.count)

    def new_log(self, rest: bytes = b"") -> bytes:
        """A log that no other begins like."""
        return b"Nov 24 10:00:00 xcp-1 SMGC: host %d, %d, file %d\n%b" % (
            self.number,
            time.time_ns(),
            next(self._files),
            rest,
        )

    @contextlib.asynccontextmanager
    async def stream(self) -> AsyncIterator[Connection]:
        """Open, and welcomed where the collector does that."""
        async with connection(self.port, self.tls) as call:
            call.call(HEAD)
            await call.send(packed(hello=hello(machine_id=f"{self.number:032x}")))
            async with asyncio.timeout(10):
                await call.answered.wait()
            yield call

    async def talk(self, call: Connection, messages: Iterator[bytes]) -> None:
        """All of them, as many in a frame as it takes."""
        frame, size = list[bytes](), 0
        for one in messages:
            frame.append(one)
            size += len(one)
            if size >= MAX_FRAME_BYTES:
                await call.send(b"".join(frame))
                self.sent += len(frame)
                frame, size = [], 0
        await call.send(b"".join(frame))
        self.sent += len(frame)


Kind = Callable[[Host], Awaitable[None]]


def packed(**body: Any) -> bytes:
    """`packed(span=…)`: a message with its frame."""
    return message(ingest_service_pb2.AgentMessage(**body).SerializeToString())


async def tiny_spans(host: Host) -> None:
    """A span for each line of two bytes."""
    await _follow(host, b"x\n", 1)


async def empty_lines(host: Host) -> None:
    """Spans of a megabyte of newlines."""
    await _follow(host, b"\n", 1_000_000)


async def real_lines(host: Host) -> None:
    """Spans as they should be, without end."""
    await _follow(host, b"Nov 24 10:00:00 xcp-1 SMGC: [12345] No coalesceable VDI, nothing to be done here\n", 1500)


async def _follow(host: Host, line: bytes, lines: int) -> None:
    first = host.new_log()
    data = line * lines
    template = evidence_pb2.Span(file=key_of(first), tail_sha256=b"t" * 32, read_at_us=1)
    template.slices.CopyFrom(evidence_pb2.Slices(skipped_bytes=[0], size_bytes=[len(data)], data=data))

    def spans() -> Iterator[bytes]:
        yield packed(file_seen=file_seen(first))
        yield packed(span=span(first, 0, len(first)))
        for start in itertools.count(len(first), len(data)):
            template.from_offset, template.to_offset = start, start + len(data)
            yield packed(span=template)

    async with host.stream() as call:
        await host.talk(call, spans())


async def many_slices(host: Host) -> None:
    """A slice of two bytes, a byte that was not selected, and so on."""
    first = host.new_log()
    count = 100_000
    columns = evidence_pb2.Slices(skipped_bytes=[1] * count, size_bytes=[2] * count, data=b"x\n" * count)
    one = evidence_pb2.Span(file=key_of(first), tail_sha256=b"t" * 32, read_at_us=1, slices=columns)

    def spans() -> Iterator[bytes]:
        yield packed(file_seen=file_seen(first))
        yield packed(span=span(first, 0, len(first)))
        for start in itertools.count(len(first), 3 * count):
            one.from_offset, one.to_offset = start, start + 3 * count
            yield packed(span=one)

    async with host.stream() as call:
        await host.talk(call, spans())


async def new_files(host: Host) -> None:
    """A file for every line."""

    def files() -> Iterator[bytes]:
        for _ in range(FILES_OF_A_STREAM):
            data = host.new_log()
            yield packed(file_seen=file_seen(data))
            yield packed(span=span(data, 0, len(data)))

    async with host.stream() as call:
        await host.talk(call, files())


async def gaps(host: Host) -> None:
    """Each another one."""

    def declared() -> Iterator[bytes]:
        for number in itertools.count(time.time_ns()):
            yield packed(gap=evidence_pb2.Gap(log=f"/var/log/{number}", detail="none"))

    async with host.stream() as call:
        await host.talk(call, declared())


async def same_span(host: Host) -> None:
    """One line, again and again."""
    await _repeat_span(host, host.new_log())


async def same_long_span(host: Host) -> None:
    """Half a megabyte of lines, again and again: each is compared with what is stored."""
    await _repeat_span(host, host.new_log(b"Nov 24 10:00:00 xcp-1 SMGC: line\n" * 16_000))


async def _repeat_span(host: Host, data: bytes) -> None:
    again = packed(span=span(data, 0, len(data)))
    async with host.stream() as call:
        await host.talk(call, itertools.chain([packed(file_seen=file_seen(data))], itertools.repeat(again)))


async def statuses(host: Host) -> None:
    """Small ones."""
    await _observe(host, "status", evidence_pb2.Status(at_us=1))


async def long_statuses(host: Host) -> None:
    """Every list as long as it may be."""
    status = evidence_pb2.Status(at_us=1, problems=["x" * 100] * 256, counters={f"c{n}": 1.0 for n in range(256)})
    status.gc_locks.extend([evidence_pb2.GcLock(sr_uuid=SR, lock="gc_active", pid=1)] * MANY)
    status.srs.extend([evidence_pb2.SrRuntime(sr_uuid=SR, gc_running=[SR], speeds=[1.0, 2.0])] * MANY)
    status.mounts.extend([evidence_pb2.Mount(sr_uuid=SR, mount_point="/run/sr-mount/x", fs_type="nfs")] * MANY)
    await _observe(host, "status", status)


async def samples(host: Host) -> None:
    """Small ones."""
    await _observe(host, "samples", evidence_pb2.Samples(at_us=1))


async def long_samples(host: Host) -> None:
    """Of as many processes as one may have."""
    process = evidence_pb2.ProcessSample(pid=1, kind=evidence_pb2.PROCESS_KIND_VHD_COALESCE, sr_uuid=SR, vdi_uuid=SR)
    await _observe(host, "samples", evidence_pb2.Samples(at_us=1, processes=[process] * MANY))


async def _observe(host: Host, body: str, one: evidence_pb2.Status | evidence_pb2.Samples) -> None:
    one.agent_epoch = 7

    def observations() -> Iterator[bytes]:
        for one.seq in itertools.count(time.time_ns()):
            yield packed(**{body: one})

    async with host.stream() as call:
        await host.talk(call, observations())


async def unknown_bodies(host: Host) -> None:
    """Of a version that this collector does not know: here no body at all, five bytes a message."""
    async with host.stream() as call:
        await host.talk(call, itertools.repeat(message(b"")))


async def files_seen(host: Host) -> None:
    """Nearly as many as a stream may announce, of the longest names; then another stream."""
    name = "/var/log/" + "x" * 4000
    data = b"x" * 8000 + b"\n"
    announced = file_seen(data, log=name)

    def files() -> Iterator[bytes]:
        for announced.file.salt in range(FILES_OF_A_STREAM):
            yield packed(file_seen=announced)

    async with host.stream() as call:
        await host.talk(call, files())


async def same_file_seen(host: Host) -> None:
    """One file, again and again."""
    async with host.stream() as call:
        await host.talk(call, itertools.repeat(packed(file_seen=file_seen(host.new_log()))))


async def replies_nobody_asked_for(host: Host) -> None:
    """Evidence, a megabyte each."""
    reply = reply_to_nothing(bytes(1_000_000))
    async with host.stream() as call:
        await host.talk(call, itertools.repeat(packed(evidence_reply=reply)))


async def empty_replies(host: Host) -> None:
    """As many as the connection takes, with nothing in them."""
    async with host.stream() as call:
        await host.talk(call, itertools.repeat(packed(evidence_reply=reply_to_nothing(b""))))


def reply_to_nothing(data: bytes) -> ingest_service_pb2.EvidenceReply:
    return ingest_service_pb2.EvidenceReply(request_id=1, data=data)


async def opens(host: Host) -> None:
    """A connection and a stream, and gone."""
    host.sent += 1
    async with host.stream():
        pass


async def malformed(host: Host) -> None:
    """A span that is none, and back again at once."""
    host.sent += 1
    async with host.stream() as call:
        await call.send(packed(span=evidence_pb2.Span()))
        await call.over.wait()


async def second_hellos(host: Host) -> None:
    """On one connection, a stream after the other, each with a second Hello."""
    async with connection(host.port, host.tls) as call:
        while not call.over.is_set():
            host.sent += 1
            call.call(HEAD)
            await call.send(packed(hello=hello()) * 2)
            async with asyncio.timeout(10):
                await call.over.wait()
            call.over.clear()
            await asyncio.sleep(0)


async def resets(host: Host) -> None:
    """Calls that are given up at once (CVE-2023-44487)."""
    async with connection(host.port, host.tls) as call:
        while not call.over.is_set():
            host.sent += 1
            call.call(HEAD)
            await call.reset()
            await asyncio.sleep(0)


KINDS: Final[dict[str, Kind]] = {
    kind.__name__: kind
    for kind in (
        tiny_spans,
        empty_lines,
        real_lines,
        many_slices,
        new_files,
        gaps,
        same_span,
        same_long_span,
        statuses,
        long_statuses,
        samples,
        long_samples,
        unknown_bodies,
        files_seen,
        same_file_seen,
        replies_nobody_asked_for,
        empty_replies,
        opens,
        malformed,
        second_hellos,
        resets,
    )
}


class Agents:
    """All hosts. Those of one kind are others than those of another: they may be cut off by then."""

    def __init__(self, talk: Talk) -> None:
        self._free = [Host(talk.ingest_port, _tls(*pair), number) for number, pair in enumerate(talk.identities)]
        self._talking: dict[tuple[str, int], list[Host]] = {}

    async def talk(self, kind: str, count: int, seconds: float) -> int:
        """How much all of them have sent by now."""
        if (kind, count) not in self._talking:
            self._talking[kind, count], self._free = self._free[:count], self._free[count:]
        hosts = self._talking[kind, count]
        assert len(hosts) == count, "too few identities"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(_again(KINDS[kind], host) for host in hosts))
        return sum(host.sent for host in hosts)

    async def burn(self, seconds: float) -> int:
        """TLS hellos that nobody hears."""
        nobody = tls_client(("h2",))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            client_hello(nobody)
            await asyncio.sleep(0)
        return 0


async def _again(kind: Kind, host: Host) -> None:
    while True:
        with contextlib.suppress(*ENDED):
            await kind(host)
        await asyncio.sleep(0)


def _tls(certificate: str, key: str) -> ssl.SSLContext:
    context = tls_client(("h2",))
    context.load_cert_chain(certificate, key)
    return context


async def main() -> None:
    """Work until stdin ends."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    agents = Agents(Talk(**json.loads(sys.stdin.readline())))
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        kind, count, seconds = line.split()
        work = agents.burn(float(seconds)) if kind == "burn" else agents.talk(kind, int(count), float(seconds))
        print(await work, flush=True)


if __name__ == "__main__":
    asyncio.run(main())

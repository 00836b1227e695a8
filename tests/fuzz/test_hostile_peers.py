"""A collector under clients that only hold connections, and an honest agent beside them.

`CHAINWATCH_FUZZ_FACTOR` multiplies the 200 connections, up to 10,000. How an honest agent's acks fare is printed as
`measured: …`; that they come at all is what is asserted.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict

import grpc
import httpx2 as httpx
import psutil
import pytest
from lab.collector_process import CollectorProcess
from lab.pki import Pki
from lab.wire import Wire, connect, file_seen, key_of, span

from fuzz.hostile_peers import Flood, client_hello, tls_client

FACTOR = float(os.environ.get("CHAINWATCH_FUZZ_FACTOR", "1"))
SEED = int(os.environ.get("SEED", "0"))
CONNECTIONS = min(10_000, max(20, int(200 * FACTOR)))
WAVE = 100 if FACTOR <= 1 else 500
HOLD_SECONDS = 1.0 if FACTOR <= 1 else 3.0
NORMAL_SECONDS = 0.5 if FACTOR <= 1 else 20.0
# The collector's own, beside what was there before: TLS states that wait for the garbage collector, buffers.
MOST_MORE_BYTES = 200 << 20
FEW_DESCRIPTORS = 20
PATIENCE_SECONDS = 60.0
HOST = "6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a11"
OTHER_HOST = "6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a12"
LOG = b"".join(b"Nov 24 10:00:00 xcp-1 SMGC: [%06d] line\n" % n for n in range(60_000))
LINE_BYTES = LOG.index(b"\n") + 1


class HonestAgent:
    """Sends a line, awaits its Ack, and so on."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._sent = 0

    async def acks_while(self, work: asyncio.Task[None]) -> list[float]:
        """Seconds from each line to its Ack, as long as the work goes on; one at least."""
        found: list[float] = []
        while not work.done() or not found:
            start = self._sent
            self._sent += LINE_BYTES
            assert self._sent <= len(LOG), "the log of the test is too short"
            began = time.monotonic()
            await self._wire.send(span=span(LOG, start, self._sent))
            await self._wire.acked_to(key_of(LOG), self._sent)
            found.append(time.monotonic() - began)
            await asyncio.sleep(0.01)
        await work
        return found


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    directory = tmp_path_factory.mktemp("hostile")
    process = CollectorProcess(directory / "collector", Pki(directory / "pki"))
    process.start()
    yield process
    assert process.stop() == 0
    assert "Traceback" not in process.log.read_text(errors="replace")


@pytest.fixture
async def honest(collector: CollectorProcess) -> AsyncIterator[HonestAgent]:
    async with connect(collector.ingest_port, collector.pki.ca, collector.pki.host(HOST)) as wire:
        await wire.welcome()
        await wire.send(file_seen=file_seen(LOG))
        yield HonestAgent(wire)


def web(collector: CollectorProcess) -> httpx.Client:
    trust = ssl.create_default_context(cafile=str(collector.pki.ca))
    return httpx.Client(base_url=f"https://127.0.0.1:{collector.web_port}", verify=trust, trust_env=False)


async def flood(collector: CollectorProcess) -> None:
    agent = collector.pki.host(OTHER_HOST)
    asked = Flood(
        ingest_port=collector.ingest_port,
        web_port=collector.web_port,
        certificate=str(agent.certificate),
        key=str(agent.key),
        connections=CONNECTIONS,
        wave=WAVE,
        hold_seconds=HOLD_SECONDS,
        seed=SEED,
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "fuzz.hostile_peers"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    told, _ = await child.communicate(json.dumps(asdict(asked)).encode())
    assert child.returncode == 0
    # Those that were cut off before their TLS was done are no openings.
    assert int(told) > CONNECTIONS // 2


def measured(normal: list[float], attacked: list[float]) -> str:
    def p99(of: list[float]) -> float:
        return sorted(of)[int(len(of) * 0.99)]

    ratio = p99(attacked) / p99(normal)
    medians = f"{1000 * statistics.median(normal):.1f} ms, {1000 * statistics.median(attacked):.1f} ms"
    return f"measured: {CONNECTIONS} hostile connections: median ack {medians} under them, p99 {ratio:.2f} times normal"


async def test_connections_that_say_nothing_or_half_of_it_cost_others_nothing(
    collector: CollectorProcess, honest: HonestAgent
) -> None:
    assert collector.process is not None
    process = psutil.Process(collector.process.pid)
    normal = await honest.acks_while(asyncio.ensure_future(asyncio.sleep(NORMAL_SECONDS)))
    memory, descriptors = process.memory_info().rss, process.num_fds()
    attacked = await honest.acks_while(asyncio.ensure_future(flood(collector)))
    print(measured(normal, attacked))
    assert process.memory_info().rss - memory < MOST_MORE_BYTES
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.num_fds() > descriptors + FEW_DESCRIPTORS:
        assert time.monotonic() < deadline, f"{process.num_fds()} descriptors, {descriptors} before"
        await asyncio.sleep(0.1)
    with web(collector) as client:
        assert client.get("/healthz").status_code == 200


async def test_messages_that_are_too_large_end_their_own_stream_alone(
    collector: CollectorProcess, honest: HonestAgent
) -> None:
    async def oversize() -> None:
        for size in (2 << 20, 16 << 20):
            async with connect(collector.ingest_port, collector.pki.ca, collector.pki.host(OTHER_HOST)) as wire:
                await wire.welcome()
                data = LOG[:LINE_BYTES] + bytes(size)
                await wire.send(span=span(data, 0, len(data)))
                assert (await wire.ended())[0] is grpc.StatusCode.RESOURCE_EXHAUSTED

    assert await honest.acks_while(asyncio.ensure_future(oversize()))
    with web(collector) as client:
        assert client.post("/api/v1/login", content=bytes(300 << 10)).status_code == 413


def test_a_client_may_take_its_time_for_its_first_words(collector: CollectorProcess) -> None:
    said = client_hello(tls_client(("http/1.1",)))
    with socket.create_connection(("127.0.0.1", collector.web_port), PATIENCE_SECONDS) as client:
        for part in (said[:3], said[3:90], said[90:]):
            client.sendall(part)
            time.sleep(0.2)
        # The record of a TLS handshake: the server's hello.
        assert client.recv(1) == b"\x16"

"""A collector under clients that only hold connections, and honest agents beside them.

`CHAINWATCH_FUZZ_FACTOR` multiplies the 200 connections, up to 10,000 in waves of 2,500. Time under a wave and time
without one alternate, so that what else the machine does falls on both, and the attackers' own CPU time is nobody's
(see `fuzz.hostile_peers`). With the big numbers the 99th percentile of an honest agent's ack is at most twice its
normal; the small ones are too few for a percentile, so they print it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass

import grpc
import psutil
import pytest
from lab.collector_process import CollectorProcess
from lab.pki import Pki
from lab.wire import connect, span

from fuzz.honest_agents import LINE_BYTES, LOG, HonestAgent, Other, Watched, acks_while, honest_agent, p99, process
from fuzz.hostile_peers import Flood, client_hello, tls_client
from fuzz.newcomers import PATIENCE_SECONDS, Where, browser

FACTOR = float(os.environ.get("CHAINWATCH_FUZZ_FACTOR", "1"))
SEED = int(os.environ.get("SEED", "0"))
LARGE = FACTOR > 1
CONNECTIONS = min(10_000, max(20, int(200 * FACTOR)))
WAVE = 2500 if LARGE else 100
HOLD_SECONDS = 5.0 if LARGE else 1.0
NORMAL_SECONDS = 10.0 if LARGE else 0.5
MOST_TIMES_NORMAL = 2.0
# Three hundred of the web port at a third of a megabyte, thousands of the ingest port at 40 kB, and what malloc keeps.
MOST_MORE_BYTES = 300 << 20
HOSTS = [f"6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a{number:02x}" for number in range(4)]
NEWCOMER = "6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7aaa"
HOSTILE = "6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7abb"


@dataclass
class Hostile:
    """The process of the hostile peers."""

    other: Other
    opened: int = 0

    async def wave(self, size: int) -> None:
        self.opened += int(await self.other.do(f"wave {size}"))

    async def burn(self, seconds: float) -> None:
        await self.other.do(f"burn {seconds}")


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    directory = tmp_path_factory.mktemp("hostile")
    process = CollectorProcess(directory / "collector", Pki(directory / "pki"))
    process.start()
    yield process
    assert process.stop() == 0
    said = process.log.read_text(errors="replace")
    assert "Traceback" not in said
    # Strangers do not fill the journal.
    assert len(said.splitlines()) < 200


@pytest.fixture
async def honest(collector: CollectorProcess) -> AsyncIterator[list[HonestAgent]]:
    async with contextlib.AsyncExitStack() as agents:
        yield [await agents.enter_async_context(honest_agent(collector, host)) for host in HOSTS]


@pytest.fixture
async def hostile(collector: CollectorProcess) -> AsyncIterator[Hostile]:
    agent = collector.pki.host(HOSTILE)
    asked = Flood(
        ingest_port=collector.ingest_port,
        web_port=collector.web_port,
        certificate=str(agent.certificate),
        key=str(agent.key),
        hold_seconds=HOLD_SECONDS,
        seed=SEED,
    )
    async with process("fuzz.hostile_peers", asdict(asked)) as other:
        yield Hostile(other)


@pytest.fixture
async def newcomers(collector: CollectorProcess) -> AsyncIterator[Other]:
    agent, pki = collector.pki.host(NEWCOMER), collector.pki
    files = (str(pki.ca), str(agent.certificate), str(agent.key))
    async with process("fuzz.newcomers", asdict(Where(collector.ingest_port, collector.web_port, *files))) as other:
        yield other


async def served(newcomers: Other) -> None:
    """An agent and a browser that come in the middle of it are served."""
    await asyncio.sleep(HOLD_SECONDS / 2)
    assert await newcomers.do("come") == "served"


async def test_connections_that_say_nothing_or_half_of_it_cost_others_nothing(
    collector: CollectorProcess, honest: list[HonestAgent], hostile: Hostile, newcomers: Other
) -> None:
    assert collector.process is not None
    normal: list[float] = []
    attacked: list[float] = []
    await acks_while(honest, hostile.burn(0.1))
    watched = Watched(psutil.Process(collector.process.pid))
    looking = asyncio.create_task(watched.look())
    for start in range(0, CONNECTIONS, WAVE):
        normal += await acks_while(honest, hostile.burn(NORMAL_SECONDS), served(newcomers))
        size = min(WAVE, CONNECTIONS - start)
        attacked += await acks_while(honest, hostile.wave(size), served(newcomers))
        await watched.descriptors_back()
    looking.cancel()
    more_bytes = watched.most_memory_bytes - watched.memory_bytes
    ratio = p99(attacked) / p99(normal)
    print(
        f"measured: {CONNECTIONS} hostile connections, {hostile.opened} got in: median ack "
        f"{1000 * statistics.median(normal):.1f} ms, {1000 * statistics.median(attacked):.1f} ms under them; "
        f"p99 of {len(attacked)} acks {1000 * p99(normal):.1f} ms, {1000 * p99(attacked):.1f} ms, {ratio:.2f} times "
        f"normal; {more_bytes >> 20} MiB more"
    )
    # Those that were cut off before their TLS was done are no openings.
    assert hostile.opened > CONNECTIONS // 2
    assert more_bytes < MOST_MORE_BYTES
    assert not LARGE or ratio <= MOST_TIMES_NORMAL


async def test_messages_that_are_too_large_end_their_own_stream_alone(
    collector: CollectorProcess, honest: list[HonestAgent]
) -> None:
    async def oversize() -> None:
        for size in (2 << 20, 16 << 20):
            async with connect(collector.ingest_port, collector.pki.ca, collector.pki.host(HOSTILE)) as wire:
                await wire.welcome()
                data = LOG[:LINE_BYTES] + bytes(size)
                await wire.send(span=span(data, 0, len(data)))
                assert (await wire.ended())[0] is grpc.StatusCode.RESOURCE_EXHAUSTED

    assert await acks_while(honest, oversize())
    async with browser(collector.web_port, collector.pki.ca) as client:
        assert (await client.post("/api/v1/login", content=bytes(300 << 10))).status_code == 413


def test_a_client_may_take_its_time_for_its_first_words(collector: CollectorProcess) -> None:
    said = client_hello(tls_client(("http/1.1",)))
    with socket.create_connection(("127.0.0.1", collector.web_port), PATIENCE_SECONDS) as client:
        for part in (said[:3], said[3:90], said[90:]):
            client.sendall(part)
            time.sleep(0.2)
        # The record of a TLS handshake: the server's hello.
        assert client.recv(1) == b"\x16"

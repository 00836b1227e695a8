"""Agents that do as they should beside hostile ones, and what is measured of them and of their collector."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from typing import Any

import psutil
from lab.collector_process import CollectorProcess
from lab.wire import Wire, connect, file_seen, key_of, span

from fuzz.newcomers import PATIENCE_SECONDS

LOG = b"".join(b"Nov 24 10:00:00 xcp-1 SMGC: [%06d] line\n" % n for n in range(60_000))
LINE_BYTES = LOG.index(b"\n") + 1
FEW_DESCRIPTORS = 20


class HonestAgent:
    """Sends a line, awaits its Ack, and so on."""

    def __init__(self, wire: Wire, sent: int) -> None:
        self._wire = wire
        self._sent = sent

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
            await asyncio.sleep(0.02)
        return found


@dataclass
class Other:
    """A process that does work by lines: one in, one out when it is done."""

    child: asyncio.subprocess.Process

    async def do(self, what: str) -> str:
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.child.stdin.write(f"{what}\n".encode())
        return (await self.child.stdout.readline()).decode().strip()


@dataclass
class Watched:
    """What the collector's process has, and the most memory that it had."""

    process: psutil.Process
    memory_bytes: int = field(init=False)
    most_memory_bytes: int = 0
    descriptors: int = field(init=False)

    def __post_init__(self) -> None:
        self.memory_bytes = self.process.memory_info().rss
        self.descriptors = self.process.num_fds()

    async def look(self) -> None:
        """Until cancelled."""
        while True:
            self.most_memory_bytes = max(self.most_memory_bytes, self.process.memory_info().rss)
            await asyncio.sleep(0.1)

    async def descriptors_back(self) -> None:
        """Until all but a few of those that it has more are closed."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.process.num_fds() > self.descriptors + FEW_DESCRIPTORS:
            assert time.monotonic() < deadline, f"{self.process.num_fds()} descriptors, {self.descriptors} before"
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def honest_agent(collector: CollectorProcess, host_uuid: str) -> AsyncIterator[HonestAgent]:
    async with connect(collector.ingest_port, collector.pki.ca, collector.pki.host(host_uuid)) as wire:
        welcome = await wire.welcome()
        await wire.send(file_seen=file_seen(LOG))
        yield HonestAgent(wire, max((position.to_offset for position in welcome.positions), default=0))


@contextlib.asynccontextmanager
async def process(module: str, asked: dict[str, Any]) -> AsyncIterator[Other]:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert child.stdin is not None
    child.stdin.write(json.dumps(asked).encode() + b"\n")
    yield Other(child)
    child.stdin.close()
    assert await child.wait() == 0


async def acks_while(agents: list[HonestAgent], *works: Awaitable[None]) -> list[float]:
    """Of all agents."""

    async def all_of_it() -> None:
        await asyncio.gather(*works)

    work = asyncio.create_task(all_of_it())
    found = await asyncio.gather(*(agent.acks_while(work) for agent in agents))
    await work
    return [seconds for of_one in found for seconds in of_one]


def p99(of: list[float]) -> float:
    return sorted(of)[int(len(of) * 0.99)]

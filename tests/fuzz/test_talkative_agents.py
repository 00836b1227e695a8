"""A collector under agents of its own pools that talk too much or talk nonsense, and honest agents beside them.

Every kind alone, of one host; with big numbers of four too, and each with a collector of its own.
`CHAINWATCH_FUZZ_FACTOR` multiplies the time for which they talk. As in `fuzz.test_hostile_peers` time under them and
time without alternate, and their own CPU time is nobody's.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from typing import Literal

import psutil
import pytest
import pytest_asyncio
from lab.collector_process import CollectorProcess
from lab.pki import Pki

from fuzz.honest_agents import HonestAgent, Other, Watched, acks_while, honest_agent, p99, process
from fuzz.talkative_agents import KINDS, Talk

FACTOR = float(os.environ.get("CHAINWATCH_FUZZ_FACTOR", "1"))
LARGE = FACTOR > 1
ROUNDS = 3 if LARGE else 1
ROUND_SECONDS = min(4.0, max(0.2, 0.04 * FACTOR))
QUIET_SECONDS = 30.0 if LARGE else 0.2
MOST_TIMES_NORMAL = 2.0
# gRPC begins every call before it asks, and lets nobody close the connection: what is left is to name the host.
MOST_TIMES_UNDER = {"resets": 10.0}
# Four windows of 4 MiB, what is made of them, and what malloc keeps.
MOST_MORE_BYTES = 150 << 20
HOSTS = (1, 4) if LARGE else (1,)
CASES = [(kind, hosts) for kind in KINDS for hosts in HOSTS]
SCOPE: Literal["function", "module"] = "function" if LARGE else "module"


@pytest.fixture(scope=SCOPE)
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    directory = tmp_path_factory.mktemp("talkative")
    process = CollectorProcess(directory / "collector", Pki(directory / "pki"))
    process.start()
    yield process
    assert process.stop() == 0
    assert "Traceback" not in process.log.read_text(errors="replace")


@pytest_asyncio.fixture(scope=SCOPE, loop_scope="module")
async def honest(collector: CollectorProcess) -> AsyncIterator[list[HonestAgent]]:
    async with contextlib.AsyncExitStack() as agents:
        hosts = [f"6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a{number:02x}" for number in range(4)]
        yield [await agents.enter_async_context(honest_agent(collector, host)) for host in hosts]


@pytest_asyncio.fixture(scope=SCOPE, loop_scope="module")
async def talkative(collector: CollectorProcess) -> AsyncIterator[Other]:
    identities = [collector.pki.host(str(uuid.uuid4())) for _ in range(len(KINDS) * max(HOSTS))]
    files = [(str(identity.certificate), str(identity.key)) for identity in identities]
    async with process("fuzz.talkative_agents", asdict(Talk(collector.ingest_port, files))) as other:
        await other.do("burn 0 0.05")
        yield other


@dataclass(frozen=True)
class Share:
    """CPU seconds of the event loop's thread and of all threads, and the time they were taken at."""

    loop: float
    whole: float
    at: float

    @classmethod
    def now(cls, process: psutil.Process) -> Share:
        threads = {thread.id: thread.user_time + thread.system_time for thread in process.threads()}
        return cls(threads[process.pid], sum(threads.values()), time.monotonic())

    def __sub__(self, before: Share) -> Share:
        return Share(self.loop - before.loop, self.whole - before.whole, self.at - before.at)

    @property
    def percent(self) -> tuple[float, float]:
        """Of a core."""
        return 100 * self.loop / self.at, 100 * self.whole / self.at


async def quiet(process: psutil.Process) -> None:
    """Until what was said before is dealt with; not for ever."""
    share, patience = math.inf, time.monotonic() + QUIET_SECONDS
    while share > 20 and time.monotonic() < patience:
        before = Share.now(process)
        await asyncio.sleep(0.2)
        share = (Share.now(process) - before).percent[1]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("kind", "hosts"), CASES)
async def test_agents_that_talk_too_much_cost_others_nothing(
    collector: CollectorProcess, honest: list[HonestAgent], talkative: Other, kind: str, hosts: int
) -> None:
    assert collector.process is not None
    normal: list[float] = []
    attacked: list[float] = []
    shares: list[Share] = []
    sent = ""

    async def talk() -> None:
        nonlocal sent
        before = Share.now(watched.process)
        sent = await talkative.do(f"{kind} {hosts} {ROUND_SECONDS}")
        shares.append(Share.now(watched.process) - before)

    async def burn() -> None:
        await talkative.do(f"burn 0 {ROUND_SECONDS}")

    watched = Watched(psutil.Process(collector.process.pid))
    looking = asyncio.create_task(watched.look())
    for _ in range(ROUNDS):
        await quiet(watched.process)
        normal += await acks_while(honest, burn())
        attacked += await acks_while(honest, talk())
    looking.cancel()
    more_bytes = watched.most_memory_bytes - watched.memory_bytes
    ratio = p99(attacked) / p99(normal)
    loop, whole = (max(share) for share in zip(*(s.percent for s in shares), strict=True))
    print(
        f"measured: {kind}, {hosts} hosts, {sent} sent: median ack {1000 * statistics.median(normal):.1f} ms, "
        f"{1000 * statistics.median(attacked):.1f} ms under them; p99 of {len(attacked)} acks "
        f"{1000 * p99(normal):.1f} ms, {1000 * p99(attacked):.1f} ms, {ratio:.2f} times normal; worst "
        f"{1000 * max(attacked):.0f} ms; {whole:.0f} % of a core, the event loop "
        f"{loop:.0f} %; {more_bytes >> 20} MiB more"
    )
    assert more_bytes < MOST_MORE_BYTES
    assert not LARGE or ratio <= MOST_TIMES_UNDER.get(kind, MOST_TIMES_NORMAL)

"""An agent under load for minutes: its memory does not grow with what it ships, its threads and descriptors stay.

Only in `make test-long`; `CHAINWATCH_SOAK_MINUTES` says for how long.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from lab.agent_process import AgentProcess
from lab.collector_process import CollectorProcess
from lab.dom0.host import HostDirectory
from lab.dom0.rsyslog import Rsyslog
from lab.pki import Pki

MINUTES = float(os.environ.get("CHAINWATCH_SOAK_MINUTES", "10"))
LINES_PER_SECOND = 800
ROTATE_SECONDS = 30.0
# One line in eight is an event.
EVENTS_PER_SECOND = LINES_PER_SECOND / 8
MOST_SLOPE_MB_PER_1000_EVENTS = 0.1
HOST_UUID = "40a1f9b0-0000-4000-8000-000000000002"


@pytest.fixture
def collector(tmp_path: Path, pki: Pki) -> Iterator[CollectorProcess]:
    collector = CollectorProcess(tmp_path / "collector", pki)
    collector.start()
    yield collector
    collector.kill()


@pytest.fixture
def agent(tmp_path: Path, pki: Pki, collector: CollectorProcess) -> Iterator[AgentProcess]:
    agent = AgentProcess(HostDirectory(tmp_path / "host", "xcp-1", HOST_UUID), pki, [collector.ingest_port])
    agent.start()
    yield agent
    agent.kill()


def texts(second: int) -> list[str]:
    numbers = range(second * LINES_PER_SECOND, (second + 1) * LINES_PER_SECOND)
    return [f"SMGC: [{n}] {n:08x} is coalescable" if n % 8 == 0 else f"SM: [{n}] lock: released {n}" for n in numbers]


def slope_mb(sizes: list[float]) -> float:
    """Megabytes per sample by least squares."""
    middle, mean = (len(sizes) - 1) / 2, sum(sizes) / len(sizes)
    moved = sum((x - middle) * (y - mean) for x, y in enumerate(sizes))
    return moved / sum((x - middle) ** 2 for x in range(len(sizes)))


@pytest.mark.long
@pytest.mark.timeout(0)
def test_memory_threads_and_descriptors_stay(agent: AgentProcess) -> None:
    assert agent.process is not None
    process = psutil.Process(agent.process.pid)
    sizes: list[float] = []
    handles: set[tuple[int, int]] = set()
    seconds = int(MINUTES * 60)
    with Rsyslog(agent.host.root / "var/log/SMlog", "xcp-1", keep=3) as log:
        begin = time.monotonic()
        for second in range(seconds):
            log.block(texts(second))
            if second % ROTATE_SECONDS == ROTATE_SECONDS - 1:
                log.rotate()
            time.sleep(max(0.0, begin + second + 1 - time.monotonic()))
            sizes.append(process.memory_info().rss / 1e6)
            if second > seconds // 2:
                handles.add((process.num_threads(), process.num_fds() // 8))
    per_1000_events = slope_mb(sizes[seconds // 2 :]) / EVENTS_PER_SECOND * 1000
    print(
        f"\nsoak: {max(sizes):.1f} MB at most, {per_1000_events:+.4f} MB per 1,000 events; threads, files/8: {handles}"
    )
    assert per_1000_events < MOST_SLOPE_MB_PER_1000_EVENTS
    assert len({threads for threads, _ in handles}) == 1
    assert len(handles) <= 2

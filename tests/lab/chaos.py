"""Kill -9 at random points while a log is written and rotated in every form: what must be stored, and what was.

One seed decides everything that is ours to decide: sizes, forms, who is killed when and for how long. A failure is
repeated with the same seed; the machine's own timing is part of the experiment.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chainwatch_collector.keep.engine import open_bare, parse_url
from chainwatch_collector.keep.tables import FILES
from sqlalchemy import Connection, select

from lab.agent_process import AgentProcess
from lab.chaos_log import ChaosLog
from lab.collector_process import CollectorProcess
from lab.delivery_proof import check, evidence_of
from lab.dom0.host import HostDirectory
from lab.pki import Pki

HOST_UUID = "40a1f9b0-0000-4000-8000-000000000001"


@dataclass
class Chaos:
    """One seed: `total_bytes` of log in two rotations, agent and collector killed `kills` times. Stop it."""

    seed: int
    directory: Path
    pki: Pki
    database_url: str = ""
    total_bytes: int = 20 << 20
    kills: int = 2
    patience_seconds: float = 90.0
    agent: AgentProcess = field(init=False)
    collector: CollectorProcess = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._processes = threading.Lock()
        self.collector = CollectorProcess(self.directory / "collector", self.pki, self.database_url)
        host = HostDirectory(self.directory / "host", "xcp-1", HOST_UUID)
        history = "[history]\nseconds = 8640000\nbytes = 1000000000\n"
        self.agent = AgentProcess(host, self.pki, [self.collector.ingest_port], extra=history)
        path = host.root / "var/log/SMlog"
        self.log = ChaosLog(path, random.Random(self.seed), self.total_bytes, self._outage)

    def run(self) -> None:
        """Write, rotate, kill, wait until all is stored, and prove it. Raises `AssertionError`."""
        self._start(self.collector)
        self.agent.start()
        first = self.log.begin()
        if self.log.loses:
            # What was gone before the collector ever heard of the host, nobody can miss.
            self._wait_for(first, 1)
        with ThreadPoolExecutor(1, "chaos-writer") as writer:
            written = writer.submit(self.log.write)
            for _ in range(self.kills):
                self._kill_somebody()
            written.result()
        # The last file is the last that is read.
        name, last = self.log.last
        self._wait_for(name, len(last.content))
        with self._connect() as connection:
            check(evidence_of(connection, HOST_UUID), self.log.generations)

    def stop(self) -> None:
        """Whatever still runs."""
        self.agent.kill()
        self.collector.kill()
        self.log.close()

    def _kill_somebody(self) -> None:
        time.sleep(self._random.uniform(0.05, 0.9))
        victims = self._random.choice(((self.agent,), (self.collector,), (self.agent, self.collector)))
        pause_seconds = self._random.uniform(0.0, 0.3)
        with self._processes:
            for victim in victims:
                victim.kill()
            time.sleep(pause_seconds)
            for victim in victims:
                self._start(victim)

    def _outage(self, what_happens: Callable[[], None]) -> None:
        with self._processes:
            self.collector.kill()
            what_happens()
            self._start(self.collector)

    def _start(self, process: AgentProcess | CollectorProcess) -> None:
        if isinstance(process, CollectorProcess):
            process.start(self.patience_seconds)
        else:
            process.start()

    def _wait_for(self, fingerprint: bytes, to_offset: int) -> None:
        deadline = time.monotonic() + self.patience_seconds
        while self._committed(fingerprint) < to_offset:
            if time.monotonic() > deadline:
                said = self.agent.log.read_text(errors="replace")[-1500:]
                raise AssertionError(f"{self._committed(fingerprint)} of {to_offset} bytes committed; agent: {said}")
            time.sleep(0.1)

    def _committed(self, fingerprint: bytes) -> int:
        with self._connect() as connection:
            found = select(FILES.c.to_offset).where(FILES.c.fingerprint == fingerprint)
            return int(connection.execute(found).scalar() or 0)

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        url = self.database_url or f"sqlite:///{self.directory / 'collector/state/chainwatch.db'}"
        engine = open_bare(parse_url(url))
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

"""Kill -9 at random points while a log is written and rotated: what must be stored, and what was.

One seed decides everything that is ours to decide: sizes, rotations, who is killed when and for how long. A failure is
repeated with the same seed; the machine's own timing is part of the experiment.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chainwatch_agent.policy import FLOOR, SMLOG, part_for
from chainwatch_agent.select import Selector
from chainwatch_collector.keep.engine import open_bare, parse_url
from chainwatch_collector.keep.tables import COVERAGE, FILES, GAPS, LINES
from sqlalchemy import Connection, func, select

from lab.agent_process import AgentProcess
from lab.collector_process import CollectorProcess
from lab.dom0.host import HostDirectory
from lab.dom0.rsyslog import Rsyslog
from lab.pki import Pki

HOST_UUID = "40a1f9b0-0000-4000-8000-000000000001"
SR_UUID = "413c9052-5f70-4775-811c-741aa8558a69"


@dataclass
class Stored:
    """What the database holds of one host: (line, …) in (ordinal, offset) order, bytes per file, gaps."""

    lines: list[bytes]
    covered: list[list[tuple[int, int]]]
    gaps: int


@dataclass
class Chaos:
    """One seed: `total_bytes` of log in two rotations, agent and collector killed `kills` times."""

    seed: int
    directory: Path
    pki: Pki
    database_url: str = ""
    total_bytes: int = 20 << 20
    kills: int = 2
    agent: AgentProcess = field(init=False)
    collector: CollectorProcess = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self.collector = CollectorProcess(self.directory / "collector", self.pki, self.database_url)
        host = HostDirectory(self.directory / "host", "xcp-1", HOST_UUID)
        history = "[history]\nseconds = 8640000\nbytes = 1000000000\n"
        self.agent = AgentProcess(host, self.pki, [self.collector.ingest_port], extra=history)
        self.log = Rsyslog(host.root / "var/log/SMlog", "xcp-1")
        self.written = bytearray()

    def run(self, patience_seconds: float = 60.0) -> Stored:
        """Write, rotate, kill, wait until all is stored."""
        self.collector.start()
        self.agent.start()
        writer = threading.Thread(target=self._write, name="chaos-writer")
        writer.start()
        try:
            for _ in range(self.kills):
                self._kill_somebody()
        finally:
            writer.join()
        self._wait(patience_seconds)
        return self.stored()

    def stop(self) -> None:
        """Whatever still runs."""
        self.agent.kill()
        self.collector.kill()
        self.log.close()

    def expected(self) -> list[bytes]:
        """The lines that the agent's own selection takes of everything written."""
        selector = Selector(part_for(FLOOR, SMLOG))
        slices = selector.select(bytes(self.written), 0)
        return [line for _, data in slices for line in data.split(b"\n")[:-1]]

    # --- what happens -----------------------------------------------------------------------------------------

    def _write(self) -> None:
        rotations = sorted(self._random.uniform(0.1, 0.95) * self.total_bytes for _ in range(2))
        chunk = self.total_bytes // 60
        for block in self._blocks(chunk):
            self.log.block(block)
            if rotations and len(self.written) + self.log.path.stat().st_size >= rotations[0]:
                rotations.pop(0)
                self._rotate()
            time.sleep(self._random.uniform(0.0, 0.06))
        self.log.flush()
        self.written += self.log.path.read_bytes()

    def _rotate(self) -> None:
        # The finished generation is what the old inode holds once rsyslog has let go of it.
        self.log.rename()
        time.sleep(self._random.uniform(0.0, 0.2))
        self.log.hup()
        self.written += self.log.path.with_name("SMlog.1").read_bytes()

    def _blocks(self, chunk: int) -> Iterator[list[str]]:
        """About `total_bytes` of lines in blocks of about `chunk` bytes; one line in eight is selected."""
        number = 0
        made = 0
        while made < self.total_bytes:
            block: list[str] = []
            size = 0
            while size < chunk:
                number += 1
                text = self._line(number)
                block.append(text)
                size += len(text) + 22
            made += size
            yield block

    def _line(self, number: int) -> str:
        if number % 8 == 0:
            return f"SMGC: [{1000 + number % 7}] {number:08x}-0000-4000-8000-000000000001 is coalescable"
        return f"SM: [{number}] lock: opening lock file /var/lock/sm/{SR_UUID}/sr " + "." * (number * 7 % 160)

    def _kill_somebody(self) -> None:
        time.sleep(self._random.uniform(0.05, 0.9))
        for victim in self._random.choice(((self.agent,), (self.collector,), (self.agent, self.collector))):
            victim.kill()
        time.sleep(self._random.uniform(0.0, 0.3))
        if self.collector.process is None:
            self.collector.start()
        if self.agent.process is None:
            self.agent.start()

    def _wait(self, patience_seconds: float) -> None:
        """Until as many bytes are covered as were written."""
        deadline = time.monotonic() + patience_seconds
        while time.monotonic() < deadline:
            if self._covered_bytes() >= len(self.written):
                return
            time.sleep(0.1)
        raise AssertionError(
            f"seed {self.seed}: {self._covered_bytes()} covered of {len(self.written)} bytes; agent said: "
            f"{self.agent.log.read_text(errors='replace')[-1500:]}"
        )

    def _covered_bytes(self) -> int:
        with self._connect() as connection:
            return int(connection.execute(select(func.sum(FILES.c.to_offset))).scalar_one() or 0)

    # --- what was stored --------------------------------------------------------------------------------------

    def stored(self) -> Stored:
        with self._connect() as connection:
            return _stored(connection)

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        url = self.database_url or f"sqlite:///{self.directory / 'collector/state/chainwatch.db'}"
        engine = open_bare(parse_url(url))
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()


def _stored(connection: Connection) -> Stored:
    lines: list[bytes] = []
    covered = []
    for file in connection.execute(select(FILES.c.id).order_by(FILES.c.ordinal)).scalars().all():
        of_file = select(LINES.c.data).where(LINES.c.file_id == file).order_by(LINES.c.offset)
        lines += [bytes(data) for data in connection.execute(of_file).scalars()]
        spans = select(COVERAGE.c.from_offset, COVERAGE.c.to_offset).where(COVERAGE.c.file_id == file)
        covered.append([(row[0], row[1]) for row in connection.execute(spans.order_by(COVERAGE.c.from_offset))])
    gaps = len(connection.execute(select(GAPS.c.id)).all())
    return Stored(lines, covered, gaps)

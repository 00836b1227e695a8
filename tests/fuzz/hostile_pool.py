"""A pool whose one host lies: its fold without a database, and what it holds and hands out."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chainwatch_collector.fold.fetch import HostBatch
from chainwatch_collector.fold.host_fold import HostFold
from chainwatch_collector.fold.pool_fold import FOLD_VERSION, Judged, PoolFold
from chainwatch_collector.judge.judge import Judge
from chainwatch_collector.judge.ledger import Ledger
from chainwatch_collector.keep.folded import FoldStep
from chainwatch_collector.keep.rows import Cursor, HostRow, StoredLine
from chainwatch_collector.track.tracker import PoolTracker
from collector.judge.scene import MASTER, POOL_UUID, START, a_picture, pending_chain
from smlog import Smlog

from fuzz.hostile_evidence import KINDS, samples, status

LOG = "/var/log/SMlog"
LINES_PER_BATCH = 5000


@dataclass
class Hostile:
    """`lines` and seconds of CPU so far; the sizes are of the last step."""

    fold: PoolFold = field(default_factory=lambda: _a_fold())
    tracker_bytes: int = 0
    reader_bytes: int = 0
    lines: int = 0
    seconds: float = 0.0
    judging: float = 0.0
    steps: list[FoldStep] = field(default_factory=list)
    judged: Judged | None = None
    now: datetime = START + timedelta(seconds=60)

    def reads(self, kind: str, first: int, behind: int) -> None:
        """Variants of one kind, from one number up to another, folded and judged as they come."""
        for batch in self._batches(kind, first, behind):
            began = time.process_time()
            self.fold.take(batch)
            self.lines += len(batch.lines)
            self._step(began)

    def hears(self, number: int) -> None:
        """One Status and one Samples."""
        self.now += timedelta(seconds=1)
        began = time.process_time()
        self.fold.observe(1, status(number, self.now), self.now, caught_up=True)
        self.fold.observe(1, samples(number, self.now), self.now, caught_up=True)
        self.lines += 1
        self._step(began)

    def _step(self, began: float) -> None:
        judging = time.process_time()
        self.judged = self.fold.judge(self.now)
        self.judging += time.process_time() - judging
        step = self.fold.pending(self.now)
        self.seconds += time.process_time() - began
        self.tracker_bytes = len(pickle.dumps(self.fold._tracker._hosts))
        self.reader_bytes = sum(len(host.reader) for host in step.hosts)
        self.steps.append(step)

    def _batches(self, kind: str, first: int, behind: int) -> Iterator[HostBatch]:
        log = Smlog(now=self.now)
        number, offset = first, self.fold.hosts[1].cursors.get(LOG, Cursor()).offset
        while number < behind:
            log.lines.clear()
            while len(log.lines) < LINES_PER_BATCH and number < behind:
                KINDS[kind](log, number)
                number += 1
            lines = []
            for data in log.lines:
                lines.append(StoredLine(1, _log_of(data), 0, offset, data, log.now, None))
                offset += len(data) + 1
            yield HostBatch(1, lines, (), {LOG: Cursor(0, offset)}, number < behind)


def _log_of(data: bytes) -> str:
    return "/var/log/kern.log" if b" kernel: " in data else LOG


def _a_fold() -> PoolFold:
    fold = PoolFold(POOL_UUID, FOLD_VERSION, PoolTracker(POOL_UUID), Judge(), Ledger())
    fold.see(a_picture(pending_chain()))
    row = HostRow(1, MASTER, "xcp1", True, "1", "3.6", "", "UTC", 0, (), 0.0, None, None, START, 0, 1)
    fold.add_host(HostFold.new(row))
    return fold

"""The state of reading one host, and what every handler needs of it: the line at hand, pids, runs, names, facts."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import NamedTuple

from chainwatch_collector.read.blocks import Block, Key
from chainwatch_collector.read.bounds import (
    BLOCK_LINES,
    FEW_MERGES,
    LOGS,
    MERGES_IN_ALL,
    NAMES,
    OPEN_BLOCKS,
    PIDS,
    put,
)
from chainwatch_collector.read.clock import Clock
from chainwatch_collector.read.open_runs import OpenRun, Process
from chainwatch_collector.read.record import Record
from chainwatch_collector.read.registry import Registry
from chainwatch_collector.read.runs import Merge
from chainwatch_collector.read.words import AnyLine, Fact, Line, LineRef, RunKey

_TEXT_LIMIT = 600


class PendingFailure(NamedTuple):
    """An exception of a pid that no run is known for yet: daemon.log may be read before SMlog."""

    cls: str
    message: str
    ref: LineRef


class Engine:
    """Mutable, one per host, fed in order. Handlers change it through these methods only."""

    def __init__(self, host: str, zone: tzinfo, merges_kept: int | None = None) -> None:
        self.host = host
        self.zone = zone
        self.merges_kept = merges_kept
        self.merges_known = 0
        self.clocks: dict[str, Clock] = {}
        self.blocks: dict[Key, Block] = {}
        self.processes: dict[int, Process] = {}
        self.registry = Registry()
        self.names: dict[str, dict[str, str | None]] = {}
        self.names_known = 0
        self.paused_at: dict[str, datetime] = {}
        self.killed_images: set[str] = set()
        self.pending_failures: dict[int, PendingFailure] = {}
        self.facts: list[Fact] = []
        self.line: AnyLine = Line("", 0, 0, b"")
        self.record = Record("", "", "", None, "", "", "")
        self.at: datetime | None = None
        self.uncertain = True
        # While a block is taken whole: the line of it that says what it means.
        self.proof: LineRef | None = None

    def turn_to(self, line: AnyLine, record: Record, family: str) -> None:
        """Make this the line at hand; times are resolved in order, per log."""
        clock = self.clocks.get(family)
        if clock is None:
            clock = Clock(self.zone)
            put(self.clocks, family, clock, LOGS)
        self.line, self.record = line, record
        self.at, self.uncertain = clock.resolve(record.time, line.read_at, line.mtime)

    def ref(self) -> LineRef:
        """The line at hand, as proof; of a block, the line that says it."""
        if self.proof is not None:
            return self.proof
        line = self.line
        text = self.record.text
        if len(text) > _TEXT_LIMIT:
            text = text[:_TEXT_LIMIT] + "…"
        return LineRef(self.host, line.log, line.ordinal, line.offset, self.at, text, self.uncertain)

    def key(self) -> RunKey:
        """The run that begins with the line at hand."""
        return RunKey(self.host, self.line.ordinal, self.line.offset)

    def emit(self, fact: Fact) -> None:
        """Hand a fact out."""
        self.facts.append(fact)

    def process(self, pid: int | None) -> Process:
        """What is known of a pid; the least recently met are forgotten."""
        number = -1 if pid is None else pid
        process = self.processes.pop(number, None) or Process(number)
        put(self.processes, number, process, PIDS)
        return process

    def run_of(self, pid: int | None) -> OpenRun | None:
        """The run whose worker or child this pid is, also one that has just ended."""
        if pid is None:
            return None
        return self.registry.by_worker.get(pid) or self.registry.by_child.get(pid)

    def worker(self) -> OpenRun | None:
        """The run that the line at hand is of, by its worker; None when it has ended."""
        state = self.registry.by_worker.get(self.record.pid if self.record.pid is not None else -1)
        return None if state is None or state.ended else state

    def open_block(self, key: Key, block: Block) -> None:
        """Lines of this key belong to the block from here on. One that nobody ends goes with the lines it has."""
        put(self.blocks, key, block, OPEN_BLOCKS)

    def bound_blocks(self) -> None:
        """To be called every so many lines of a block: what was opened first goes where all have too many."""
        while sum(block.count for block in self.blocks.values()) > BLOCK_LINES:
            del self.blocks[next(iter(self.blocks))]

    def add_merge(self, state: OpenRun, merge: Merge) -> None:
        """A merge of the run. A live reader keeps the last ones: each was told as it began and ended."""
        merges = state.run.merges
        merges.append(merge)
        self.merges_known += 1
        if self.merges_kept is None:
            return
        if len(merges) > self.merges_kept:
            del merges[0]
            self.merges_known -= 1
        if self.merges_known > MERGES_IN_ALL:
            self._forget_merges()

    def _forget_merges(self) -> None:
        """Of all runs but their last few; the newest runs keep theirs as long as there is room for half."""
        left = MERGES_IN_ALL // 2
        for run in reversed(self.registry.runs):
            if len(run.merges) > left:
                del run.merges[: -min(FEW_MERGES, len(run.merges))]
            left -= len(run.merges)
        self.merges_known = sum(len(run.merges) for run in self.registry.runs)

    def touch(self, state: OpenRun) -> None:
        """The run has shown a line; remember it as its last."""
        state.lines += 1
        state.run.lost = False
        state.run.last = self.ref()

    # --- names ------------------------------------------------------------------------------------------------

    def learn(self, sr: str | None, uuid: str) -> None:
        """A full uuid was printed for this SR."""
        if sr is None:
            return
        prefix = uuid[:8]
        before = self.names.get(sr, {}).get(prefix, "")
        if before == "":
            self.names_known += 1
            if self.names_known > NAMES:
                self.names.clear()
                self.names_known = 1
            self.names.setdefault(sr, {})[prefix] = uuid
        elif before != uuid:
            self.names[sr][prefix] = None

    def full(self, sr: str | None, prefix: str) -> str:
        """The full uuid of a printed prefix where this SR's log has shown exactly one; else the prefix."""
        if sr is None:
            return prefix
        return self.names.get(sr, {}).get(prefix) or prefix


def sr_of(state: OpenRun | None) -> str | None:
    """The SR as far as the log names it."""
    return (state.run.sr or state.run.sr_prefix) if state else None


def key_of(state: OpenRun | None) -> RunKey | None:
    """The run's key, None outside a run."""
    return state.run.key if state else None

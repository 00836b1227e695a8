"""Reading one host: lines in their order, span by span; facts and runs out. Pure: no clock, no files, no network."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, tzinfo

from chainwatch_collector.read import (
    blocks,
    ending,
    grammar_gc,
    grammar_host,
    grammar_sm,
    on_blocks,
    on_host,
    on_leaf,
    on_life,
    on_merge,
    on_scan,
    on_sm,
    record,
    shapes,
)
from chainwatch_collector.read.blocks import Block, Key
from chainwatch_collector.read.bounds import LOGS, MERGES, put
from chainwatch_collector.read.engine import Engine
from chainwatch_collector.read.facts import AnyLine, CoverageLost, Fact, LineRef
from chainwatch_collector.read.handlers import HANDLERS
from chainwatch_collector.read.open_runs import OpenRun
from chainwatch_collector.read.record import Record
from chainwatch_collector.read.rules import Grammar
from chainwatch_collector.read.runs import Run

# Raised whenever the same lines would give other facts or runs: what was read by an older one is read again.
GRAMMAR_VERSION = 2
# Of one block, between two looks at how many lines all have.
_LOOK_LINES = 4096
_SM_IDENTS = ("SM", "SMGC")
_HANDLER_MODULES = (on_life, on_scan, on_merge, on_leaf, on_sm, on_host, on_blocks)

GRAMMAR = Grammar((*grammar_gc.ROWS, *grammar_sm.ROWS))
HOST_GRAMMAR = Grammar(grammar_host.ROWS)
_KERNEL_TIME = re.compile(r"\A\[ *\d+\.\d+\] ?")
# K11, and what else writes to local2: known, and moves nothing.
_QUIET_IDENTS = frozenset(("fairlock", "set-iscsi-initiator", "root"))


class HostReader:
    """Everything read of one host so far. Feed lines in (ordinal, offset) order per log; declare what was not read.

    `host` is the host's uuid live, empty offline (then the first line's host name). `zone` is the host's own.
    `keep_ended_runs` makes it a live reader: so many ended runs stay for late lines, and the last merges of each run;
    None keeps all, and the shapes of unknown lines.
    """

    def __init__(self, host: str, zone: tzinfo, *, keep_ended_runs: int | None = None) -> None:
        self._engine = Engine(host, zone, None if keep_ended_runs is None else MERGES)
        self._keep_ended_runs = keep_ended_runs
        self.lines_understood = 0
        self.lines_unknown = 0
        self.unknown_shapes: Counter[str] = Counter()
        self._families: dict[str, str] = {}
        self._newest_at: datetime | None = None

    @property
    def host(self) -> str:
        """The host's uuid live, its name in the lines offline."""
        return self._engine.host

    @property
    def runs(self) -> list[Run]:
        """Every run met, in order of start."""
        return self._engine.registry.runs

    @property
    def open_runs(self) -> list[Run]:
        """Runs without an end."""
        return [state.run for state in self._engine.registry.open()]

    @property
    def newest_at(self) -> datetime | None:
        """The latest time of any line read."""
        return self._newest_at

    def take_changed_runs(self) -> list[Run]:
        """The runs that began, changed or ended since this was last asked."""
        changed = list(self._engine.registry.changed.values())
        self._engine.registry.changed.clear()
        return changed

    def feed(self, lines: Iterable[AnyLine]) -> list[Fact]:
        """Read on. Never raises for what a line holds."""
        for line in lines:
            self._read(line)
        keep = self._keep_ended_runs
        if keep is not None and len(self.runs) > 2 * keep:
            self._engine.registry.forget_ended(keep)
        return self._taken()

    def gap(self, after: LineRef | None, lost_bytes: int | None) -> list[Fact]:
        """Bytes that will never be read lie here: open blocks are cut, what was going on may have ended unseen."""
        engine = self._engine
        engine.blocks.clear()
        engine.processes.clear()
        for state in engine.registry.open():
            state.run.lost = True
            engine.registry.mark(state)
        ref = after or LineRef(engine.host, engine.line.log, engine.line.ordinal, engine.line.offset, engine.at, "")
        engine.emit(CoverageLost(ref=ref, lost_bytes=lost_bytes))
        return self._taken()

    def finish(self) -> list[Fact]:
        """The input ends: blocks that are still open are taken as they are. Runs without an end stay open."""
        for key in list(self._engine.blocks):
            block = self._engine.blocks.pop(key)
            on_blocks.closed(self._engine, block)
        for state in list(self._engine.registry.open()):
            # An exception of its own is known from daemon.log, its end is not in SMlog: it died of it.
            if state.error_ref is not None or state.not_here or state.aborted:
                ending.end_run(self._engine, state, state.run.last or state.run.start)
        for run in self.runs:
            for merge in run.merges:
                merge.child = self._engine.full(run.sr, merge.child)
                merge.parent = self._engine.full(run.sr, merge.parent)
        return self._taken()

    def _taken(self) -> list[Fact]:
        facts, self._engine.facts = self._engine.facts, []
        return facts

    def _read(self, line: AnyLine) -> None:
        parsed = record.parse(line.data)
        if parsed is None:
            self._unknown(line.data.decode("utf-8", "replace"))
            return
        if not self._engine.host:
            self._engine.host = parsed.host
        family = self._families.get(line.log)
        if family is None:
            family = log_family(line.log)
            put(self._families, line.log, family, LOGS)
        self._engine.turn_to(line, parsed, family)
        at = self._engine.at
        if at is not None and (self._newest_at is None or at > self._newest_at):
            self._newest_at = at
        if self._understand(parsed):
            self.lines_understood += 1
        else:
            self._unknown(parsed.msg, parsed.ident)

    def _unknown(self, text: str, ident: str = "") -> None:
        self.lines_unknown += 1
        if self._keep_ended_runs is not None:
            return
        shape = shapes.shape(text)
        self.unknown_shapes[f"{ident}: {shape}" if ident else shape] += 1

    def _understand(self, parsed: Record) -> bool:
        if parsed.ident not in _SM_IDENTS:
            return self._elsewhere(parsed)
        key: Key = (parsed.ident, parsed.pid, parsed.thread)
        block = self._engine.blocks.get(key)
        if block is not None:
            verdict = block.take(parsed, _known)
            if verdict == "taken":
                if block.count % _LOOK_LINES == 0:
                    self._engine.bound_blocks()
                if block.kind == "banner" and not block.armed and ": EXCEPTION <" in parsed.msg:
                    # What proves it is the line that says it, not the frame of asterisks around it.
                    block.start, block.armed = self._engine.ref(), True
                return True
            del self._engine.blocks[key]
            on_blocks.closed(self._engine, block)
            if verdict == "closed":
                return True
        return self._one_line(parsed, key)

    def _one_line(self, parsed: Record, key: Key) -> bool:
        opened = blocks.opening(parsed, self._engine.ref)
        if opened is not None:
            return self._open(opened, key)
        if not parsed.msg.strip():
            return True
        found = GRAMMAR.match(parsed.ident, parsed.msg)
        if found is None:
            return False
        if found.rule.event is not None:
            HANDLERS[found.rule.event](self._engine, found.fields)
        return True

    def _open(self, block: Block, key: Key) -> bool:
        if block.whole:
            on_blocks.closed(self._engine, block)
        else:
            self._engine.open_block(key, block)
        return True

    def _elsewhere(self, parsed: Record) -> bool:
        """daemon.log and its like; in SMlog, the lock daemon's and plugins' lines."""
        msg = _KERNEL_TIME.sub("", parsed.msg) if parsed.ident == "kernel" else parsed.msg
        parsed.msg = msg
        key: Key = (parsed.ident, parsed.pid, "")
        block = self._engine.blocks.get(key)
        if block is not None:
            if block.take(parsed, _known) == "closed":
                del self._engine.blocks[key]
                on_blocks.closed(self._engine, block)
            return True
        if msg.startswith("Traceback (most recent"):
            self._engine.open_block(key, blocks.traceback(self._engine.ref()))
            return True
        found = HOST_GRAMMAR.match(parsed.ident, msg)
        if found is None:
            return parsed.ident in _QUIET_IDENTS
        if found.rule.event is not None:
            HANDLERS[found.rule.event](self._engine, found.fields)
        return True


def log_family(log: str) -> str:
    """`SMlog` of `/var/log/SMlog.2.gz`: which log a path is a generation of."""
    name = log.rsplit("/", 1)[-1]
    return name.split(".log", 1)[0] + ".log" if ".log" in name else name.split(".", 1)[0]


def _known(parsed: Record) -> bool:
    """Whether a line is one of the grammar's own, and so ends a block that has no end."""
    return GRAMMAR.match(parsed.ident, parsed.msg) is not None or blocks.opening(parsed, _no_ref) is not None


def _no_ref() -> LineRef:
    return LineRef("", "", 0, 0, None, "")


def open_states(reader: HostReader) -> list[OpenRun]:
    """The runs that go on, with the signs seen: for tests and diagnosis of the reader itself."""
    return list(reader._engine.registry.open())

"""A log file's bytes as lines with their offsets in the uncompressed file: an SMlog whole, of others a selection."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from typing import IO, cast

from chainwatch_agent.policy import FLOOR, part_for
from chainwatch_agent.select import Selector

from chainwatch_collector.diagnose.limits import MIB, Budget
from chainwatch_collector.diagnose.sources import LogFile
from chainwatch_collector.read.facts import Line
from chainwatch_collector.read.reader import log_family

Selection = Callable[[bytes, int], list[tuple[int, bytes]]]
_GZIP = b"\x1f\x8b"


def everything(data: bytes, base_offset: int) -> list[tuple[int, bytes]]:
    """The selection that keeps all, for SMlogs: a wording that no agent selects yet shows here as unknown."""
    return [(base_offset, data)]


def neighbour(name: str) -> Selection:
    """What an agent's floor selects of a daemon.log, kern.log, …: one selection for one file, for it remembers."""
    return Selector(part_for(FLOOR, "/var/log/" + log_family(name)))


class LogLines:
    """Iterates one file. `read` counts physical lines; a line longer than the limit is cut and counted once."""

    def __init__(self, log: LogFile, ordinal: int, read_at: datetime | None, budget: Budget, select: Selection) -> None:
        self.read = 0
        self.selected = 0
        self.damage = ""
        self._log = log
        self._ordinal = ordinal
        self._read_at = read_at
        self._budget = budget
        self._select = select

    def __iter__(self) -> Iterator[Line]:
        for offset, block in self._blocks():
            self.read += block.count(b"\n") + (0 if block.endswith(b"\n") else 1)
            for at, data in self._select(block, offset):
                yield from self._lines(at, data)

    def _lines(self, offset: int, data: bytes) -> Iterator[Line]:
        name, ordinal, read_at, mtime = self._log.shown, self._ordinal, self._read_at, self._log.mtime
        for raw in _split(data):
            self.selected += 1
            text = raw.rstrip(b"\r\n").lstrip(b"\0")[: self._budget.limits.line_bytes]
            yield Line(name, ordinal, offset, text, read_at, mtime)
            offset += len(raw)

    def _blocks(self) -> Iterator[tuple[int, bytes]]:
        """Blocks of whole lines, each with its offset; the last may lack its newline."""
        offset, rest, size = 0, b"", 0
        packed = self._log.path.stat().st_size
        with closing(self._open()) as stream:
            while True:
                block = self._next(stream)
                if not block:
                    break
                size += len(block)
                self._budget.spend(self._log.shown, len(block), size, packed)
                data = rest + block
                cut = data.rfind(b"\n") + 1
                if cut == 0 and len(data) < 16 * MIB:
                    rest = data
                    continue
                cut = cut or len(data)
                yield offset, data[:cut]
                offset += cut
                rest = data[cut:]
        if rest:
            yield offset, rest

    def _open(self) -> IO[bytes]:
        with self._log.path.open("rb") as probe:
            compressed = probe.read(2) == _GZIP
        return cast(IO[bytes], gzip.open(self._log.path, "rb")) if compressed else self._log.path.open("rb")

    def _next(self, stream: IO[bytes]) -> bytes:
        try:
            return stream.read(MIB)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            self.damage = f"{self._log.shown}: damaged gzip, read up to the damage: {error}"
            return b""


def _split(data: bytes) -> list[bytes]:
    """At newlines only: a carriage return inside a line is text."""
    lines = data.split(b"\n")
    return [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])

"""How much of the past a first start reads (proto/README.md 2.7): the limits, and where they cut a file."""

from typing import NamedTuple

from chainwatch_agent.generations import Identified, reopen
from chainwatch_agent.line_time import find_time, next_line
from chainwatch_agent.sources import DamagedError, PlainSource

_CHUNK = 64 * 1024


class History(NamedTuple):
    """At most `max_seconds` and at most `max_bytes`, whichever is less."""

    max_seconds: float
    max_bytes: int

    def oldest_us(self, now_us: int) -> int:
        """What was last written before is not read."""
        return now_us - int(self.max_seconds * 1e6)

    def size(self, one: Identified) -> int:
        """Uncompressed bytes."""
        if not one.generation.compressed:
            return one.generation.size
        try:
            source = reopen(one, one.generation.name, one.generation.path)
        except (OSError, DamagedError):
            return 0
        try:
            return source.size()
        except OSError:
            return 0
        finally:
            source.close()

    def cut(self, one: Identified, offset: int, oldest_us: int) -> int:
        """The start of the first line at or behind `offset` that is young enough. A .gz is cut by size alone."""
        if one.source is not None:
            try:
                return self._cut_plain(one.source, offset, oldest_us)
            except OSError:
                # Where it cannot be looked into, reading says so.
                return 0
        if not offset:
            return 0
        try:
            source = reopen(one, one.generation.name, one.generation.path)
        except (OSError, DamagedError):
            return 0
        try:
            return next_line(source.read_at, offset, source.size())
        except (OSError, DamagedError):
            return 0
        finally:
            source.close()

    @staticmethod
    def _cut_plain(source: PlainSource, offset: int, oldest_us: int) -> int:
        size = _complete(source)
        by_time = find_time(source.read_at, size, oldest_us / 1e6, source.mtime_us() / 1e6)
        return max(by_time, next_line(source.read_at, min(offset, size), size))


def _complete(source: PlainSource) -> int:
    """Where the last complete line ends."""
    at = source.size()
    while at > 0:
        begin = max(0, at - _CHUNK)
        end = source.read_at(begin, at - begin).rfind(b"\n") + 1
        if end:
            return begin + end
        at = begin
    return 0


DEFAULT_HISTORY = History(86400.0, 300 * 1024 * 1024)

"""Bytes of a log in, the selected lines out: the agent's one hot loop. Pure but for what a selector remembers.

The technique (measured on Python 3.6): a block stays in the cache; an ident and each literal cost one `find` pass at C
speed; literals that begin with `] ` (where an SM message begins, once a line) share one pass of an expression whose
literal prefix the engine looks for. A line's ends are looked up only where something hit; no loop over lines.

Messages that SM splits over several lines (a failed command's output, a traceback) hold the literal in their first
line only. Such a line begins a *watch*: the lines after it of the same ident and pid are selected until the message
ends. What a selector remembers between blocks are these watches; reading that begins inside a file warms it up on the
bytes before (`WARM_UP_BYTES`), so that what is selected depends on the file alone.
"""

import re
from typing import Dict, List, Optional, Pattern, Sequence, Tuple

from chainwatch_agent.policy import LogPolicy

BLOCK_BYTES = 64 * 1024
WARM_UP_BYTES = 64 * 1024
# Of a long output the reader keeps the first lines and what ends it; a damaged image can print thousands.
_WATCH_LINES = 60
_WATCH_BYTES = 4 * 1024 * 1024
_MAX_WATCHES = 64
_HEAD = b"] "
# An ident has a line in so many bytes: then looking at every line is cheaper.
_DENSE_BYTES = 400
_BEHIND_IDENT = (b":", b"[")
_HEADS_WORTH_A_REGEX = 3

Slice = Tuple[int, bytes]
_Run = Tuple[int, int]


class _Watch:
    """A message of one (ident, pid) that goes on. `kind`: a command, its failure, or a text that an empty line ends."""

    __slots__ = ("armed", "ended", "kind", "left", "seen_bytes")

    def __init__(self, kind: str, armed: bool = False) -> None:
        self.kind = kind
        self.armed = armed
        self.ended = False
        self.left = _WATCH_LINES
        self.seen_bytes = 0


class Selector:
    """Selects from one log under a floor and a collector's part. Call `select` with consecutive blocks."""

    def __init__(self, *parts: LogPolicy) -> None:
        self._idents = [_Ident(ident, part.noise) for part in parts for ident in part.idents]
        literals = sorted({literal for part in parts for literal in part.literals})
        heads = [literal for literal in literals if _is_head(literal)]
        self._heads = _any_head(heads) if len(heads) >= _HEADS_WORTH_A_REGEX else None
        self._literals = [literal for literal in literals if self._heads is None or literal not in heads]
        self._watches: Dict[bytes, _Watch] = {}

    def __call__(self, block: bytes, base_offset: int) -> List[Slice]:
        """`select`, so that a selector is a function."""
        return self.select(block, base_offset)

    def select(self, block: bytes, base_offset: int) -> List[Slice]:
        """The selected runs of whole lines in `block`, which itself is whole lines, with their offsets in the file."""
        hits: Dict[int, int] = {}
        if self._heads is not None:
            _by_pattern(block, self._heads, hits)
        for literal in self._literals:
            _by_literal(block, literal, hits)
        if self._watches or hits:
            lines = dict(hits)
            self._follow(block, hits, lines)
            hits = lines
        runs = sorted(hits.items())
        for ident in self._idents:
            by_ident = ident.runs(block)
            runs = sorted(runs + by_ident) if runs and by_ident else runs or by_ident
        return _slices(block, base_offset, runs)

    def _follow(self, block: bytes, hits: Dict[int, int], lines: Dict[int, int]) -> None:
        """Select what belongs to messages that began in a block before, and to those that begin in this one."""
        begins: Dict[int, Tuple[bytes, _Watch]] = {}
        for start in sorted(hits):
            begun = _begin(block[start : hits[start]])
            if begun is not None:
                begins[start] = begun
        for key in list(self._watches):
            self._watched(block, key, 0, begins, lines)
        for start in sorted(begins):
            key, watch = begins[start]
            self._watches.pop(key, None)
            if watch.ended:
                continue
            self._watches[key] = watch
            if len(self._watches) > _MAX_WATCHES:
                del self._watches[next(iter(self._watches))]
            self._watched(block, key, hits[start], begins, lines)

    def _watched(
        self, block: bytes, key: bytes, behind: int, begins: Dict[int, Tuple[bytes, _Watch]], lines: Dict[int, int]
    ) -> None:
        """Select this watch's lines from `behind` on, until it ends or another message of its key begins."""
        watch = self._watches[key]
        at = block.find(key, behind)
        while at >= 0:
            start = block.rfind(b"\n", behind, at) + 1 or behind
            if start in begins and begins[start][0] == key:
                return
            end = block.find(b"\n", at) + 1 or len(block)
            if not _goes_on(watch, block[at + len(key) : end], lines, start, end):
                del self._watches[key]
                return
            behind = end
            at = block.find(key, end)
        watch.seen_bytes += len(block) - behind
        if watch.kind != "command" and watch.seen_bytes > _WATCH_BYTES:
            del self._watches[key]


class _Ident:
    """Lines of one syslog ident that hold none of `noise`."""

    def __init__(self, ident: bytes, noise: Sequence[bytes]) -> None:
        self._needle = b" " + ident
        # What begins with `] ` is looked for where an SM message begins and nowhere else: one cheap look.
        self._head_noise = tuple(literal for literal in noise if _is_head(literal))
        others = [re.escape(literal) for literal in noise if not _is_head(literal)]
        self._noise = re.compile(b"|".join(others)) if others else None
        # Where this host's lines have their ident, and whether the last block was full of them.
        self._at = 0
        self._dense = False

    def runs(self, block: bytes) -> List[_Run]:
        """Of consecutive lines, ascending."""
        runs, hits = self._by_line(block) if self._dense else self._by_hit(block)
        self._dense = hits * _DENSE_BYTES > len(block)
        return runs

    def _by_hit(self, block: bytes) -> "Tuple[List[_Run], int]":
        """One look per line of this ident: for a log that has few of them."""
        find, hits, end = block.find, 0, 0
        runs: List[_Run] = []
        at = find(self._needle)
        while at >= 0:
            start = block.rfind(b"\n", end, at) + 1 or end
            stop = find(b"\n", at) + 1 or len(block)
            hits += 1
            if self._counts(block[start:stop], at - start):
                if runs and runs[-1][1] == start:
                    runs[-1] = (runs[-1][0], stop)
                else:
                    runs.append((start, stop))
            end = stop
            at = find(self._needle, end)
        return runs, hits

    def _by_line(self, block: bytes) -> "Tuple[List[_Run], int]":
        """One look per line: for a log that is full of this ident."""
        needle, noise, column, free = self._needle + b": ", self._head_noise, self._at, self._noise is None
        runs: List[_Run] = []
        hits, begin, at = 0, -1, 0
        for line in block.split(b"\n"):
            if free and line.startswith(needle, column):
                hits += 1
                selected = not line.startswith(noise, line.find(_HEAD, column))
            else:
                found = line.find(self._needle)
                selected = found >= 0 and self._counts(line, found)
                hits += selected
            if selected:
                if begin < 0:
                    begin = at
            elif begin >= 0:
                runs.append((begin, at))
                begin = -1
            at += len(line) + 1
        if begin >= 0:
            runs.append((begin, len(block)))
        return runs, hits

    def _counts(self, line: bytes, at: int) -> bool:
        """Whether the line, which has the needle at `at`, is of this ident and no noise."""
        behind = at + len(self._needle)
        # The first ": " of a line ends its ident: one further on is somebody quoting.
        if line[behind : behind + 1] not in _BEHIND_IDENT or line.find(b": ", 0, at) >= 0:
            return False
        self._at = at
        if self._head_noise and line.startswith(self._head_noise, line.find(_HEAD, at)):
            return False
        return self._noise is None or self._noise.search(line, at) is None


def _by_literal(block: bytes, literal: bytes, hits: Dict[int, int]) -> None:
    find = block.find
    behind, at = 0, find(literal)
    while at >= 0:
        start = block.rfind(b"\n", behind, at) + 1 or behind
        end = find(b"\n", at) + 1 or len(block)
        hits[start] = end
        behind = end
        at = find(literal, end)


def _by_pattern(block: bytes, pattern: "Pattern[bytes]", hits: Dict[int, int]) -> None:
    behind = 0
    for found in pattern.finditer(block):
        at = found.start()
        if at >= behind:
            start = block.rfind(b"\n", behind, at) + 1 or behind
            behind = block.find(b"\n", at) + 1 or len(block)
            hits[start] = behind


def _slices(block: bytes, base_offset: int, runs: Sequence[_Run]) -> List[Slice]:
    """Sorted runs, which may overlap, as slices that do not."""
    out: List[Slice] = []
    begin = end = 0
    for start, stop in runs:
        if start > end:
            if end > begin:
                out.append((base_offset + begin, block[begin:end]))
            begin = start
        end = max(end, stop)
    if end > begin:
        out.append((base_offset + begin, block[begin:end]))
    return out


def _is_head(literal: bytes) -> bool:
    return literal.startswith(_HEAD) and len(literal) > len(_HEAD)


def _any_head(literals: Sequence[bytes]) -> "Pattern[bytes]":
    """One expression for literals that all begin with `] `: the prefix that the engine looks for, then one look at the
    next byte, then the alternatives by their first byte.
    """
    by_first: Dict[bytes, List[bytes]] = {}
    for literal in literals:
        rest = literal[len(_HEAD) :]
        by_first.setdefault(rest[:1], []).append(rest)
    firsts = b"".join(re.escape(first) for first in sorted(by_first))
    # Commands are the most of what passes the look, so they come first.
    order = sorted(by_first, key=lambda first: (first != b"[", first))
    groups = []
    for first in order:
        low, high = min(by_first[first]), max(by_first[first])
        shared = [a == b for a, b in zip(low, high)] + [False]
        common = low[: shared.index(False)]
        rests = [re.escape(rest[len(common) :]) for rest in by_first[first]]
        groups.append(re.escape(common) + (b"(?:" + b"|".join(rests) + b")" if any(rests) else b""))
    return re.compile(re.escape(_HEAD) + b"(?=[" + firsts + b"])(?:" + b"|".join(groups) + b")")


def _begin(line: bytes) -> "Optional[Tuple[bytes, _Watch]]":
    """(key, watch) of a line that begins a message of several lines; an ended watch where it is whole already."""
    if b"FAILED in util.pread: " in line:
        watch = _Watch("failed", b"', stderr: '" in line)
        watch.ended = watch.armed and line.rstrip(b"\r\n").endswith(b"'")
    elif b": EXCEPTION " in line or b"scan with NOFAIL flag, output:" in line:
        watch = _Watch("text")
    elif b"] ['" in line:
        watch = _Watch("command")
    else:
        return None
    key = _key(line)
    return (key, watch) if key is not None else None


def _key(line: bytes) -> Optional[bytes]:
    """` SM: [123]`: what every line of the same message has; None where SM printed no pid."""
    at = line.find(b": [")
    end = line.find(b"]", at)
    begin = line.rfind(b" ", 0, at) if at > 0 else -1
    if begin < 0 or not line[at + 3 : end].isdigit():
        return None
    return line[begin : end + 1]


def _goes_on(watch: _Watch, rest: bytes, lines: "Dict[int, int]", start: int, end: int) -> bool:
    """Take a line of the watch's key, `rest` being what follows the pid; whether the message goes on behind it."""
    text = _message(rest)
    if watch.kind == "command":
        if text.startswith(b"  pread SUCCESS"):
            lines[start] = end
            return False
        return not text.startswith((b"['", b"FAILED in "))
    if watch.kind == "failed" and text.startswith((b"['", b"lock: ", b"FAILED in ", b"  pread SUCCESS")):
        return False
    ends = not text.strip() if watch.kind == "text" else b"', stderr: '" in text
    watch.armed = watch.armed or (watch.kind == "failed" and ends)
    if watch.left > 0 or ends or (watch.armed and text.endswith(b"'")):
        watch.left -= 1
        lines[start] = end
    if watch.kind == "text":
        return not ends
    return not (watch.armed and text.endswith(b"'"))


def _message(rest: bytes) -> bytes:
    """The text behind `[pid]` and, since SM 3.2.12-17.1, `[thread]`."""
    if rest.startswith(b"["):
        rest = rest[rest.find(b"]") + 1 :]
    text = rest[1:] if rest.startswith(b" ") else rest
    return text.rstrip(b"\r\n")

"""Bytes of a log in, the selected lines out: the agent's one hot loop. Pure but for what a selector remembers.

The technique (measured on Python 3.6): one C-speed `find` pass per literal over a block that stays in the cache, a
line's ends looked up only where one hit; never a regex over everything, never a loop over lines.

Messages that SM splits over several lines (a failed command's output, a traceback) hold the literal in their first
line only. Such a line begins a *watch*: the lines after it of the same ident and pid are selected until the message
ends. What a selector remembers between blocks are these watches; reading that begins inside a file warms it up on the
bytes before (`WARM_UP_BYTES`), so that what is selected depends on the file alone.
"""

from typing import Dict, List, Optional, Sequence, Tuple

from chainwatch_agent.policy import LogPolicy

BLOCK_BYTES = 64 * 1024
WARM_UP_BYTES = 64 * 1024
# Of a long output the reader keeps the first lines and what ends it; a damaged image can print thousands.
_WATCH_LINES = 60
_WATCH_BYTES = 4 * 1024 * 1024
_MAX_WATCHES = 64

Slice = Tuple[int, bytes]


class _Watch:
    """A message of one (ident, pid) that goes on. `kind`: a command, its failure, or a text that an empty line ends."""

    __slots__ = ("armed", "kind", "left", "seen_bytes")

    def __init__(self, kind: str, armed: bool = False) -> None:
        self.kind = kind
        self.armed = armed
        self.left = _WATCH_LINES
        self.seen_bytes = 0


class Selector:
    """Selects from one log under a floor and a collector's part. Call `select` with consecutive blocks."""

    def __init__(self, *parts: LogPolicy) -> None:
        self._idents = [
            (needle, part.noise)
            for part in parts
            for ident in part.idents
            for needle in (b" " + ident + b": ", b" " + ident + b"[")
        ]
        self._literals = tuple(sorted({literal for part in parts for literal in part.literals}))
        self._watches: Dict[bytes, _Watch] = {}

    def __call__(self, block: bytes, base_offset: int) -> List[Slice]:
        """`select`, so that a selector is a function."""
        return self.select(block, base_offset)

    def select(self, block: bytes, base_offset: int) -> List[Slice]:
        """The selected runs of whole lines in `block`, which itself is whole lines, with their offsets in the file."""
        lines: Dict[int, int] = {}
        for needle, noise in self._idents:
            self._by_ident(block, needle, noise, lines)
        hits: Dict[int, int] = {}
        for literal in self._literals:
            _by_literal(block, literal, hits)
        lines.update(hits)
        if self._watches or hits:
            self._follow(block, hits, lines)
        return _runs(block, base_offset, lines)

    @staticmethod
    def _by_ident(block: bytes, needle: bytes, noise: Sequence[bytes], lines: "Dict[int, int]") -> None:
        find, rfind = block.find, block.rfind
        behind, at = 0, find(needle)
        while at >= 0:
            start = rfind(b"\n", behind, at) + 1 or behind
            end = find(b"\n", at) + 1 or len(block)
            # The first ": " of a line ends its ident: one further on is somebody quoting.
            if find(b": ", start, at) < 0 and not any(find(word, at, end) >= 0 for word in noise):
                lines[start] = end
            behind = end
            at = find(needle, end)

    def _follow(self, block: bytes, hits: "Dict[int, int]", lines: "Dict[int, int]") -> None:
        for key in list(self._watches):
            self._watched(block, key, 0, lines)
        for start in sorted(hits):
            line = block[start : hits[start]]
            kind = _kind(line)
            if kind is None:
                continue
            own = _key(line)
            if own is None:
                continue
            watch = _Watch(kind)
            if kind == "failed" and _stands_alone(line, watch):
                continue
            self._watches.pop(own, None)
            self._watches[own] = watch
            if len(self._watches) > _MAX_WATCHES:
                del self._watches[next(iter(self._watches))]
            self._watched(block, own, hits[start], lines)

    def _watched(self, block: bytes, key: bytes, behind: int, lines: "Dict[int, int]") -> None:
        """Select this watch's lines from `behind` on, until it ends."""
        watch = self._watches[key]
        at = block.find(key, behind)
        while at >= 0:
            start = block.rfind(b"\n", behind, at) + 1 or behind
            end = block.find(b"\n", at) + 1 or len(block)
            if _goes_on(watch, block[at + len(key) : end], lines, start, end):
                behind = end
                at = block.find(key, end)
            else:
                del self._watches[key]
                return
        watch.seen_bytes += len(block) - behind
        if watch.kind != "command" and watch.seen_bytes > _WATCH_BYTES:
            del self._watches[key]


def _by_literal(block: bytes, literal: bytes, hits: "Dict[int, int]") -> None:
    find = block.find
    behind, at = 0, find(literal)
    while at >= 0:
        start = block.rfind(b"\n", behind, at) + 1 or behind
        end = find(b"\n", at) + 1 or len(block)
        hits[start] = end
        behind = end
        at = find(literal, end)


def _runs(block: bytes, base_offset: int, lines: "Dict[int, int]") -> List[Slice]:
    out: List[Slice] = []
    begin = end = -1
    for start in sorted(lines):
        if start != end:
            if end > begin:
                out.append((base_offset + begin, block[begin:end]))
            begin = start
        end = lines[start]
    if end > begin:
        out.append((base_offset + begin, block[begin:end]))
    return out


def _kind(line: bytes) -> Optional[str]:
    if b"FAILED in util.pread: " in line:
        return "failed"
    if b": EXCEPTION " in line or b"scan with NOFAIL flag, output:" in line:
        return "text"
    if b"] ['" in line:
        return "command"
    return None


def _key(line: bytes) -> Optional[bytes]:
    """` SM: [123]`: what every line of the same message has; None where SM printed no pid."""
    at = line.find(b": [")
    end = line.find(b"]", at)
    begin = line.rfind(b" ", 0, at) if at > 0 else -1
    if begin < 0 or not line[at + 3 : end].isdigit():
        return None
    return line[begin : end + 1]


def _stands_alone(line: bytes, watch: _Watch) -> bool:
    """Whether a failed command's line is whole: `... stderr: '...'`."""
    watch.armed = b"', stderr: '" in line
    return watch.armed and line.rstrip(b"\r\n").endswith(b"'")


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

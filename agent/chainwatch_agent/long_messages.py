"""Messages that SM splits over several lines: a failed command's output, a traceback, a command and its end. Pure but
for what is remembered between blocks.

Only the first line of such a message holds a literal. It begins a *watch*: the lines after it of the same ident and pid
are selected until the message ends.
"""

from typing import Dict, List, Optional, Sequence, Tuple

# Of a long output the reader keeps the first lines and what ends it; a damaged image can print thousands.
_WATCH_LINES = 60
_WATCH_BYTES = 4 * 1024 * 1024
_MAX_WATCHES = 64

Run = Tuple[int, int]


class _Watch:
    """A message of one (ident, pid) that goes on. `kind`: a command, its failure, or a text that an empty line ends."""

    __slots__ = ("armed", "ended", "kind", "left", "seen_bytes")

    def __init__(self, kind: str, armed: bool = False) -> None:
        self.kind = kind
        self.armed = armed
        self.ended = False
        self.left = _WATCH_LINES
        self.seen_bytes = 0


class LongMessages:
    """The messages that go on."""

    def __init__(self) -> None:
        self._watches: Dict[bytes, _Watch] = {}

    @property
    def any(self) -> bool:
        """Whether one goes on behind the last block."""
        return bool(self._watches)

    def lines(self, block: bytes, size: int, hits: Sequence[Run]) -> List[Run]:
        """(start, end) of the lines that belong to messages that began before, and to those that begin in `hits`.

        Of `block` the first `size` bytes count.
        """
        begins: Dict[int, Tuple[bytes, _Watch, int]] = {}
        for start, end in hits:
            begun = _begin(block[start:end])
            if begun is not None:
                begins[start] = (begun[0], begun[1], end)
        if not begins and not self._watches:
            return []
        lines: Dict[int, int] = {}
        for key in list(self._watches):
            self._watched(block, size, key, 0, begins, lines)
        for start in sorted(begins):
            key, watch, end = begins[start]
            self._watches.pop(key, None)
            if watch.ended:
                continue
            self._watches[key] = watch
            if len(self._watches) > _MAX_WATCHES:
                del self._watches[next(iter(self._watches))]
            self._watched(block, size, key, end, begins, lines)
        return list(lines.items())

    def _watched(
        self,
        block: bytes,
        size: int,
        key: bytes,
        behind: int,
        begins: Dict[int, Tuple[bytes, _Watch, int]],
        lines: Dict[int, int],
    ) -> None:
        """Select this watch's lines from `behind` on, until it ends or another message of its key begins."""
        watch = self._watches[key]
        at = block.find(key, behind, size)
        while at >= 0:
            start = block.rfind(b"\n", behind, at) + 1 or behind
            if start in begins and begins[start][0] == key:
                return
            end = block.find(b"\n", at, size) + 1 or size
            if not _goes_on(watch, block[at + len(key) : end], lines, start, end):
                del self._watches[key]
                return
            behind = end
            at = block.find(key, end, size)
        watch.seen_bytes += size - behind
        if watch.kind != "command" and watch.seen_bytes > _WATCH_BYTES:
            del self._watches[key]


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
    """` SM: [123]`: what every line of the same message has; None where SM printed no pid, or the line ends in it."""
    at = line.find(b": [")
    end = line.find(b"]", at)
    begin = line.rfind(b" ", 0, at) if at > 0 else -1
    if begin < 0 or end < at or not line[at + 3 : end].isdigit():
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

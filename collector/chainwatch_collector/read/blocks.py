"""Messages that span lines, put together per (ident, pid, thread) among the lines of others (catalogue 1.3).

SM splits a text at newlines and logs each piece with the full prefix. A block is opened by a line that begins one,
takes lines of its key until its own end, and closes short when a line cannot belong to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from chainwatch_collector.read import images
from chainwatch_collector.read.record import Record
from chainwatch_collector.read.words import LineRef

Kind = Literal["header", "tree", "deletion", "banner", "trace", "failed", "scan_output", "traceback"]
Verdict = Literal["taken", "closed", "refused"]
Key = tuple[str, int | None, str]

# The longest text kept of one block, and the lines after which an unfinished one is given up.
MAX_LINES_KEPT = 60
_MAX_HEADER_LINES = 40
_MAX_LINES = 200_000

# T1, T1a, T1b. The name is the operator's: any quotes, brackets, and by a newline several lines.
HEADER = re.compile(
    r"SR (?P<sr>[0-9a-f]{4}|[0-9a-f-]{36}) \('(?P<name>.*)'\) \((?P<vdis>\d{1,9}) VDIs in (?P<trees>\d{1,9}) "
    r"(?:VHD|COW) trees\): ?(?P<rest>no changes|showing only (?:VHD|COW) trees that changed:|)\Z",
    re.DOTALL,
)
HEADER_START = re.compile(r"SR [0-9a-f]{4}(?:[0-9a-f-]{32})? \('")
_HEADER_TAIL = re.compile(r"'\) \(\d{1,9} VDIs in \d{1,9} (?:VHD|COW) trees\): ?(?:no changes|showing only .*|)\Z")
_GONE = re.compile(r"Tree ([0-9a-f-]{36}) gone\Z")
E1_FRAME = "*~*~*~*~*~*"
_STARS = "         ***"
_FAILED = "FAILED in util.pread: "
_STDERR = "', stderr: '"


@dataclass(slots=True)
class Block:
    """An open block: what it is, its first line, and the lines kept of it."""

    kind: Kind
    start: LineRef
    lines: list[str] = field(default_factory=list)
    count: int = 0
    expected: int = 0
    armed: bool = False
    nodes: list[tuple[int, str]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    header: dict[str, str] = field(default_factory=dict)
    whole: bool = False

    def take(self, record: Record, known: Callable[[Record], bool]) -> Verdict:
        """Offer the next line of the same key."""
        self.count += 1
        if self.count > _MAX_LINES:
            return "refused"
        return _TAKERS[self.kind](self, record, known)

    def keep(self, text: str) -> None:
        """Remember a line's text, up to the limit."""
        if len(self.lines) < MAX_LINES_KEPT:
            self.lines.append(text)

    @property
    def text(self) -> str:
        """The lines kept, as one text."""
        return "\n".join(self.lines)


def opening(record: Record, ref: Callable[[], LineRef]) -> Block | None:
    """The block that this line begins, None for a line that stands alone."""
    msg, ident = record.msg, record.ident
    if ident == "SMGC":
        if msg.startswith("SR ") and HEADER_START.match(msg):
            return _header(msg, ref())
        if msg.startswith(E1_FRAME):
            return Block("banner", ref())
        if msg.startswith("Traceback (most recent"):
            return Block("trace", ref(), [msg])
    elif ident == "SM":
        if msg.startswith(_FAILED):
            block = Block("failed", ref(), [msg], armed=_STDERR in msg)
            block.whole = block.armed and msg.endswith("'")
            return block
        if msg.startswith("***** ") and ": EXCEPTION " in msg:
            return Block("trace", ref(), [msg])
        if msg.startswith("WARN: ") and "scan with NOFAIL flag, output:" in msg:
            return Block("scan_output", ref(), [msg])
    return None


def deletion(count: int, ref: LineRef) -> Block:
    """T13's list: `count` lines of `  <image>`."""
    return Block("deletion", ref, expected=count)


def traceback(ref: LineRef) -> Block:
    """A Python traceback as a unit's stderr has it."""
    return Block("traceback", ref)


def _header(msg: str, ref: LineRef) -> Block:
    match = HEADER.match(msg)
    if match is None:
        return Block("header", ref, [msg])
    return _tree(match.groupdict(), ref)


def _tree(header: dict[str, str], ref: LineRef) -> Block:
    block = Block("tree", ref, header=header)
    block.whole = header["rest"] == "no changes"
    return block


def _take_header(block: Block, record: Record, _known: Callable[[Record], bool]) -> Verdict:
    if block.count > _MAX_HEADER_LINES or HEADER_START.match(record.msg):
        return "refused"
    block.keep(record.msg)
    if not _HEADER_TAIL.search(record.msg):
        return "taken"
    match = HEADER.match(block.text)
    if match is None:
        return "refused"
    block.kind, block.header, block.count = "tree", match.groupdict(), 0
    block.whole = block.header["rest"] == "no changes"
    return "closed" if block.whole else "taken"


def _take_tree(block: Block, record: Record, _known: Callable[[Record], bool]) -> Verdict:
    msg = record.msg
    if not msg.strip():
        block.whole = True
        return "closed"
    node = images.tree_line(msg)
    if node is not None:
        block.nodes.append(node)
        return "taken"
    gone = _GONE.match(msg)
    if gone is not None:
        block.gone.append(gone[1])
        return "taken"
    if not block.nodes and not block.gone and block.header["vdis"] != "0":
        # A header that promises images and shows none: the SR's name goes on over this line (m_odd_names).
        text = f"SR {block.header['sr']} ('{block.header['name']}') ({block.header['vdis']} VDIs in "
        block.lines = [f"{text}{block.header['trees']} VHD trees): {block.header['rest']}"]
        block.kind, block.count = "header", 0
        return _take_header(block, record, _known)
    return "refused"


def _take_deletion(block: Block, record: Record, _known: Callable[[Record], bool]) -> Verdict:
    if not record.msg.startswith("  ") or images.image(record.msg[2:]) is None:
        return "refused"
    block.keep(record.msg[2:])
    block.whole = block.count >= block.expected
    return "closed" if block.whole else "taken"


def _take_banner(block: Block, record: Record, known: Callable[[Record], bool]) -> Verdict:
    msg = record.msg
    if msg.startswith(E1_FRAME):
        block.whole = True
        return "closed"
    if msg.startswith(_STARS) or "E X C E P T I O N" in msg or not msg:
        return "taken"
    if ": EXCEPTION " not in msg and known(record):
        return "refused"
    block.keep(msg)
    return "taken"


def _take_trace(block: Block, record: Record, known: Callable[[Record], bool]) -> Verdict:
    if not record.msg.strip():
        block.whole = True
        return "closed"
    if not record.msg.startswith("  ") and known(record):
        return "refused"
    block.keep(record.msg)
    return "taken"


def _take_failed(block: Block, record: Record, known: Callable[[Record], bool]) -> Verdict:
    msg = record.msg
    if known(record):
        return "refused"
    block.keep(msg)
    if _STDERR in msg:
        block.armed = True
        if len(block.lines) >= MAX_LINES_KEPT:
            block.lines[-1] = msg
    if block.armed and msg.endswith("'"):
        block.whole = True
        return "closed"
    return "taken"


def _take_scan_output(block: Block, record: Record, known: Callable[[Record], bool]) -> Verdict:
    if not record.msg.strip():
        block.whole = True
        return "closed"
    if known(record):
        return "refused"
    block.keep(record.msg)
    return "taken"


def _take_traceback(block: Block, record: Record, _known: Callable[[Record], bool]) -> Verdict:
    msg = record.msg
    if not msg.strip() or msg.startswith((" ", "Traceback ", "During handling of", "The above exception")):
        return "taken"
    block.keep(msg)
    block.whole = True
    return "closed"


_TAKERS: dict[Kind, Callable[[Block, Record, Callable[[Record], bool]], Verdict]] = {
    "header": _take_header,
    "tree": _take_tree,
    "deletion": _take_deletion,
    "banner": _take_banner,
    "trace": _take_trace,
    "failed": _take_failed,
    "scan_output": _take_scan_output,
    "traceback": _take_traceback,
}

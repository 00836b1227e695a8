"""Bytes of a log in, the selected lines out: the agent's one hot loop. Pure but for what a selector remembers.

The technique (measured on Python 3.6): a block stays in the cache; each ident, each literal, and all literals that
begin with `] ` together cost one pass at C speed. A line's ends are looked up only where something hit; no loop over
lines.

What a selector remembers between blocks are messages that go on (`long_messages.py`); reading that begins inside a file
warms it up on the bytes before (`WARM_UP_BYTES`), so that what is selected depends on the file alone.
"""

from typing import List, Sequence, Tuple

from chainwatch_agent.ident_lines import IdentLines
from chainwatch_agent.long_messages import LongMessages, Run
from chainwatch_agent.message_heads import MessageHeads, is_head, is_open
from chainwatch_agent.policy import LogPolicy

# Less than two lines of the longest, and than what malloc would map anew for every block.
BLOCK_BYTES = 120 * 1024
WARM_UP_BYTES = 64 * 1024
_HEADS_WORTH_A_SIEVE = 3

Slice = Tuple[int, bytes]


class Selector:
    """Selects from one log under a floor and a collector's part. Call `select` with consecutive blocks."""

    def __init__(self, *parts: LogPolicy) -> None:
        self._idents = [IdentLines(ident, part.noise) for part in parts for ident in part.idents]
        literals = sorted({literal for part in parts for literal in part.literals})
        heads = [literal for literal in literals if is_head(literal)]
        sieve = len(heads) >= _HEADS_WORTH_A_SIEVE or any(map(is_open, heads))
        self._heads = MessageHeads(heads) if sieve else None
        self._literals = [literal for literal in literals if self._heads is None or literal not in heads]
        self._long = LongMessages()

    def __call__(self, block: bytes, base_offset: int) -> List[Slice]:
        """`select`, so that a selector is a function."""
        return self.select(block, base_offset)

    def select(self, block: bytes, base_offset: int) -> List[Slice]:
        """The selected runs of whole lines in `block`, which itself is whole lines, with their offsets in the file."""
        return [(base_offset + start, block[start:end]) for start, end in self.runs(block, len(block))]

    def runs(self, block: bytes, size: int) -> List[Run]:
        """(start, end) of every run of selected lines: ascending, and apart from each other.

        Of `block` the first `size` bytes count, which are whole lines: to cut the rest off would copy the block.
        """
        runs = self._heads.lines(block, size) if self._heads is not None else []
        for literal in self._literals:
            runs += _with_literal(block, size, literal)
        if runs or self._long.any:
            runs += self._long.lines(block, size, runs)
        for ident in self._idents:
            runs += ident.runs(block, size)
        runs.sort()
        return _joined(runs)


def _with_literal(block: bytes, size: int, literal: bytes) -> List[Run]:
    find = block.find
    runs: List[Run] = []
    behind, at = 0, find(literal, 0, size)
    while at >= 0:
        start = block.rfind(b"\n", behind, at) + 1 or behind
        behind = find(b"\n", at, size) + 1 or size
        runs.append((start, behind))
        at = find(literal, behind, size)
    return runs


def _joined(runs: Sequence[Run]) -> List[Run]:
    """Sorted runs, which may overlap or touch, as runs that do not."""
    out: List[Run] = []
    begin = end = 0
    for start, stop in runs:
        if start > end:
            if end > begin:
                out.append((begin, end))
            begin = start
        if stop > end:
            end = stop
    if end > begin:
        out.append((begin, end))
    return out

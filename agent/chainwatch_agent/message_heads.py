"""Where a literal that begins with `] ` (where an SM message begins, once a line) stands in a block. Pure.

One expression looks for all of them in one pass. It is a sieve: what it lets through is compared with the literals.
Measured on Python 3.6: a candidate that its first byte refuses costs 9 ns. Commands have 20 equal bytes before the one
that tells them apart: comparing those costs 100 ns, skipping them nothing, so that one is looked at alone.
"""

import re
from typing import Dict, List, Pattern, Sequence, Tuple

HEAD = b"] "
_COMMAND = b"['"


def is_head(literal: bytes) -> bool:
    """Whether the literal is the beginning of a message."""
    return literal.startswith(HEAD) and len(literal) > len(HEAD)


class MessageHeads:
    """Finds the lines that hold one of `literals`, each of which `is_head`; at least one."""

    def __init__(self, literals: Sequence[bytes]) -> None:
        self._literals: Tuple[bytes, ...] = tuple(literals)
        self._sieve = _sieve([literal[len(HEAD) :] for literal in literals])

    def lines(self, block: bytes) -> List[Tuple[int, int]]:
        """(start, end) of each such line, ascending."""
        found: List[Tuple[int, int]] = []
        behind, begin = 0, 0
        while begin >= 0:
            behind, begin = self._lines(block, behind, begin, found)
        return found

    def _lines(self, block: bytes, behind: int, begin: int, found: List[Tuple[int, int]]) -> Tuple[int, int]:
        """Go through what the sieve lets through; where that is none of the literals, say where to go on."""
        for match in self._sieve.finditer(block, begin):
            at = match.start()
            if at < behind:
                continue
            if not block.startswith(self._literals, at):
                return behind, at + 1
            start = block.rfind(b"\n", behind, at) + 1 or behind
            behind = block.find(b"\n", at) + 1 or len(block)
            found.append((start, behind))
        return behind, -1


def _sieve(words: Sequence[bytes]) -> "Pattern[bytes]":
    """Lets through every `] ` that one of `words` follows, and little else."""
    commands = [word for word in words if word.startswith(_COMMAND)]
    others = _grouped([word for word in words if not word.startswith(_COMMAND)], 0)
    branches = []
    if others:
        firsts = _any_of([group[0][:1] for group in others])
        branches.append(firsts + b"(?:" + b"|".join(_rests(group) for group in others) + b")")
    branches += [_last(group) for group in _by_length(commands)]
    return re.compile(re.escape(HEAD) + b"(?:" + b"|".join(branches) + b")")


def _rests(group: Sequence[bytes]) -> bytes:
    """Behind the first byte, by the second: at each place every byte that one of the words has there."""
    parts = []
    for words in _grouped(group, 1):
        shortest = min(len(word) for word in words)
        parts.append(b"".join(_any_of([word[at : at + 1] for word in words]) for at in range(1, shortest)))
    return b"|".join(parts)


def _last(words: Sequence[bytes]) -> bytes:
    """Commands of one length: the first byte, and the last."""
    skipped = b"(?s:.{%d})" % (len(words[0]) - 2)
    return re.escape(_COMMAND[:1]) + skipped + _any_of([word[-1:] for word in words])


def _grouped(words: Sequence[bytes], at: int) -> "List[List[bytes]]":
    groups: Dict[bytes, List[bytes]] = {}
    for word in sorted(words):
        groups.setdefault(word[at : at + 1], []).append(word)
    return list(groups.values())


def _by_length(words: Sequence[bytes]) -> "List[List[bytes]]":
    groups: Dict[int, List[bytes]] = {}
    for word in words:
        groups.setdefault(len(word), []).append(word)
    return list(groups.values())


def _any_of(letters: Sequence[bytes]) -> bytes:
    each = sorted({re.escape(letter) for letter in letters})
    return each[0] if len(each) == 1 else b"[" + b"".join(each) + b"]"

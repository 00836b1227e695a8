"""Where a literal that begins with `] ` (where an SM message begins, once a line) stands in a block. Pure.

One expression looks for all of them in one pass. It is a sieve: what it lets through is compared with the literals.
Measured on Python 3.6: a candidate that its first byte refuses costs 9 ns. Commands have 20 equal bytes before the one
that tells them apart, lock files the uuid of an SR: comparing those costs 100 ns, skipping them nothing, so that of
such literals the first byte and the telling one are looked at.
"""

import os.path
import re
from typing import Dict, List, Pattern, Sequence, Tuple

HEAD = b"] "
# Between other bytes of a head: any one byte of the line.
ANY = b"\0"
_COMMAND = b"['"


def is_head(literal: bytes) -> bool:
    """Whether the literal is the beginning of a message."""
    return literal.startswith(HEAD) and len(literal) > len(HEAD)


def is_open(literal: bytes) -> bool:
    """Whether it holds `ANY` between other bytes."""
    word = literal[len(HEAD) :]
    return ANY in word and word == word.strip(ANY)


class MessageHeads:
    """Finds the lines that hold one of `literals`, each of which `is_head`; at least one."""

    def __init__(self, literals: Sequence[bytes]) -> None:
        self._literals: Tuple[bytes, ...] = tuple(literal for literal in literals if not is_open(literal))
        open_ones = [literal.split(ANY) for literal in literals if is_open(literal)]
        self._open_ones = re.compile(b"|".join(rb"[^\n]".join(map(re.escape, parts)) for parts in open_ones) or b"(?!)")
        self._sieve = _sieve(literals)

    def lines(self, block: bytes, size: int) -> List[Tuple[int, int]]:
        """(start, end) of each such line in the first `size` bytes, ascending."""
        found: List[Tuple[int, int]] = []
        behind, begin = 0, 0
        while begin >= 0:
            behind, begin = self._lines(block, size, behind, begin, found)
        return found

    def _lines(self, block: bytes, size: int, behind: int, begin: int, found: List[Tuple[int, int]]) -> Tuple[int, int]:
        """Go through what the sieve lets through; where that is none of the literals, say where to go on."""
        for match in self._sieve.finditer(block, begin, size):
            at = match.start()
            if at < behind:
                continue
            if not (block.startswith(self._literals, at) or self._open_ones.match(block, at)):
                return behind, at + 1
            start = block.rfind(b"\n", behind, at) + 1 or behind
            behind = block.find(b"\n", at, size) + 1 or size
            found.append((start, behind))
        return behind, -1


def _sieve(literals: Sequence[bytes]) -> "Pattern[bytes]":
    """Lets through every one of `literals`, and little else."""
    words = [literal[len(HEAD) :] for literal in literals]
    told_late = [word for word in words if word.startswith(_COMMAND) or is_open(HEAD + word)]
    others = _grouped([word for word in words if word not in told_late], 0)
    branches = []
    if others:
        firsts = _any_of([group[0][:1] for group in others])
        branches.append(firsts + b"(?:" + b"|".join(_rests(group) for group in others) + b")")
    branches += [_first_and_telling(group) for group in _grouped(told_late, 0)]
    return re.compile(re.escape(HEAD) + b"(?:" + b"|".join(branches) + b")")


def _rests(group: Sequence[bytes]) -> bytes:
    """Behind the first byte, by the second: at each place every byte that one of the words has there."""
    parts = []
    for words in _grouped(group, 1):
        shortest = min(len(word) for word in words)
        parts.append(b"".join(_any_of([word[at : at + 1] for word in words]) for at in range(1, shortest)))
    return b"|".join(parts)


def _first_and_telling(words: Sequence[bytes]) -> bytes:
    """Words of one first byte: that, and for each place of a telling byte what is skipped and those bytes."""
    places = _by_place(words)
    # Where they differ before, an alternative that begins with a letter is cheaper to refuse than one that skips.
    differ = len(os.path.commonprefix(list(words)))
    letters = {word[differ : differ + 1] for word in words}
    if len(places) == 1 or ANY in letters or differ >= min(places):
        differ = 0
    parts = []
    for at, same in sorted(places.items()):
        letter = _any_of([word[differ : differ + 1] for word in same]) if differ else b""
        parts.append(letter + _skipped(at - differ - 1) + _any_of([word[at : at + 1] for word in same]))
    any_part = parts[0] if len(parts) == 1 else b"(?:" + b"|".join(parts) + b")"
    return re.escape(words[0][:1]) + _skipped(differ - 1) + any_part


def _by_place(words: Sequence[bytes]) -> Dict[int, List[bytes]]:
    places: Dict[int, List[bytes]] = {}
    for word in words:
        places.setdefault(_telling(word), []).append(word)
    return places


def _skipped(count: int) -> bytes:
    return b"(?s:.{%d})" % count if count > 0 else b""


def _telling(word: bytes) -> int:
    """Where the byte is that tells it from others: behind what is open and its `/`, or the last of a command."""
    return min(word.rindex(ANY) + 2, len(word) - 1) if is_open(HEAD + word) else len(word) - 1


def _grouped(words: Sequence[bytes], at: int) -> "List[List[bytes]]":
    groups: Dict[bytes, List[bytes]] = {}
    for word in sorted(words):
        groups.setdefault(word[at : at + 1], []).append(word)
    return list(groups.values())


def _any_of(letters: Sequence[bytes]) -> bytes:
    each = sorted({re.escape(letter) for letter in letters})
    return each[0] if len(each) == 1 else b"[" + b"".join(each) + b"]"

"""Damage as the field makes it: bits flipped, cut, doubled, filled with NULs, spliced, numbers turned to extremes."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

_SCRAPS = (
    b"\0",
    b"\n",
    b"\xff\xfe",
    b"\xc3",
    b"'",
    b'"',
    b"[",
    b"]",
    b"{0}",
    b"%s",
    b"\\",
    b": ",
    b"=",
    b"-1",
    b"9" * 40,
)
_NUMBER = re.compile(rb"\d+")
_NUMBERS = (b"0", b"-1", b"4294967296", b"18446744073709551615", b"9" * 60, b"1e999", b"0x7f", b"")


class Mutator:
    """The same seed gives the same damage. `damaged`: how many of what it gave were no whole samples."""

    def __init__(self, seed: int, samples: Sequence[bytes]) -> None:
        self.chance = random.Random(seed)
        self._samples = samples
        self.damaged = 0

    def next(self) -> bytes:
        """One of the samples with one to four damages; now and then a whole one, or noise."""
        data = self.chance.choice(self._samples)
        kind = self.chance.random()
        if kind < 0.05:
            return data
        self.damaged += 1
        if kind < 0.08:
            return self.chance.randbytes(self.chance.randrange(200))
        for _ in range(self.chance.randint(1, 4)):
            data = self._damaged(data)
        return data

    def _damaged(self, data: bytes) -> bytes:
        at, to = sorted(self.chance.randrange(len(data) + 1) for _ in range(2))
        kind = self.chance.randrange(8)
        if kind == 0:
            return data[:at]
        if kind == 1:
            return data[:at] + data[to:]
        if kind == 2:
            return data[:to] + data[at:]
        if kind == 3:
            return data[:at] + self.chance.choice(_SCRAPS) + data[at:]
        if kind == 4 and at < len(data):
            return data[:at] + bytes([data[at] ^ 1 << self.chance.randrange(8)]) + data[at + 1 :]
        if kind == 5:
            return data[:at] + b"\0" * self.chance.randrange(64) + data[at:]
        if kind == 6:
            return data[:at] + self.chance.choice(self._samples)[at:]
        return self._another_number(data)

    def _another_number(self, data: bytes) -> bytes:
        numbers = list(_NUMBER.finditer(data))
        if not numbers:
            return data
        found = self.chance.choice(numbers)
        return data[: found.start()] + self.chance.choice(_NUMBERS) + data[found.end() :]

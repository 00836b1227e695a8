"""Lines as they are stored, and whether what came again is what was stored. Pure."""

import struct
from bisect import bisect_right
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

_SIGNED = struct.Struct("<q")
MASK = 0x2A  # "*": what the scrubber writes over a secret


class NewLine(NamedTuple):
    """One physical line, newline cut off, ready to be stored."""

    offset: int
    hash: int
    data: bytes


def line_hash(data: bytes) -> int:
    """The first 8 bytes of BLAKE2b as a signed 64-bit integer."""
    number: int = _SIGNED.unpack(blake2b(data, digest_size=8).digest())[0]
    return number


def split_slice(offset: int, data: bytes) -> list[NewLine]:
    """The physical lines of a slice that begins at `offset`."""
    lines: list[NewLine] = []
    parts = data.split(b"\n")
    if parts[-1] == b"":
        parts.pop()
    for part in parts:
        lines.append(NewLine(offset, line_hash(part), part))
        offset += len(part) + 1
    return lines


def same_bytes(one: bytes, other: bytes) -> bool:
    """Equal, or equal but for places where one of the two was masked (another version of the scrubber)."""
    if len(one) != len(other):
        return False
    return all(a == b or MASK in (a, b) for a, b in zip(one, other, strict=True))


def conflicts(stored: Sequence[NewLine], again: Sequence[NewLine]) -> bool:
    """Whether two selections of the same bytes contradict each other. Both ascend by offset.

    They may select other lines (two policies); but no byte may be another one, nor a line begin inside another.
    """
    starts = [line.offset for line in stored]
    for line in again:
        at = bisect_right(starts, line.offset) - 1
        if at >= 0:
            before = stored[at]
            if before.offset == line.offset:
                if before.hash != line.hash and not same_bytes(before.data, line.data):
                    return True
                continue
            if before.offset + len(before.data) >= line.offset:
                return True
        if at + 1 < len(stored) and stored[at + 1].offset <= line.offset + len(line.data):
            return True
    return False

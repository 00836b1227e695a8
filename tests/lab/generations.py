"""The generations of a log as they stood on a dom0's disk: what a delivery is measured against."""

from __future__ import annotations

from dataclasses import dataclass

from chainwatch_agent.identity import fingerprint, first_line
from chainwatch_agent.policy import FLOOR, SMLOG, part_for
from chainwatch_agent.select import Selector


@dataclass
class Generation:
    """`index` is the order in which files were begun, `content` the most that it ever held.

    `cut` says that it was emptied in place, copied or not; `present` that some file still holds all of it; `late_from`:
    from where on it was written to after the file behind it had begun.
    """

    index: int
    content: bytes
    cut: bool = False
    present: bool = True
    late_from: int = 1 << 60

    def selected(self, start: int, end: int) -> dict[int, bytes]:
        """The lines that the floor selects of `[start, end)`, by offset, newline cut off."""
        lines: dict[int, bytes] = {}
        for offset, data in Selector(part_for(FLOOR, SMLOG)).select(self.content[start:end], start):
            for line in data.removesuffix(b"\n").split(b"\n"):
                lines[offset] = line
                offset += len(line) + 1
        return lines


def name_of(content: bytes) -> bytes:
    """The fingerprint of its first line, empty where it has none yet."""
    line = first_line(lambda offset, size: content[offset : offset + size])
    return fingerprint(line) if line else b""

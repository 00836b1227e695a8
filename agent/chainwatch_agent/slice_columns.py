"""The slices of a span while it is read, in the columns that the wire has (proto/README.md 3.3)."""

from typing import List, Sequence, Tuple

from chainwatch.v1 import evidence_pb2

from chainwatch_agent.scrub import may_hold_secrets, scrub


class SliceColumns:
    """Gathers from consecutive blocks. `size_bytes`: so much is gathered; `scrubbed`: masked secrets in it."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self.scrubbed = 0
        self._skipped: List[int] = []
        self._sizes: List[int] = []
        self._parts: List[bytes] = []
        self._unselected = 0

    def add(self, block: bytes, runs: Sequence[Tuple[int, int]], covered_bytes: int) -> None:
        """Take `runs` of `block`, ascending and apart; `covered_bytes` of the file is what the block stands for."""
        at = -self._unselected
        parts = []
        for begin, end in runs:
            self._skipped.append(begin - at)
            self._sizes.append(end - begin)
            parts.append(block[begin:end])
            at = end
        self._unselected = covered_bytes - at
        if parts:
            self._join(len(parts))
            self._take(b"".join(parts))

    def _join(self, added: int) -> None:
        """The first of those added is the end of the slice before where nothing lies between."""
        first = len(self._sizes) - added
        if first and not self._skipped[first]:
            self._sizes[first - 1] += self._sizes.pop(first)
            del self._skipped[first]

    def _take(self, part: bytes) -> None:
        if may_hold_secrets(part):
            part, masked = scrub(part)
            self.scrubbed += masked
        self.size_bytes += len(part)
        self._parts.append(part)

    def message(self) -> evidence_pb2.Slices:
        """All of them."""
        return evidence_pb2.Slices(skipped_bytes=self._skipped, size_bytes=self._sizes, data=b"".join(self._parts))

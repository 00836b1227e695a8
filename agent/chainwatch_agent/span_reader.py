"""One file from one offset: blocks in, spans out. Knows nothing of other files, of the stream or of time."""

from typing import Optional

from chainwatch.v1 import evidence_pb2

from chainwatch_agent.identity import TAIL_BYTES, FileId, tail_sha256
from chainwatch_agent.select import BLOCK_BYTES, WARM_UP_BYTES, Selector
from chainwatch_agent.slice_columns import SliceColumns
from chainwatch_agent.sources import Source

MAX_LINE_BYTES = 64 * 1024
MAX_RAW_BYTES = 16 * 1024 * 1024


class OtherBytesError(Exception):
    """The file is shorter than what was read of it, or holds other bytes there."""


class SpanReader:
    """Reads `source` from `offset`. Covered is what lies behind the last newline; a partial line is held back.

    `lines_cut` counts since the start; `offset` is how far spans were taken, `read_to` how far was read.
    """

    def __init__(self, source: Source, file: FileId, offset: int, selector: Selector, policy_id: int) -> None:
        self.source = source
        self.file = file
        self.offset = offset
        self.read_to = offset
        self.policy_id = policy_id
        self.lines_cut = 0
        self.at_end = False
        self.partial_bytes = 0
        self._selector = selector
        self._slices = SliceColumns()
        self._read_at_us = 0
        self._long_scanned = 0
        before = min(offset, WARM_UP_BYTES)
        bytes_before = source.read_at(offset - before, before) if before else b""
        if len(bytes_before) < before:
            raise OtherBytesError("{} bytes, read up to {}".format(offset - before + len(bytes_before), offset))
        self._tail = bytes_before[-TAIL_BYTES:]
        cut = bytes_before.find(b"\n") + 1 if offset > before else 0
        selector.select(bytes_before[cut:], 0)

    @property
    def covered(self) -> int:
        """Bytes read and not yet taken as a span."""
        return self.read_to - self.offset

    @property
    def has_slices(self) -> bool:
        """Whether a span taken now would hold lines."""
        return self._slices.size_bytes > 0

    def read(self, span_bytes: int, now_us: int) -> None:
        """Read until the end, `span_bytes` selected, or 16 MiB. Raises `OtherBytesError`, `OSError`, `DamagedError`."""
        self._check()
        self._read_at_us = now_us
        self.at_end = False
        while self._slices.size_bytes < span_bytes and self.covered < MAX_RAW_BYTES:
            block = self.source.read_at(self.read_to, BLOCK_BYTES)
            cut = _whole_lines(block)
            if cut:
                self._long_scanned = 0
                self._take(block, cut)
            elif len(block) < MAX_LINE_BYTES or not self._long_line(block[:MAX_LINE_BYTES]):
                self.at_end = True
                self.partial_bytes = max(len(block), self._long_scanned - self.read_to)
                return

    def finish(self) -> None:
        """The file will not grow: its partial last line is a line."""
        rest = self.source.read_at(self.read_to, MAX_LINE_BYTES)
        if not rest:
            return
        if self._long_scanned > self.read_to:
            self._cover(_cut(rest), self._long_scanned - self.read_to)
            self.lines_cut += 1
        else:
            self._take(rest, len(rest))
        self.partial_bytes = 0

    def take(self) -> Optional[evidence_pb2.Span]:
        """What was read since the last one, None where that is nothing."""
        if not self.covered:
            return None
        span = evidence_pb2.Span(
            file=evidence_pb2.FileKey(fingerprint=self.file.fingerprint, salt=self.file.salt),
            from_offset=self.offset,
            to_offset=self.read_to,
            policy_id=self.policy_id,
            slices=self._slices.message(),
            tail_sha256=tail_sha256(self._tail),
            read_at_us=self._read_at_us,
            scrubbed=self._slices.scrubbed,
        )
        self.offset = self.read_to
        self._slices = SliceColumns()
        return span

    def change_policy(self, selector: Selector, policy_id: int) -> None:
        """From the next span on; the caller has taken what was read under the policy before."""
        self._selector = selector
        self.policy_id = policy_id

    def goes_on_in(self, source: Source) -> bool:
        """Whether another file holds the same bytes before where this one was read to."""
        begin = self.read_to - len(self._tail)
        return source.size() >= self.read_to and source.read_at(begin, len(self._tail)) == self._tail

    def _check(self) -> None:
        """The bytes before must still be the ones that were read: a file can be cut and written anew."""
        begin = self.read_to - len(self._tail)
        if self._tail and self.source.read_at(begin, len(self._tail)) != self._tail:
            raise OtherBytesError("other bytes before {}".format(self.read_to))

    def _take(self, block: bytes, size: int) -> None:
        """The first `size` bytes of `block`."""
        self._slices.add(block, self._selector.runs(block, size), size)
        tail = block[max(0, size - TAIL_BYTES) : size]
        self._tail = tail if len(tail) == TAIL_BYTES else (self._tail + tail)[-TAIL_BYTES:]
        self.read_to += size

    def _long_line(self, block: bytes) -> bool:
        """A line of more than 64 KiB, which are `block`, and count. False where its end is not there yet."""
        at = max(self._long_scanned, self.read_to + len(block))
        while True:
            chunk = self.source.read_at(at, BLOCK_BYTES)
            end = chunk.find(b"\n") + 1
            at += end or len(chunk)
            if end or len(chunk) < BLOCK_BYTES:
                break
        self._long_scanned = at
        if not end:
            return False
        self._cover(_cut(block), at - self.read_to)
        self.lines_cut += 1
        self._long_scanned = 0
        return True

    def _cover(self, line: bytes, length: int) -> None:
        """A line that is shipped as `line` and is `length` bytes long on disk."""
        self._slices.add(line, self._selector.runs(line, len(line)), length)
        end = self.read_to + length
        self._tail = self.source.read_at(end - TAIL_BYTES, TAIL_BYTES)
        self.read_to = end


def _whole_lines(block: bytes) -> int:
    """How much of a block are whole lines of at most 64 KiB each, before the first that is not."""
    middle = MAX_LINE_BYTES - 1
    if len(block) <= middle:
        return block.rfind(b"\n") + 1
    # No block holds two lines that are too long, and one that it holds covers the last byte of its first 64 KiB.
    begin, end = block.rfind(b"\n", 0, middle) + 1, block.find(b"\n", middle) + 1
    return begin if end - begin > MAX_LINE_BYTES else block.rfind(b"\n") + 1


def _cut(line: bytes) -> bytes:
    return line[: MAX_LINE_BYTES - 1] + b"\n"

"""One generation of a log while it is read: its announcement, the gap before it, its spans, its end."""

from typing import Callable, List, Optional, Tuple

from chainwatch.v1 import evidence_pb2, ingest_service_pb2

from chainwatch_agent.generations import Identified, reopen
from chainwatch_agent.identity import FileId, first_line, proves
from chainwatch_agent.plan import HISTORY_LIMIT, UNREADABLE, GapStart, Start
from chainwatch_agent.scrub import scrub
from chainwatch_agent.select import Selector
from chainwatch_agent.sources import DamagedError, PlainSource, Source
from chainwatch_agent.span_reader import OtherBytesError, SpanReader
from chainwatch_agent.unreadable import cannot_read, delay_seconds, next_readable

Message = ingest_service_pb2.AgentMessage
Before = Optional[Tuple[FileId, int]]


def key_of(file: FileId) -> evidence_pb2.FileKey:
    """The wire's form."""
    return evidence_pb2.FileKey(fingerprint=file.fingerprint, salt=file.salt)


class Followed:
    """`announced`: the collector was told of the file on this stream, or told us. `problem`: why it is not read now."""

    def __init__(self, log: str, path: str, start: Start) -> None:
        self.log = log
        self.found = start.found
        self.file = start.file
        self.gap = start.gap
        self.announced = start.named
        self.same_file = start.found.generation.same_file
        self.tries = 0
        self.problem = ""
        self._again_at = -1e9
        self._path = path
        self._start = start.offset
        self._proof = start.proof
        self._source: Optional[Source] = start.found.source
        self._reader: Optional[SpanReader] = None
        self._read_state = (-1, -1)
        self._grew_at = 0.0
        self._taken_at = -1e9

    # --- what it is -------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name it was found under."""
        return self.found.generation.name

    @property
    def offset(self) -> int:
        """Where the next span begins."""
        return self._reader.offset if self._reader is not None else self._start

    @property
    def read_to(self) -> int:
        """How far it was read."""
        return self._reader.read_to if self._reader is not None else self._start

    @property
    def at_end(self) -> bool:
        """Whether the last read met the end."""
        return self._reader is not None and self._reader.at_end

    @property
    def partial_bytes(self) -> int:
        """The held-back last line."""
        return self._reader.partial_bytes if self._reader is not None else 0

    def take_lines_cut(self) -> int:
        """Lines longer than 64 KiB since this was asked last."""
        if self._reader is None:
            return 0
        count, self._reader.lines_cut = self._reader.lines_cut, 0
        return count

    def size(self) -> int:
        """Uncompressed bytes as far as they are known without reading."""
        try:
            if self._source is not None:
                return self._source.size()
        except OSError:
            # Of a .gz only its last bytes tell.
            pass
        return max(self.read_to, self.found.generation.size)

    def wants_reading(self) -> bool:
        """Whether there may be bytes that were not read: always before the first read, after that when it changed."""
        if not self.at_end or self._source is None:
            return True
        return isinstance(self._source, PlainSource) and self._source.state() != self._read_state

    @property
    def holds_plain_file(self) -> bool:
        """Whether it is open, so that its inode is its own."""
        return isinstance(self._source, PlainSource)

    def begins_otherwise(self) -> bool:
        """Whether the open file has lost its own first line: it was emptied, and perhaps filled again."""
        source = self._source
        try:
            return isinstance(source, PlainSource) and first_line(source.read_at) != self.found.first_line
        except OSError:
            return False

    def will_not_grow(self) -> bool:
        """A .gz, or a file that no name leads to any more."""
        return self._source is not None and (self._source.compressed or not self._source.linked())

    def settled(self, now: float, seconds: float) -> bool:
        """Whether the end was met `seconds` ago and nothing came since."""
        return self.at_end and now - self._grew_at >= seconds

    def due(self, now: float, seconds: float) -> bool:
        """Whether a span should be sent now: it has lines, or covers bytes and the last one was `seconds` ago."""
        if self._reader is None:
            return False
        return self._reader.has_slices or (self._reader.covered > 0 and now - self._taken_at >= seconds)

    # --- what cannot be read ----------------------------------------------------------------------------------

    def failed(self, error: OSError, now: float) -> None:
        """It could not be read on: leave it alone for a while, longer each time."""
        self.problem = cannot_read(self.name, error, self.read_to)
        self.tries += 1
        self._again_at = now + delay_seconds(self.tries)

    def worked(self) -> None:
        """It was read."""
        self.problem, self.tries = "", 0

    def rests(self, now: float) -> bool:
        """Whether it is left alone because it could not be read a moment ago."""
        return bool(self.problem) and now < self._again_at

    def skip_unreadable(self) -> bool:
        """Go on behind what cannot be read, which becomes a gap; False where nothing behind it can be read either."""
        if not isinstance(self._source, PlainSource):
            return False
        at = next_readable(self._source.read_at, self.offset, self._source.size())
        if at is not None:
            self.declare_unreadable(at)
        return at is not None

    def declare_unreadable(self, to_offset: int) -> None:
        """What lies between the last span and `to_offset` is given up; what was to be said before it is said."""
        self.gap = GapStart(UNREADABLE, self.problem, self.file, self.offset, to_offset - self.offset)
        self._start, self._reader, self._proof, self._again_at = to_offset, None, b"", -1e9

    # --- reading ----------------------------------------------------------------------------------------------

    def read(
        self, selector: "Callable[[], Selector]", policy_id: int, span_bytes: int, now: float, now_us: int
    ) -> None:
        """Read on. Raises `OSError`, `DamagedError`, `OtherBytesError`."""
        if self._source is None:
            self._source = reopen(self.found, self.log, self._path)
        if self._reader is None:
            if first_line(self._source.read_at) != self.found.first_line:
                raise OtherBytesError("it begins with another line now")
            self._reader = SpanReader(self._source, self.file, self._start, selector(), policy_id)
        state, before = self._source.state(), (self._reader.read_to, self._reader.partial_bytes)
        try:
            self._reader.read(span_bytes, now_us)
        except OSError:
            self._read_up_to_what_fails(span_bytes, now_us)
            raise
        self._read_state = state
        if (self._reader.read_to, self._reader.partial_bytes) != before or not self._grew_at:
            self._grew_at = now

    def _read_up_to_what_fails(self, span_bytes: int, now_us: int) -> None:
        """The lines before it. Raises `OSError` where there are none."""
        if self._reader is None or not isinstance(self._source, PlainSource):
            return
        self._source.limit = self._source.readable_to(self._reader.read_to)
        try:
            self._reader.read(span_bytes, now_us)
        finally:
            self._source.limit = None
            self._reader.at_end = False

    def read_again(self) -> None:
        """Look at the end once more before it is believed."""
        if self._reader is not None:
            self._reader.at_end = False

    def finish(self) -> None:
        """Its partial last line is a line."""
        if self._reader is not None:
            self._reader.finish()

    def change_policy(self, selector: Selector, policy_id: int) -> None:
        """From the next span on."""
        if self._reader is not None:
            self._reader.change_policy(selector, policy_id)

    def restart(self, file: FileId) -> None:
        """Under another identity, from the beginning."""
        if self._source is not None and self._source.compressed:
            self._source.close()
            self._source = None
        self.file, self._start, self._reader, self.announced, self.gap = file, 0, None, False, None

    def move_to(self, other: Identified) -> bool:
        """Go on in another file where that begins with the very bytes that were read of this one."""
        try:
            source = other.source or reopen(other, self.log, self._path)
            if not self._goes_on_in(source):
                source.close()
                return False
        except (OSError, DamagedError):
            return False
        if self._source is not None:
            self._source.close()
        self.found, self._source, self.same_file = other, source, other.generation.same_file
        if self._reader is not None:
            self._reader.source = source
            self._reader.at_end = False
        return True

    def _goes_on_in(self, source: Source) -> bool:
        if self._reader is None:
            return proves(source.read_at, self._start, self._proof)
        return self._reader.goes_on_in(source)

    def close(self) -> None:
        """Let go of the file."""
        if self._source is not None:
            self._source.close()
            self._source = None

    # --- messages ---------------------------------------------------------------------------------------------

    def flush(self, before: Before, now: float) -> List[Message]:
        """What is to be said now: the announcement where it is due, the gap before the file, the span read."""
        messages: List[Message] = []
        span = self._reader.take() if self._reader is not None else None
        if span is None and self.gap is None:
            return messages
        if not self.announced:
            messages.append(Message(file_seen=self._seen(before)))
            self.announced = True
        if self.gap is not None:
            messages.append(Message(gap=self.gap_message(self.gap, before, (self.file, self._start))))
            self.gap = None
        if span is not None:
            messages.append(Message(span=span))
            self._taken_at = now
        return messages

    def _seen(self, before: Before) -> evidence_pb2.FileSeen:
        generation = self.found.generation
        return evidence_pb2.FileSeen(
            file=key_of(self.file),
            predecessor=key_of(before[0]) if before is not None else None,
            log=self.log,
            name=generation.name,
            # For its time only; the fingerprint was made of the bytes as they are.
            first_line=scrub(self.found.first_line)[0],
            mtime_us=max(0, generation.mtime_us),
            compressed=generation.compressed,
            size_bytes=generation.size,
        )

    def gap_message(self, gap: GapStart, before: Before, end: Before) -> evidence_pb2.Gap:
        """The wire's form. A gap without an `after` of its own begins where the file before ended."""
        message = evidence_pb2.Gap(
            reason=gap.reason,  # type: ignore[arg-type]
            missing_bytes=gap.missing_bytes,
            detail=gap.detail[:1000],
            log=self.log,
        )
        after = (gap.after, gap.after_offset) if gap.after is not None else before
        if after is not None and gap.reason != HISTORY_LIMIT:
            message.after_file.CopyFrom(key_of(after[0]))
            message.after_offset = after[1]
        if end is not None:
            message.before_file.CopyFrom(key_of(end[0]))
            message.before_offset = end[1]
        return message

"""A host that sends its logs into a store, as a stream commits them, and a fold that has read so and so far."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from chainwatch_collector.keep.folded import EventIn, FoldedHost, FoldStep, Ownership
from chainwatch_collector.keep.ingest import StreamBatch
from chainwatch_collector.keep.intake import (
    Committed,
    FileKey,
    FileSeenIn,
    HelloIn,
    PolicyIn,
    SliceIn,
    SpanIn,
    StreamOpened,
)
from chainwatch_collector.keep.ownership import take_pool
from chainwatch_collector.keep.projections import commit_step
from chainwatch_collector.keep.rows import Cursor, to_us
from chainwatch_collector.keep.streams import open_stream
from chainwatch_collector.keep.tables import FILES, LINES
from collector.keep.conftest import Store
from sqlalchemy import select

SMLOG = "/var/log/SMlog"
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


def log_bytes(number: int, lines: int) -> bytes:
    """The `number`th generation of a log; its first line names it."""
    return b"".join(
        b"Nov 22 08:%02d:%02d xcp-1 SMGC: [%d] line %d\n" % (n // 60 % 60, n % 60, number, n) for n in range(lines)
    )


def key_of(data: bytes) -> FileKey:
    return FileKey(hashlib.sha256(data.split(b"\n", 1)[0] + b"\n").digest(), 0)


def line_starts(data: bytes) -> list[int]:
    """Where the lines begin."""
    return [0, *(n + 1 for n, byte in enumerate(data[:-1]) if byte == 10)]


@dataclass
class SendingHost:
    """One stream of one host. Every `send` is a commit of its own."""

    store: Store
    uuid: str
    host_id: int = 0
    epoch: int = 0
    policy_row: int = 0
    seen: dict[FileKey, FileSeenIn] = field(default_factory=dict)

    def hello(self, now: datetime = NOW) -> StreamOpened:
        asked = HelloIn(
            self.uuid, "xcp-1", "a" * 32, 7, "0.1.0", "3.6.15", "", "UTC", 0, (), 0, (PolicyIn(0, b"floor", b""),)
        )
        opened = self.store.writer.write(lambda c: open_stream(c, asked, to_us(now), 30.0))
        assert isinstance(opened, StreamOpened)
        self.host_id, self.epoch, self.policy_row = opened.host_id, opened.stream_epoch, opened.policy_rows[0]
        return opened

    def send(self, data: bytes, start: int, end: int, at: datetime = NOW, log: str = SMLOG) -> Committed:
        """`[start, end)` of a file, read and committed at `at`."""
        key = key_of(data)
        self.seen.setdefault(key, FileSeenIn(key, None, log, log, data.split(b"\n", 1)[0], to_us(at), False))
        tail = hashlib.sha256(data[max(0, end - 1024) : end]).digest()
        part = [SliceIn(start, data[start:end])]
        span = SpanIn(key, start, end, self.policy_row, part, tail, to_us(at), 0)
        batch = StreamBatch(self.host_id, self.epoch, self.seen, [span], to_us(at))
        return self.store.writer.write(batch.apply)

    def stored(self, data: bytes) -> dict[int, bytes]:
        """Offset → the line, of what is in the database of this file."""
        key = key_of(data)
        query = select(LINES.c.offset, LINES.c.data).join(FILES, FILES.c.id == LINES.c.file_id)
        query = query.where(FILES.c.host_id == self.host_id, FILES.c.fingerprint == key.fingerprint)
        return {row.offset: bytes(row.data) for row in self.store.readers.call(lambda c: c.execute(query).all())}

    def folded(self, pool_uuid: str, cursor: Cursor, events: list[EventIn] | None = None) -> Ownership:
        """A fold of this pool has read the SMlog up to `cursor`."""
        ownership = self.store.writer.write(lambda c: take_pool(c, pool_uuid, "me", 60))
        assert ownership is not None
        host = FoldedHost(self.host_id, {SMLOG: cursor}, 0, b"reader")
        step = FoldStep(3, hosts=[host], events=events or [])
        self.store.writer.write(lambda c: commit_step(c, ownership, step, NOW))
        return ownership

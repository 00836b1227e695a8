"""However much a host has sent, a batch of it is bounded, and batch by batch it is all read, once."""

from collections.abc import Mapping

import pytest
from chainwatch_collector.fold import fetch as fetching
from chainwatch_collector.fold.fetch import HostBatch, fetch, file_ids
from chainwatch_collector.keep import evidence
from chainwatch_collector.keep.rows import Cursor
from chainwatch_collector.keep.tables import LATE_RANGES, LOGS
from collector.fold.evidence import SMLOG, Source
from collector.keep.conftest import Store
from sqlalchemy import Connection, insert, select

HOST = 1


def lines(count: int, length: int, sign: str) -> bytes:
    return b"".join(f"{sign}{number:06d}".encode().ljust(length, b".") + b"\n" for number in range(count))


def send(store: Store, *sources: Source) -> None:
    for source in sources:
        store.writer.write(lambda c, s=source: s.grow(c, 1 << 30))  # type: ignore[misc]


def batches(store: Store, limit: int) -> list[HostBatch]:
    """Until there is no more."""
    found: list[HostBatch] = []
    cursors: Mapping[str, Cursor] = {}
    while not found or found[-1].more:
        found.append(store.readers.call(lambda c, k=cursors: fetch(c, HOST, k, 0, limit)))  # type: ignore[misc]
        cursors = found[-1].cursors
    return found


def everything(found: list[HostBatch]) -> dict[str, bytes]:
    out: dict[str, bytes] = {}
    for batch in found:
        for line in batch.lines:
            out[line.log] = out.get(line.log, b"") + line.data + b"\n"
    return out


def source(log: str, data: bytes, ordinal: int = 1, number: int = 0) -> Source:
    made = Source(0, data, log, ordinal)
    made.file_id = 1000 * (number + 1) + ordinal
    return made


def test_a_batch_is_bounded_in_bytes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "_ROWS_AT_ONCE", 10)
    monkeypatch.setattr(fetching, "BYTES_PER_BATCH", 10_000)
    sent = {log: lines(100, 500, "x") for log in ("/var/log/a", "/var/log/b", SMLOG)}
    send(store, *(source(log, data, number=number) for number, (log, data) in enumerate(sent.items())))
    found = batches(store, 5000)
    assert max(sum(len(line.data) for line in batch.lines) for batch in found) <= 10_000 + 10 * 500
    assert everything(found) == sent


def test_a_batch_is_bounded_in_lines_however_many_logs_there_are(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "LINES_OF_ALL", 100)
    sent = {f"/var/log/{number:02d}": lines(40, 20, "x") for number in range(20)}
    send(store, *(source(log, data, number=number) for number, (log, data) in enumerate(sent.items())))
    found = batches(store, 5000)
    assert max(len(batch.lines) for batch in found) <= 100
    assert everything(found) == sent


def test_more_logs_than_a_host_can_have_are_left_and_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "LOGS_READ", 3)
    send(store, *(source(f"/var/log/{number}", lines(2, 20, "x"), number=number) for number in range(5)))
    (batch,) = batches(store, 5000)
    assert len({line.log for line in batch.lines}) == 3
    assert batch.logs_left == 2


def test_many_files_are_read_through(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "_FILES_AT_ONCE", 3)
    monkeypatch.setattr(fetching, "FILES_REMEMBERED", 4)
    parts = [lines(5, 20, f"{ordinal:02d}") for ordinal in range(1, 11)]
    send(store, *(source(SMLOG, part, ordinal) for ordinal, part in enumerate(parts, 1)))
    assert everything(batches(store, 7)) == {SMLOG: b"".join(parts)}
    ids = store.readers.call(lambda c: file_ids(c, HOST))
    assert list(ids) == [(SMLOG, ordinal) for ordinal in range(7, 11)]


def test_files_in_which_nothing_was_selected_are_gone_through_in_pieces(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "FILES_READ_AT_ONCE", 1)
    parts = [lines(1, 20, f"{ordinal:02d}") for ordinal in range(1, 61)]
    send(store, *(source(SMLOG, part, ordinal) for ordinal, part in enumerate(parts, 1)))
    found = batches(store, 5000)
    assert max(len(batch.lines) for batch in found) <= 21
    assert everything(found) == {SMLOG: b"".join(parts)}


def late(connection: Connection, number: int, length: int) -> None:
    """One line of the first file is said to have come late."""
    log_id = connection.execute(select(LOGS.c.id).where(LOGS.c.path == SMLOG)).scalar_one()
    place = {"from_offset": number * length, "to_offset": (number + 1) * length}
    connection.execute(insert(LATE_RANGES).values(host_id=HOST, log_id=log_id, file_id=1001, **place))


@pytest.mark.parametrize("ranges_at_once", [3, 1000])
def test_late_lines_come_in_bounded_batches_too(
    store: Store, monkeypatch: pytest.MonkeyPatch, ranges_at_once: int
) -> None:
    monkeypatch.setattr(evidence, "_RANGES_AT_ONCE", ranges_at_once)
    send(store, source(SMLOG, lines(20, 19, "1"), 1), source(SMLOG, lines(5, 19, "2"), 2))
    cursors = {SMLOG: Cursor(2, 0, 0)}
    for number in range(20):
        store.writer.write(lambda c, n=number: late(c, n, 20))  # type: ignore[misc]
    met: list[bytes] = []
    more = True
    while more:
        batch = store.readers.call(lambda c, k=dict(cursors): fetch(c, HOST, k, 0, 4))  # type: ignore[misc]
        assert len(batch.lines) <= 4
        met += [line.data[:7] for line in batch.lines]
        cursors, more = dict(batch.cursors), batch.more
    assert met == [b"1%06d" % number for number in range(20)] + [b"2%06d" % number for number in range(5)]

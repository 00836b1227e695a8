"""One stream: welcome, commit, acknowledge, go on, refuse. Over real TLS, on both databases."""

from chainwatch.v1 import evidence_pb2
from chainwatch_collector.keep import evidence
from chainwatch_collector.keep.rows import Cursor, LineBatch
from chainwatch_collector.keep.tables import LINES
from chainwatch_collector.keep.writer import MAX_COST_PER_COMMIT
from lab.wire import SMLOG, Wire, file_seen, key_of, span, tail_of
from sqlalchemy import Connection, func, select

from .conftest import HOST, Ingest

LOG = b"".join(b"Nov 24 10:00:%02d xcp-1 SMGC: [123] line %d\n" % (n % 60, n) for n in range(100))
MANY = MAX_COST_PER_COMMIT + 5000
HALF = LOG.index(b"\n", len(LOG) // 2) + 1


START = Cursor()


def stored(ingest: Ingest, log: str = SMLOG, cursor: Cursor = START) -> LineBatch:
    def work(connection: Connection) -> LineBatch:
        host = next(h for h in evidence.hosts(connection) if h.uuid == HOST)
        return evidence.lines_after(connection, host.host_id, log, cursor)

    return ingest.readers.call(work)


async def ship(wire: Wire, data: bytes, start: int = 0, end: int | None = None, salt: int = 0) -> None:
    end = len(data) if end is None else end
    if start == 0:
        await wire.send(file_seen=file_seen(data, salt))
    await wire.send(span=span(data, start, end, salt=salt))


async def test_lines_are_stored_then_acknowledged(ingest: Ingest) -> None:
    async with ingest.connect() as wire:
        welcome = await wire.welcome()
        assert (welcome.stream_epoch, list(welcome.positions)) == (1, [])
        assert welcome.limits.window_bytes == 4 * 1024 * 1024
        await ship(wire, LOG)
        ack = await wire.acked_to(key_of(LOG), len(LOG))
        assert (ack.ordinal, ack.reopen_salt) == (1, 0)
        batch = stored(ingest)
    assert b"".join(line.data + b"\n" for line in batch.lines) == LOG
    assert batch.cursor == Cursor(1, len(LOG))
    assert not batch.more
    assert ingest.heard.committed == [(1, HOST)]


async def test_more_lines_than_a_commit_holds_come_in_pieces(ingest: Ingest) -> None:
    data = LOG + b"x\n" * MANY
    async with ingest.connect() as wire:
        await wire.welcome()
        await ship(wire, data)
        await wire.acked_to(key_of(data), len(data))
    assert count(ingest) == 100 + MANY
    assert ingest.service.shared.counters.commits_total > 1


async def test_of_a_long_span_that_contradicts_nothing_is_stored(ingest: Ingest) -> None:
    """Its end would be new bytes of the file that it is none of."""
    data = LOG + b"x\n" * MANY
    other = LOG + b"y\n" * MANY + b"z\n"
    async with ingest.connect() as wire:
        await wire.welcome()
        await ship(wire, data)
        await wire.acked_to(key_of(data), len(data))
        await wire.send(span=span(other, 0, len(other)))
        ack = await wire.ack()
        assert (ack.to_offset, ack.reopen_salt) == (len(data), 1)
        await wire.send(status=evidence_pb2.Status(agent_epoch=7, seq=1, at_us=1))
        assert (await wire.ack()).observed_seq == 1
    assert count(ingest) == 100 + MANY


def count(ingest: Ingest) -> int:
    """All lines that are stored."""
    return ingest.readers.call(lambda c: c.execute(select(func.count()).select_from(LINES)).scalar_one())


async def test_positions_come_back_after_a_reconnect(ingest: Ingest) -> None:
    async with ingest.connect() as wire:
        await wire.welcome()
        await ship(wire, LOG, 0, HALF)
        await wire.acked_to(key_of(LOG), HALF)
    async with ingest.connect() as wire:
        welcome = await wire.welcome()
        assert welcome.stream_epoch == 2
        (position,) = welcome.positions
        assert (position.to_offset, position.ordinal, position.log) == (HALF, 1, SMLOG)
        assert position.tail_sha256 == tail_of(LOG, HALF)
        await ship(wire, LOG, HALF)
        await wire.acked_to(key_of(LOG), len(LOG))
        assert b"".join(line.data + b"\n" for line in stored(ingest).lines) == LOG


async def test_a_replay_stores_nothing_twice(ingest: Ingest) -> None:
    async with ingest.connect() as wire:
        await wire.welcome()
        await ship(wire, LOG, 0, HALF)
        await wire.acked_to(key_of(LOG), HALF)
        await wire.send(span=span(LOG, 0, HALF))
        assert (await wire.ack()).to_offset == HALF
        await wire.send(span=span(LOG, 0, len(LOG)))
        assert (await wire.ack()).to_offset == len(LOG)
        assert b"".join(line.data + b"\n" for line in stored(ingest).lines) == LOG
        coverage = ingest.readers.call(lambda c: evidence.coverage(c, 1, SMLOG))
    assert [(c.from_offset, c.to_offset, c.lines_selected) for c in coverage] == [(0, len(LOG), 100)]


async def test_other_bytes_at_a_committed_place_open_the_file_anew(ingest: Ingest) -> None:
    other = LOG[:HALF].replace(b"line 7", b"LINE 7")
    async with ingest.connect() as wire:
        await wire.welcome()
        await ship(wire, LOG, 0, HALF)
        await wire.acked_to(key_of(LOG), HALF)
        await wire.send(span=span(other, 0, len(other)))
        ack = await wire.ack()
        assert (ack.to_offset, ack.reopen_salt) == (HALF, 1)
        await ship(wire, other, salt=1)
        ack = await wire.acked_to(key_of(other, 1), len(other))
        assert ack.ordinal == 2
        assert b"".join(line.data + b"\n" for line in stored(ingest).lines) == LOG[:HALF] + other


async def test_another_tail_is_a_conflict_even_without_a_line(ingest: Ingest) -> None:
    async with ingest.connect() as wire:
        await wire.welcome()
        await wire.send(file_seen=file_seen(LOG))
        await wire.send(span=span(LOG, 0, HALF, []))
        await wire.acked_to(key_of(LOG), HALF)
        await wire.send(span=span(LOG, 0, HALF, [], tail_sha256=b"x" * 32))
        assert (await wire.ack()).reopen_salt == 1


async def test_a_masked_secret_is_no_conflict(ingest: Ingest) -> None:
    async with ingest.connect() as wire:
        await wire.welcome()
        await ship(wire, LOG, 0, HALF)
        await wire.acked_to(key_of(LOG), HALF)
        masked = LOG[:HALF].replace(b"line 7\n", b"line *\n")
        await wire.send(span=span(LOG, 0, HALF, [(0, masked)]))
        assert (await wire.ack()).reopen_salt == 0


async def test_a_hole_is_refused_and_what_came_before_stays(ingest: Ingest) -> None:
    async with ingest.connect() as wire:
        await wire.welcome()
        await ship(wire, LOG, 0, HALF)
        await wire.acked_to(key_of(LOG), HALF)
        after = LOG.index(b"\n", HALF) + 1
        await wire.send(span=span(LOG, after, len(LOG)))
        code, text = await wire.ended()
    assert code.name == "FAILED_PRECONDITION"
    assert text.startswith("hole: a span of file ")
    assert f"begins at {after}, committed is {HALF}" in text
    assert len(stored(ingest).lines) == LOG[:HALF].count(b"\n")


async def test_a_declared_gap_makes_the_hole_legal(ingest: Ingest) -> None:
    async with ingest.connect() as wire:
        await wire.welcome()
        await wire.send(file_seen=file_seen(LOG))
        gap = evidence_pb2.Gap(
            reason=evidence_pb2.Gap.REASON_HISTORY_LIMIT,
            before_file=key_of(LOG),
            before_offset=HALF,
            missing_bytes=HALF,
            detail="older than 24 h",
            log=SMLOG,
        )
        await wire.send(gap=gap)
        await wire.send(gap=gap)
        await ship(wire, LOG, HALF)
        await wire.acked_to(key_of(LOG), len(LOG))
        assert b"".join(line.data + b"\n" for line in stored(ingest).lines) == LOG[HALF:]
        gaps = ingest.readers.call(lambda c: evidence.gaps_after(c, 1))
    assert [(g.reason, g.after, g.before, g.missing_bytes) for g in gaps] == [("history_limit", None, (1, HALF), HALF)]


async def test_a_gap_that_learns_its_end_replaces_the_open_one(ingest: Ingest) -> None:
    newer = LOG.replace(b"10:00", b"11:00")
    async with ingest.connect() as wire:
        await wire.welcome()
        await ship(wire, LOG, 0, HALF)
        gap = evidence_pb2.Gap(
            reason=evidence_pb2.Gap.REASON_ROTATED_AWAY, after_file=key_of(LOG), after_offset=HALF, log=SMLOG
        )
        await wire.send(gap=gap)
        await wire.send(file_seen=file_seen(newer))
        gap.before_file.CopyFrom(key_of(newer))
        await wire.send(gap=gap)
        await wire.send(span=span(newer, 0, len(newer)))
        await wire.acked_to(key_of(newer), len(newer))
        gaps = ingest.readers.call(lambda c: evidence.gaps_after(c, 1))
    assert [(g.reason, g.after, g.before) for g in gaps] == [("rotated_away", (1, HALF), (2, 0))]


async def test_late_lines_of_a_finished_file_are_handed_out_once(ingest: Ingest) -> None:
    newer = LOG.replace(b"10:00", b"11:00")
    async with ingest.connect() as wire:
        await wire.welcome()
        await ship(wire, LOG, 0, HALF)
        await ship(wire, newer)
        await wire.acked_to(key_of(newer), len(newer))
        first = stored(ingest)
        assert first.cursor == Cursor(2, len(newer), 0)
        await ship(wire, LOG, HALF)
        await wire.acked_to(key_of(LOG), len(LOG))
        late = stored(ingest, cursor=first.cursor)
        assert b"".join(line.data + b"\n" for line in late.lines) == LOG[HALF:]
        assert {line.ordinal for line in late.lines} == {1}
        assert late.cursor[:2] == first.cursor[:2]
        assert stored(ingest, cursor=late.cursor).lines == []
        everything = stored(ingest)
    assert b"".join(line.data + b"\n" for line in everything.lines) == LOG + newer


async def test_half_closing_commits_what_was_sent(ingest: Ingest) -> None:
    async with ingest.connect() as wire:
        await wire.welcome()
        await ship(wire, LOG)
        await wire.call.done_writing()
        await wire.acked_to(key_of(LOG), len(LOG))
        code, _ = await wire.ended()
    assert code.name == "OK"
    assert len(stored(ingest).lines) == 100

"""Logs of one host come together in the order in which they were read, and nothing is met twice."""

from datetime import UTC, datetime, timedelta

from chainwatch_collector.fold.interleave import interleave
from chainwatch_collector.keep.rows import Cursor, LineBatch, StoredLine
from hypothesis import given, settings
from hypothesis import strategies as st

START = datetime(2026, 11, 22, 8, tzinfo=UTC)


def line(log: str, offset: int, second: float, ordinal: int = 1) -> StoredLine:
    return StoredLine(1, log, ordinal, offset, b"x", START + timedelta(seconds=second), None)


def test_logs_are_merged_by_the_time_of_reading() -> None:
    batches = {
        "SMlog": LineBatch([line("SMlog", 0, 1), line("SMlog", 10, 3)], Cursor(1, 20, 0), False),
        "daemon.log": LineBatch([line("daemon.log", 0, 2)], Cursor(1, 10, 0), False),
    }
    merged = interleave(batches, {})
    assert [(one.log, one.offset) for one in merged.lines] == [("SMlog", 0), ("daemon.log", 0), ("SMlog", 10)]
    assert merged.cursors == {"SMlog": Cursor(1, 20, 0), "daemon.log": Cursor(1, 10, 0)}
    assert not merged.more


def test_what_lies_behind_the_end_of_another_logs_batch_waits() -> None:
    batches = {
        "SMlog": LineBatch([line("SMlog", 0, 1), line("SMlog", 10, 3)], Cursor(1, 20, 5), True),
        "daemon.log": LineBatch([line("daemon.log", 0, 2), line("daemon.log", 10, 9)], Cursor(1, 20, 6), False),
    }
    merged = interleave(batches, {})
    assert [(one.log, one.offset) for one in merged.lines] == [("SMlog", 0), ("daemon.log", 0), ("SMlog", 10)]
    assert merged.cursors["daemon.log"] == Cursor(1, 10, 6)
    assert merged.more


def test_late_lines_are_never_left_for_later() -> None:
    cursor = {"daemon.log": Cursor(2, 50, 0)}
    late, next_one = line("daemon.log", 500, 99, ordinal=1), line("daemon.log", 50, 9, ordinal=2)
    batches = {
        "SMlog": LineBatch([line("SMlog", 0, 1)], Cursor(1, 10, 0), True),
        "daemon.log": LineBatch([late, next_one], Cursor(2, 60, 1), False),
    }
    merged = interleave(batches, cursor)
    assert late in merged.lines
    assert next_one not in merged.lines
    assert merged.cursors["daemon.log"] == Cursor(2, 50, 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats(0, 50), max_size=8), min_size=1, max_size=3), st.integers(1, 4))
def test_small_batches_give_every_line_once_and_each_log_in_order(times: list[list[float]], size: int) -> None:
    logs = {f"log{n}": [line(f"log{n}", 10 * k, t) for k, t in enumerate(row)] for n, row in enumerate(times)}
    cursors: dict[str, Cursor] = {}
    met: list[StoredLine] = []
    for _ in range(100):
        batches = {log: _batch(rows, cursors.get(log, Cursor()), size) for log, rows in logs.items()}
        merged = interleave(batches, cursors)
        met += merged.lines
        cursors = dict(merged.cursors)
        if not merged.more:
            break
    for log, rows in logs.items():
        assert [one for one in met if one.log == log] == rows


def _batch(rows: list[StoredLine], cursor: Cursor, size: int) -> LineBatch:
    left = [row for row in rows if (row.ordinal, row.offset) >= (cursor.ordinal, cursor.offset)]
    after = left[size].offset if len(left) > size else (rows[-1].offset + 10 if rows else 0)
    return LineBatch(left[:size], Cursor(1, after, 0), len(left) > size)

"""Times of lines: the year that is left out, zones, and where an hour begins in a file."""

import time

import pytest
from chainwatch_agent.line_time import find_time, line_time, next_line
from hypothesis import given, settings
from hypothesis import strategies as st

NEAR = time.mktime((2026, 1, 2, 12, 0, 0, 0, 0, -1))


@pytest.mark.parametrize(
    ("line", "at"),
    [
        (b"Jan  2 11:00:00 h SM: x", (2026, 1, 2, 11)),
        (b"Dec 31 23:00:00 h SM: x", (2025, 12, 31, 23)),
        (b"\0\0Jan  3 11:00:00 h SM: x", (2026, 1, 3, 11)),
    ],
)
def test_the_year_is_the_newest_that_is_not_in_the_future(line: bytes, at: "tuple[int, int, int, int]") -> None:
    year, month, day, hour = at
    assert line_time(line, NEAR) == time.mktime((year, month, day, hour, 0, 0, 0, 0, -1))


def test_rfc_3339() -> None:
    assert line_time(b"2026-11-22T07:40:33.310942+00:00 h SM: x", NEAR) == 1795333233.0
    assert line_time(b"2026-11-22T08:40:33+01:00 h SM: x", NEAR) == 1795333233.0
    assert line_time(b"2026-11-22T07:40:33Z h", NEAR) == 1795333233.0


@pytest.mark.parametrize("line", [b"", b"no time", b"Xxx 12 10:00:00 h", b"Jan 99 10:00:00 h"])
def test_no_time(line: bytes) -> None:
    assert line_time(line, NEAR) is None or line.startswith(b"Jan 99")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=60),
    st.integers(0, 200),
)
def test_an_hour_is_found_where_it_begins(steps: "list[tuple[int, bool]]", minute: int) -> None:
    at, lines, times = NEAR, [], []
    for minutes, timed in steps:
        at += minutes * 60
        stamp = time.strftime("%b %d %H:%M:%S", time.localtime(at)).encode()
        lines.append((stamp if timed else b"continued") + b" h SM: x\n")
        times.append(at if timed else None)
    data = b"".join(lines)
    since = NEAR + minute * 60
    found = find_time(lambda offset, size: data[offset : offset + size], len(data), since, at)
    assert found == len(data) or found == 0 or data[found - 1 : found] == b"\n"
    begin = len(data[:found].splitlines())
    if all(when is not None for when in times):
        assert all(when is not None and when < since for when in times[:begin])
        assert begin == len(times) or (times[begin] or 0) >= since


def test_next_line() -> None:
    data = b"one\ntwo\nthree"
    read_at = lambda offset, size: data[offset : offset + size]  # noqa: E731
    assert [next_line(read_at, n, len(data)) for n in (0, 1, 3, 4, 5, 8, 9)] == [0, 4, 4, 4, 8, 8, 13]

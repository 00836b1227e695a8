"""Times: years, New Year, summer time, zones; and when they are marked as guesses."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from chainwatch_collector.read.clock import Clock

PARIS = ZoneInfo("Europe/Paris")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_iso_time_is_taken_as_it_is() -> None:
    resolved, uncertain = Clock(PARIS).resolve("2026-11-22T07:40:33.310942+02:00", None, None)
    assert (resolved, uncertain) == (at("2026-11-22T05:40:33.310942+00:00"), False)


def test_traditional_time_is_local_and_has_the_year_of_its_reading() -> None:
    resolved, uncertain = Clock(PARIS).resolve("Jul  1 12:00:00", at("2026-11-22T08:00:00Z"), None)
    assert (resolved, uncertain) == (at("2026-07-01T10:00:00Z"), False)


def test_year_by_file_time_is_marked() -> None:
    assert Clock(UTC).resolve("Jul  1 12:00:00", None, at("2026-11-22T08:00:00Z"))[1] is True


def test_no_clock_no_year() -> None:
    assert Clock(UTC).resolve("Jul  1 12:00:00", None, None) == (None, True)


@pytest.mark.parametrize(
    ("text", "read_at", "want"),
    [
        ("Dec 31 23:59:59", "2027-01-01T00:00:10Z", "2026-12-31T23:59:59Z"),
        ("Jan  1 00:00:01", "2027-01-01T00:00:10Z", "2027-01-01T00:00:01Z"),
        # The host's clock is ahead of ours by less than a day.
        ("Jan  1 00:30:00", "2026-12-31T23:50:00Z", "2027-01-01T00:30:00Z"),
        ("Feb 29 10:00:00", "2026-03-01T00:00:00Z", "2024-02-29T10:00:00Z"),
    ],
)
def test_year_is_the_latest_that_is_not_in_the_future(text: str, read_at: str, want: str) -> None:
    assert Clock(UTC).resolve(text, at(read_at), None)[0] == at(want)


def test_end_of_summer_time() -> None:
    clock, read_at = Clock(PARIS), at("2026-10-25T12:00:00Z")
    times = ["Oct 25 01:59:50", "Oct 25 02:00:10", "Oct 25 02:59:50", "Oct 25 02:00:10", "Oct 25 02:59:50"]
    resolved = [clock.resolve(text, read_at, None) for text in [*times, "Oct 25 03:00:10"]]
    assert [found.strftime("%H:%M:%S") for found, _ in resolved if found] == [
        "23:59:50",
        "00:00:10",
        "00:59:50",
        "01:00:10",
        "01:59:50",
        "02:00:10",
    ]
    assert [uncertain for _, uncertain in resolved] == [False, True, True, True, True, False]


@pytest.mark.parametrize("text", ["Foo 12 10:00:00", "Feb 30 10:00:00", "2026-99-99T10:00:00Z", "Jan 1 1:1:1", ""])
def test_nonsense_is_no_time(text: str) -> None:
    assert Clock(UTC).resolve(text, at("2026-11-22T08:00:00Z"), None) == (None, True)

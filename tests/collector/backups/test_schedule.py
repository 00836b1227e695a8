from datetime import UTC, datetime, timedelta

import pytest
from chainwatch_collector.backups.schedule import ScheduleError, parse

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # a Monday


def due(text: str, days: int = 7, zone: str = "UTC", start: datetime = START) -> list[str]:
    return [f"{at:%d %H:%M}" for at in parse(text, zone).between(start, start + timedelta(days=days))]


@pytest.mark.parametrize(
    ("text", "days", "times"),
    [
        ("30 1 * * *", 2, ["24 01:30", "25 01:30"]),
        ("0 0 * * 1-5", 7, ["24 00:00", "25 00:00", "26 00:00", "27 00:00", "30 00:00"]),
        ("0 22 * * sat,SUN", 7, ["28 22:00", "29 22:00"]),
        ("0 */8 * * *", 1, ["23 16:00", "24 00:00", "24 08:00"]),
        ("15,45 13 23 11 *", 1, ["23 13:15", "23 13:45"]),
        ("0 0 25 * 0", 7, ["25 00:00", "29 00:00"]),
        ("0 3 * * 7", 7, ["29 03:00"]),
        ("0 3 * * 5-7", 7, ["27 03:00", "28 03:00", "29 03:00"]),
        ("@weekly", 7, ["29 00:00"]),
        ("0 30 1 * * *", 1, ["24 01:30"]),
    ],
)
def test_times_are_crons(text: str, days: int, times: list[str]) -> None:
    assert due(text, days) == times


def test_a_zone_has_its_own_nights_and_changes() -> None:
    assert due("0 1 * * *", 1, "Europe/Paris") == ["24 00:00"]
    autumn = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    assert due("30 2 * * *", 2, "Europe/Paris", autumn) == ["25 00:30", "26 01:30"]
    spring = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    assert due("30 2 * * *", 2, "Europe/Paris", spring) == ["30 00:30"]


def test_the_next_time_may_be_far_or_never() -> None:
    assert parse("0 0 29 2 *").next(START) == datetime(2028, 2, 29, tzinfo=UTC)
    assert parse("0 0 30 2 *").next(START) is None


@pytest.mark.parametrize(
    ("text", "zone", "said"),
    [
        ("0 1 * *", "UTC", "five fields"),
        ("60 1 * * *", "UTC", "minute '60': write 0 to 59"),
        ("0 5-3 * * *", "UTC", "the smaller first"),
        ("0 x * * *", "UTC", "hour 'x' is no number"),
        ("*/0 * * * *", "UTC", "step"),
        ("0 0 * * *", "Europe/Atlantis", "timezone"),
    ],
)
def test_what_is_no_schedule_says_why(text: str, zone: str, said: str) -> None:
    with pytest.raises(ScheduleError, match=said):
        parse(text, zone)

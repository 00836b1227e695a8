"""When a job is due: cron's five fields in a time zone, as Xen Orchestra's schedules are written. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_FIELDS: Final = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NICKNAMES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_DAYS_AHEAD: Final = 366 * 5


class ScheduleError(ValueError):
    """A schedule that is none; says which field and what to write."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """`text` as it was written. Days match by day of the month and weekday; where both are restricted, by either."""

    text: str
    zone: ZoneInfo
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """The times that it is due in `(after, until]`, ascending, in UTC. A local time that a DST change leaves out
        is not due, one that comes twice is due once."""
        day = after.astimezone(self.zone).date() - timedelta(days=1)
        last = until.astimezone(self.zone).date()
        while day <= last:
            if self._on(day):
                yield from (at for at in self._of(day) if after < at <= until)
            day += timedelta(days=1)

    def next(self, after: datetime) -> datetime | None:
        """The first time behind `after`; None where there is none in years (30 February)."""
        for days in (2, 32, 366, _DAYS_AHEAD):
            found = next(self.between(after, after + timedelta(days=days)), None)
            if found is not None:
                return found
        return None

    def _on(self, day: date) -> bool:
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (by_day or by_weekday if self.either else by_day and by_weekday)

    def _of(self, day: date) -> Iterator[datetime]:
        for hour in self.hours:
            for minute in self.minutes:
                local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone)
                at = local.astimezone(UTC)
                if at.astimezone(self.zone).replace(tzinfo=None) == local.replace(tzinfo=None):
                    yield at


def parse(text: str, timezone: str = "UTC") -> Schedule:
    """`minute hour day month weekday`, with lists, ranges, steps and names. Raises `ScheduleError`."""
    try:
        zone = ZoneInfo(timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ScheduleError(f"timezone {timezone!r} is unknown; write for example Europe/Paris") from None
    parts = _NICKNAMES.get(text.strip().lower(), text).split()
    if len(parts) == 6 and parts[0] == "0":
        parts = parts[1:]  # with seconds, as some tools write it
    if len(parts) != len(_FIELDS):
        raise ScheduleError(f"schedule {text!r}: five fields are needed, minute hour day month weekday: 30 1 * * *")
    minutes, hours, days, months, weekdays = (
        _field(part, *limits) for part, limits in zip(parts, _FIELDS, strict=True)
    )
    return Schedule(
        text,
        zone,
        tuple(sorted(minutes)),
        tuple(sorted(hours)),
        days,
        months,
        frozenset(day % 7 for day in weekdays),
        either=not parts[2].startswith("*") and not parts[4].startswith("*"),
    )


def _field(text: str, name: str, least: int, most: int) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        if step and not (step.isdigit() and int(step)):
            raise ScheduleError(f"schedule: {name} {text!r}: the step {step!r} is no number above 0")
        first, last = _span(span, name, least, most, open_end=bool(step))
        found.update(range(first, last + 1, int(step or 1)))
    return frozenset(found)


def _span(text: str, name: str, least: int, most: int, *, open_end: bool) -> tuple[int, int]:
    if text in ("*", "?"):
        return least, most if name != "weekday" else 6
    begin, dash, end = text.partition("-")
    first = _number(begin, name)
    last = _number(end, name) if dash else (most if open_end else first)
    if name == "weekday" and dash and last < first:
        last += 7 if last == 0 else 0
    if not least <= first <= last <= most:
        raise ScheduleError(f"schedule: {name} {text!r}: write {least} to {most}, the smaller first")
    return first, last


def _number(text: str, name: str) -> int:
    words = _MONTHS if name == "month" else _WEEKDAYS if name == "weekday" else ()
    if text.lower()[:3] in words and text.isalpha():
        return words.index(text.lower()[:3]) + (1 if name == "month" else 0)
    if not text.isascii() or not text.isdigit():
        raise ScheduleError(f"schedule: {name} {text!r} is no number")
    return int(text)

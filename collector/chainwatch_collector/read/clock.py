"""The time of a line. Traditional timestamps have no year and no zone, and go back when summer time ends.

Order comes from position; a time is an annotation, and says when it is a guess (design, rule 8).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES, start=1)}
# How far a line may lie ahead of the clock it is read by: skew between hosts, and zones guessed wrong.
_AHEAD = timedelta(hours=26)
# A step back of this much inside an ambiguous hour is the end of summer time, not reordering by rsyslog.
_FOLD_STEP = timedelta(minutes=5)
_YEARS_BACK = 9


class Clock:
    """Turns the timestamps of one log of one host into UTC. Feed it in the log's order."""

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone
        self._key: tuple[str, datetime | None, datetime | None] | None = None
        self._value: tuple[datetime | None, bool] = (None, True)
        self._last_naive: datetime | None = None
        self._fold = 0

    def resolve(self, text: str, read_at: datetime | None, mtime: datetime | None) -> tuple[datetime | None, bool]:
        """(aware UTC or None, uncertain). `read_at` is an upper bound to trust; `mtime` gives a year, marked."""
        key = (text, read_at, mtime)
        if key != self._key:
            self._key = key
            self._value = self._iso(text) if text[:1].isdigit() else self._traditional(text, read_at, mtime)
        return self._value

    def _iso(self, text: str) -> tuple[datetime | None, bool]:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            return None, True
        if at.tzinfo is None:
            return self._local(at), False
        return at.astimezone(UTC), False

    def _traditional(self, text: str, read_at: datetime | None, mtime: datetime | None) -> tuple[datetime | None, bool]:
        bound = read_at or mtime
        naive = _naive(text, bound.astimezone(self.zone).replace(tzinfo=None)) if bound else None
        if naive is None:
            return None, True
        folded = self._ambiguous(naive)
        at = self._local(naive)
        return at, folded or read_at is None

    def _ambiguous(self, naive: datetime) -> bool:
        first = naive.replace(tzinfo=self.zone, fold=0).utcoffset()
        second = naive.replace(tzinfo=self.zone, fold=1).utcoffset()
        return first is not None and second is not None and first > second

    def _local(self, naive: datetime) -> datetime:
        last, self._last_naive = self._last_naive, naive
        if not self._ambiguous(naive):
            self._fold = 0
        elif last is not None and naive < last - _FOLD_STEP:
            self._fold = 1
        return naive.replace(tzinfo=self.zone, fold=self._fold).astimezone(UTC)


def _naive(text: str, bound: datetime) -> datetime | None:
    """`Mmm dd HH:MM:SS` in the latest year that does not put it after `bound`."""
    try:
        month = _MONTHS[text[:3]]
        day, hour, minute, second = int(text[4:6]), int(text[7:9]), int(text[10:12]), int(text[13:15])
    except (KeyError, ValueError):
        return None
    for year in range(bound.year + 1, bound.year - _YEARS_BACK, -1):
        try:
            naive = datetime(year, month, day, hour, minute, min(second, 59))  # noqa: DTZ001 - the zone comes after
        except ValueError:
            continue
        if naive <= bound + _AHEAD:
            return naive
    return None

"""The time at the beginning of a syslog line, as far as reading needs it: how old is this, where is that hour.

Only a way to find a place in a file. What a line's time *means* is the collector's to say.
"""

import re
import time
from typing import Callable, Optional

_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_TRADITIONAL = re.compile(rb"([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) ")
_ISO = re.compile(rb"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:Z|([+-])(\d\d):?(\d\d))")
_DAY = 86400
_PROBE_BYTES = 16 * 1024


def line_time(line: bytes, near: float) -> Optional[float]:
    """Seconds since 1970 of a line's time, None where it has none. `near` decides the year that syslog leaves out."""
    line = line.lstrip(b"\0")
    found = _TRADITIONAL.match(line)
    try:
        if found is not None:
            return _traditional(found.groups(), near)
        found = _ISO.match(line)
        return _iso(found.groups()) if found is not None else None
    except (ValueError, OverflowError):
        return None


def _traditional(groups: "tuple[bytes, ...]", near: float) -> Optional[float]:
    month = _MONTHS.index(groups[0]) + 1
    day, hour, minute, second = (int(text) for text in groups[1:])
    year = time.localtime(near).tm_year
    best: Optional[float] = None
    for candidate in (year - 1, year, year + 1):
        at = time.mktime((candidate, month, day, hour, minute, second, 0, 0, -1))
        if at <= near + _DAY and (best is None or at > best):
            best = at
    return best


def _iso(groups: "tuple[Optional[bytes], ...]") -> float:
    numbers = [int(text or b"0") for text in groups[:6]]
    at = _utc_seconds(*numbers)
    if groups[6]:
        offset = int(groups[7] or b"0") * 3600 + int(groups[8] or b"0") * 60
        at -= offset if groups[6] == b"+" else -offset
    return at


def _utc_seconds(year: int, month: int, day: int, hour: int, minute: int, second: int) -> float:
    years = year - (month <= 2)
    era_days = 365 * years + years // 4 - years // 100 + years // 400
    days = era_days + (153 * ((month + 9) % 12) + 2) // 5 + day - 719469
    return float(days * _DAY + hour * 3600 + minute * 60 + second)


def next_line(read_at: "Callable[[int, int], bytes]", offset: int, size: int) -> int:
    """The start of the first line at or behind `offset`; `size` where there is none."""
    if offset <= 0:
        return 0
    at = offset - 1
    while at < size:
        chunk = read_at(at, _PROBE_BYTES)
        end = chunk.find(b"\n")
        if end >= 0:
            return at + end + 1
        if not chunk:
            break
        at += len(chunk)
    return size


def find_time(read_at: "Callable[[int, int], bytes]", size: int, since: float, near: float) -> int:
    """Where the first line of a plain file lies that is not older than `since`: a bisection by line starts.

    Lines without a time count as older. 0 where the first line is young enough already.
    """
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        start = next_line(read_at, middle, high)
        at = line_time(read_at(start, 64), near) if start < high else None
        if at is not None and at < since:
            low = min(high, next_line(read_at, start + 1, high))
        elif start >= high or at is None:
            high = middle
        else:
            high = middle
    return next_line(read_at, low, size)

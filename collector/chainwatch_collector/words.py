"""How times, sizes and severities read: the same words on the command line, the pages and in messages. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")

SYMBOLS: Final = {
    "ok": "✓",
    "info": "i",
    "warning": "!",
    "error": "✗",
    "unknown": "?",
    "skipped": "–",
    "muted": "~",
    "refused": "✗",
    "at_risk": "!",
}
"""A sign beside the word, so that colour is never the only one."""

SEVERITY_WORDS: Final = {"ok": "OK", "info": "INFO", "warning": "WARN", "error": "ERROR", "unknown": "UNKNOWN"}

RANK: Final = {"error": 0, "unknown": 1, "warning": 2, "info": 3, "ok": 4}
"""Worst first: an error is known to be bad, unknown may be, a warning is not yet."""

EXIT_CODES: Final = {"error": 2, "unknown": 3, "warning": 1, "info": 0, "ok": 0}
"""interfaces.md section 1."""

STATE_WORDS: Final = {
    "idle": "idle: nothing to merge",
    "quiet": "quiet: nothing pending, snapshots keep what is there",
    "waiting": "waiting: merges pending, the next GC run is due",
    "running": "running: GC is at work",
    "failed": "failed: the last merge or run failed",
    "blocked": "blocked: something keeps merges from happening",
    "crashed": "crashed: an error ended the GC run",
    "starved": "starved: merges pending and no GC run starts",
    "stuck": "stuck: a GC run does not move",
    "disabled": "disabled: GC or coalesce is switched off",
    "unknown": "unknown: no evidence reaches the collector",
    "no_gc": "no GC: SM does not coalesce this type, or XenAPI does not show its chains",
}

STATE_STATUS: Final = {
    "idle": "ok",
    "quiet": "ok",
    "waiting": "ok",
    "running": "ok",
    "no_gc": "ok",
    "failed": "error",
    "blocked": "warning",
    "crashed": "error",
    "starved": "error",
    "stuck": "error",
    "disabled": "warning",
    "unknown": "unknown",
}


def size(count_bytes: float | None) -> str:
    """`1.5 GiB`; `–` where it is not known."""
    if count_bytes is None:
        return "–"
    value, unit = float(count_bytes), 0
    while abs(value) >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {UNITS[unit]}" if unit == 0 or value >= 100 else f"{value:.1f} {UNITS[unit]}"


def rate(bytes_per_second: float | None) -> str:
    return "–" if bytes_per_second is None else f"{size(bytes_per_second)}/s"


def percent(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio * 100:.0f} %"


def duration(seconds: float | None) -> str:
    """Two units at most: `4 s`, `12 min`, `3 h 5 min`, `2 d 4 h`."""
    if seconds is None:
        return "–"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 and days < 10 else f"{days} d"


def age(at: datetime | None, now: datetime) -> str:
    """`6 min ago`, `in 3 h`; `never` where there is no time."""
    if at is None:
        return "never"
    seconds = (now - at).total_seconds()
    return f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"


def iso(at: datetime) -> str:
    """UTC with `Z`, as every JSON body has it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def clock(at: datetime | None) -> str:
    """`2026-11-22 07:48:45Z`: what a person copies into a search."""
    return "–" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def between(low_and_high: Sequence[float]) -> str:
    """`96.0 KiB to 1.2 MiB`; one size where both are the same."""
    low, high = (size(bound) for bound in low_and_high)
    return low if low == high else f"{low} to {high}"


def code_of(finding_id: str) -> str:
    """`SR_FULL-9c5e9482cfb4` → `SR_FULL`: what a person reads of a finding's id."""
    return finding_id.rpartition("-")[0] or finding_id


def short(uuid: str) -> str:
    """The first 8 characters, as SMlog prints a VDI."""
    return uuid[:8]


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def worst(statuses: list[str]) -> str:
    """The worst of these by RANK; `ok` of none."""
    return min(statuses, key=lambda status: RANK[status], default="ok")

"""The columns of every table, in one place: the same thing has the same column wherever it is listed."""

import re
from collections.abc import Callable
from typing import Final

from chainwatch_collector.cli.output import badge, moment
from chainwatch_collector.cli.table import Column, Row, pick
from chainwatch_collector.words import age, duration, percent, rate, short, size

AGENT_STATUS: Final = {
    "reporting": "ok",
    "behind": "warning",
    "missing": "warning",
    "unassigned": "warning",
    "revoked": "info",
    "silent": "error",
}
BAR_WIDTH: Final = 10
_SYSLOG_HEAD: Final = re.compile(r"^(?:[A-Z][a-z]{2} [ \d]\d [\d:]{8}|\d{4}-\d\d-\d\dT\S+) \S+ ")
"""What syslog puts before a line: the table has time and host in columns of their own."""


def text(path: str) -> Callable[[Row], str]:
    def show(row: Row) -> str:
        value = pick(row, path)
        return "" if value is None else str(value)

    return show


def spaced(path: str) -> Callable[[Row], str]:
    """`no_gc` → `no gc`: the words of a state as people read them."""
    return lambda row: text(path)(row).replace("_", " ")


def number(path: str) -> Callable[[Row], str]:
    """Zero says nothing in a table: it is an empty cell."""

    def show(row: Row) -> str:
        value = pick(row, path)
        return "" if not value else str(value)

    return show


def ago(path: str, now: str) -> Callable[[Row], str]:
    def show(row: Row) -> str:
        at, present = moment(pick(row, path)), moment(now)
        return age(at, present) if at and present else ""

    return show


def _some(value: float | None, form: Callable[[float | None], str]) -> str:
    """Nothing for zero and for what is not known."""
    return form(value) if value else ""


def _rate(row: Row) -> str:
    return _some(row["rate_bytes_per_second"], rate)


def word(status: str) -> str:
    return badge(status)


SRS: Final = (
    Column("STATUS", lambda row: word(row["status"]), "status", always=True),
    Column("SR", text("name"), "name", always=True, shrink=14),
    Column("UUID", lambda row: "", "uuid"),
    Column("STATE", spaced("state"), "state", always=True),
    Column("PENDING", lambda row: _pending(row), "inner_pending", right=True),
    Column("LEAF", lambda row: "", "leaf_pending"),
    Column("BLOCKED", number("blocked"), "blocked", right=True, drop=6),
    Column("DEPTH", number("depth_max"), "depth_max", right=True, drop=3),
    Column("FREE", lambda row: percent(row["free_ratio"]), "free_ratio", right=True, drop=4),
    Column("TO MERGE", lambda row: _some(row["bytes_to_merge"], size), "bytes_to_merge", right=True, drop=9),
    Column("WHY", lambda row: row["top_code"] or "", "top_code"),
    Column("POOL", text("pool_name"), "pool_name", shrink=8, varies=True, drop=5),
)


def _pending(row: Row) -> str:
    if row["inner_pending"] is None and row["leaf_pending"] is None:
        return "" if row["state"] == "no_gc" else "?"
    total = (row["inner_pending"] or 0) + (row["leaf_pending"] or 0)
    return str(total) if total else ""


POOLS: Final = (
    Column("STATUS", lambda row: word(row["status"]), "status", always=True),
    Column("POOL", text("pool.name"), "pool.name", always=True, shrink=16),
    Column("UUID", lambda row: "", "pool.uuid"),
    Column("SRS", lambda row: str(row["srs"]), "srs", right=True, always=True),
    Column("FINDINGS", number("findings"), "findings", right=True),
    Column("AGENTS", lambda row: f"{row['pool']['hosts_with_agent']}/{row['pool']['hosts']}", "pool.hosts_with_agent"),
    Column("PROBLEM", text("pool.problem"), "pool.problem", shrink=20),
)

FINDINGS: Final = (
    Column("STATUS", lambda row: word("muted" if row["muted"] else row["severity"]), "severity", always=True),
    Column("CODE", text("code"), "code", always=True),
    Column("ON", text("subject.name"), "subject.name", always=True, shrink=14),
    Column("UUID", lambda row: "", "subject.uuid"),
    Column("STALE", lambda row: "stale" if row["stale"] else "", "stale", drop=7),
    Column("SEEN", lambda row: f"{row['count']}×" if row["count"] > 1 else "", "count", right=True, drop=8),
    Column("SUMMARY", text("summary"), "summary", shrink=20),
    Column("ID", lambda row: "", "id"),
)

CHAINS: Final = (
    Column("DEPTH", lambda row: str(row["depth"]), "depth", right=True, always=True),
    Column("VM", text("vm_name"), "vm_name", shrink=14),
    Column("DEV", text("device"), "device"),
    Column("DISK", text("name"), "name", always=True, shrink=14),
    Column("VDI", lambda row: short(row["uuid"]), "uuid", always=True),
    Column("STATUS", spaced("status"), "status"),
    Column("SIZE", lambda row: size(row["virtual_bytes"]), "virtual_bytes", right=True),
)

VERDICTS: Final = (
    Column("VM", text("name"), "name", always=True, shrink=14),
    Column("UUID", lambda row: "", "vm"),
    Column("SNAPSHOT", text("snapshot"), "snapshot", always=True),
    Column("BACKUP", text("backup"), "backup", always=True),
    Column("XO", lambda row: {True: "would skip", False: "runs", None: ""}[row["xo_would_skip"]], "xo_would_skip"),
    Column("DEPTH", lambda row: str(max((d["depth"] for d in row["disks"]), default="")), right=True),
    Column("REASONS", lambda row: ", ".join(row["reasons"]), "reasons", shrink=20),
)


def agents(now: str) -> tuple[Column, ...]:
    return (
        Column("STATUS", lambda row: word(AGENT_STATUS[row["state"]]), "state", always=True),
        Column("HOST", text("host_name"), "host_name", always=True, shrink=14),
        Column("UUID", lambda row: "", "host_uuid"),
        Column("STATE", text("state"), always=True),
        Column("LAST SEEN", ago("last_seen_at", now), "last_seen_at", right=True),
        Column("LAG", lambda row: _lag(row), "lag_seconds", right=True),
        Column("GAPS", number("gaps"), "gaps", right=True),
        Column("VERSION", text("version"), "version", drop=7),
        Column("SM", text("sm_version"), "sm_version", drop=9),
        Column("POOL", text("pool_name"), "pool_name", shrink=8, varies=True, drop=5),
    )


def _lag(row: Row) -> str:
    lag = row["lag_seconds"]
    return "" if lag is None or lag < 5 else duration(lag)


def merges(now: str) -> tuple[Column, ...]:
    return (
        Column("MERGE", lambda row: f"{short(row['child'])} → {short(row['parent'])}", "child", always=True),
        Column("PARENT", lambda row: "", "parent"),
        Column("KIND", text("kind"), "kind", drop=9),
        Column("SR", text("sr_name"), "sr_name", always=True, shrink=12, varies=False),
        Column("VM", text("vm_name"), "vm_name", shrink=10, drop=6),
        Column("PROGRESS", progress, "done_bytes"),
        Column(
            "RATE", lambda row: _some(row["rate_bytes_per_second"], rate), "rate_bytes_per_second", right=True, drop=5
        ),
        Column("ETA", lambda row: _some(row["eta_seconds"], duration), "eta_seconds", right=True),
        Column("STARTED", ago("started_at", now), "started_at", right=True, drop=7),
        Column("OUTCOME", _outcome, "outcome"),
        Column("CAUSE", lambda row: "", "cause"),
    )


def _outcome(row: Row) -> str:
    if row["outcome"] == "running":
        return ""
    cause = row["cause"]
    outcome = str(row["outcome"]).replace("_", " ")
    return f"{outcome} ({cause.replace('_', ' ')})" if cause and cause != row["outcome"] else outcome


def progress(row: Row) -> str:
    """`████░░░░░░ 40 %`; the bytes alone where the end is not known."""
    done, total = row["done_bytes"], row["total_bytes"]
    if done is None:
        return ""
    if not total:
        return size(done)
    ratio = min(1.0, done / total)
    filled = round(ratio * BAR_WIDTH)
    return f"{'█' * filled}{'░' * (BAR_WIDTH - filled)} {ratio * 100:.0f} %"


def tasks(now: str) -> tuple[Column, ...]:
    return (
        Column("MOVES", lambda row: {True: "✓ yes", False: "✗ NO", None: "?"}[row["moving"]], "moving", always=True),
        Column("TASK", text("name"), "name", always=True, shrink=20),
        Column("UUID", lambda row: "", "uuid"),
        Column("KIND", text("kind"), "kind", drop=9),
        Column("DONE", lambda row: f"{row['progress'] * 100:.0f} %", "progress", right=True),
        Column(
            "RATE", lambda row: _some(row["rate_bytes_per_second"], rate), "rate_bytes_per_second", right=True, drop=6
        ),
        Column("ETA", lambda row: _some(row["eta_seconds"], duration), "eta_seconds", right=True, drop=5),
        Column("STARTED", ago("created_at", now), "created_at", right=True),
        Column("DETAIL", text("detail"), "detail", shrink=20, drop=4),
        Column("HOST", text("host_name"), "host_name", shrink=10, drop=8),
        Column("BY", text("creator"), "creator", shrink=8, drop=10),
        Column("POOL", text("pool_name"), "pool_name", shrink=8, varies=True, drop=5),
    )


EVENTS: Final = (
    Column("AT", lambda row: _event_time(row), "at", always=True),
    Column("HOST", text("host_name"), "host_name", always=True, shrink=10),
    Column("WHAT", text("kind"), "kind", always=True, shrink=14),
    Column("SR", lambda row: "", "sr_uuid"),
    Column("VDI", lambda row: "", "vdi_uuid"),
    Column("LOG", lambda row: "", "log"),
    Column("OFFSET", lambda row: "", "offset"),
    Column("LINE", lambda row: _SYSLOG_HEAD.sub("", row["text"]), "text", shrink=20),
)


def _event_time(row: Row) -> str:
    at = row["at"]
    return "?" if at is None else at[5:19].replace("T", " ") + ("~" if row["uncertain"] else "")


MUTES: Final = (
    Column("ID", text("id"), "id", always=True),
    Column("CODE", text("code"), "code", always=True),
    Column("ON", lambda row: row["subject_name"] or "everything", "subject_name", shrink=12),
    Column("UNTIL", lambda row: row["until"][:16] + "Z", "until"),
    Column("BY", text("by"), "by"),
    Column("REASON", text("reason"), "reason", shrink=14),
    Column("STICKY", lambda row: "sticky" if row["sticky"] else "", "sticky"),
)

FORECASTS: Final = (
    Column("WHAT", lambda row: row["what"].replace("_", " "), "what", always=True),
    Column("ON", text("subject.name"), "subject.name", always=True, shrink=14),
    Column("WHEN", lambda row: (row["at"] or "")[:10], "at"),
    Column("EARLIEST", lambda row: (row["earliest_at"] or "")[:10], "earliest_at", drop=9),
    Column("LATEST", lambda row: (row["latest_at"] or "")[:10], "latest_at", drop=8),
    Column("", text("sentence"), "sentence", shrink=24, always=True),
)

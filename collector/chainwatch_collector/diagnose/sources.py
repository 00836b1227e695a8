"""From PATHs to log files: which are read, of which host, in which order, and in which zone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chainwatch_collector.diagnose.errors import DiagnoseError
from chainwatch_collector.diagnose.limits import Limits

_WANTED = re.compile(r"(SMlog|daemon\.log|kern\.log|user\.log|drbd-kern\.log)(?:\.(\d{1,4}))?(?:\.gz)?\Z")
_ROTATION = re.compile(r"\.(\d{1,4})(?:\.gz)?\Z")
BUNDLE = re.compile(r"\.(?:tar|tgz|tar\.gz|tbz2?|tar\.bz2|txz|tar\.xz|zip)\Z", re.IGNORECASE)
_SKIPPED_DIRECTORIES = frozenset(("proc", "sys", ".git"))


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log to read. `shown` is how evidence names it; `group` keeps logs of one directory together."""

    path: Path
    shown: str
    name: str
    group: str
    mtime: datetime
    host: str = ""

    @property
    def rotation(self) -> int:
        """0 for the live file, 1 for `.1`, …"""
        found = _ROTATION.search(self.name)
        return int(found[1]) if found else 0

    @property
    def is_smlog(self) -> bool:
        """Whether it is an SMlog, and not a neighbour that only holds reasons."""
        found = _WANTED.match(self.name)
        return found is None or found[1] == "SMlog"


@dataclass(slots=True)
class Found:
    """What the PATHs gave: logs, the zone by group, and remarks for the reader."""

    logs: list[LogFile] = field(default_factory=list)
    zones: dict[str, ZoneInfo] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def split_host(argument: str) -> tuple[str, Path]:
    """`HOST=PATH` or `PATH`. A path that exists is a path, whatever is in it."""
    if "=" in argument and not Path(argument).exists():
        host, _, path = argument.partition("=")
        if host and "/" not in host:
            return host, Path(path)
    return "", Path(argument)


def wanted(name: str) -> bool:
    """Whether a file of a directory or bundle is one that `diagnose` takes."""
    return _WANTED.match(name) is not None


def one_file(path: Path, host: str) -> LogFile:
    """A file named alone is read alone, whatever its name."""
    return LogFile(path, str(path), path.name, str(path.resolve().parent), mtime_of(path), host)


def directory(path: Path, host: str, limits: Limits, found: Found) -> None:
    """Every wanted log below a directory. Links are not followed."""
    for seen, entry in enumerate(_walk(path, limits.depth * 4)):
        if seen > limits.members:
            raise DiagnoseError(
                f"{path}: more than {limits.members} files", "Name the directory that holds the SMlogs."
            )
        if wanted(entry.name):
            group = str(entry.parent)
            found.logs.append(LogFile(entry, str(entry), entry.name, group, mtime_of(entry), host))
            _zone_beside(entry.parent, group, found)


def _walk(path: Path, depth: int) -> Iterator[Path]:
    try:
        entries = sorted(path.iterdir())
    except PermissionError as error:
        raise DiagnoseError(f"{error.filename}: permission denied", "Run as root, or copy the logs first.") from error
    for entry in entries:
        if entry.is_symlink():
            continue
        if entry.is_dir():
            if depth > 0 and entry.name not in _SKIPPED_DIRECTORIES:
                yield from _walk(entry, depth - 1)
        elif entry.is_file():
            yield entry


def _zone_beside(logs: Path, group: str, found: Found) -> None:
    """`etc/localtime` of the tree that `var/log` is in."""
    if group in found.zones or logs.parts[-2:] != ("var", "log"):
        return
    localtime = logs.parent.parent / "etc" / "localtime"
    zone = zone_of_link(str(localtime.readlink())) if localtime.is_symlink() else None
    if zone is None and localtime.is_file():
        zone = zone_of_bytes(localtime)
    if zone is not None:
        found.zones[group] = zone


def zone_of_link(target: str) -> ZoneInfo | None:
    """The zone that a link to `/usr/share/zoneinfo/X` names."""
    _, mark, name = target.partition("zoneinfo/")
    return zone_named(name) if mark else None


def zone_of_bytes(path: Path) -> ZoneInfo | None:
    """The zone of a TZif file."""
    try:
        with path.open("rb") as stream:
            return ZoneInfo.from_file(stream, key=None)
    except (ValueError, OSError):
        return None


def zone_named(name: str) -> ZoneInfo | None:
    """A zone by its name, None when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def mtime_of(path: Path) -> datetime:
    """A file's mtime, aware UTC."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def order(log: LogFile) -> tuple[int, datetime, str]:
    """Oldest first: by rotation, then by mtime."""
    return (-log.rotation, log.mtime, log.shown)

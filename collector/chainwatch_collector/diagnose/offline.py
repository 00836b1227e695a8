"""One offline diagnosis: PATHs in, the answer of `interfaces.md` section 3 out. No network, no clock of its own."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from chainwatch_collector.diagnose import bundle, sources
from chainwatch_collector.diagnose.errors import DiagnoseError
from chainwatch_collector.diagnose.limits import Budget, Limits
from chainwatch_collector.diagnose.lines import LogLines, Selection, everything, neighbour
from chainwatch_collector.diagnose.sources import Found, LogFile
from chainwatch_collector.read import record
from chainwatch_collector.read.facts import Fact
from chainwatch_collector.read.reader import HostReader
from chainwatch_collector.read.runs import Run

# `now` without --now: the newest line and this (interfaces.md section 1).
AFTER_NEWEST = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said. `now` aware or None; `timezone` overrides the bundle's."""

    now: datetime | None = None
    timezone: ZoneInfo | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(slots=True)
class Reading:
    """Everything read, before it is judged."""

    readers: list[HostReader] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lines_read: int = 0
    lines_selected: int = 0
    now: datetime | None = None

    @property
    def runs(self) -> list[Run]:
        """All hosts' runs in order of start."""
        runs = [run for reader in self.readers for run in reader.runs]
        return sorted(runs, key=lambda run: (run.start.at or datetime.min.replace(tzinfo=UTC), run.key))

    @property
    def unknown_shapes(self) -> Counter[str]:
        """Shapes of the lines that nothing understands."""
        shapes: Counter[str] = Counter()
        for reader in self.readers:
            shapes.update(reader.unknown_shapes)
        return shapes


def read_paths(paths: Iterable[str], options: Options) -> Reading:
    """Read every log the PATHs name; raises DiagnoseError with what, where and the fix."""
    budget = Budget(options.limits)
    reading = Reading()
    with tempfile.TemporaryDirectory(prefix="chainwatch-diagnose-") as scratch:
        found = _find(paths, Path(scratch), budget)
        reading.notes.extend(found.notes)
        for number, logs in enumerate(_by_host(found.logs)):
            _read_host(logs, number, found, options, budget, reading)
    newest = max((fact.ref.at for fact in reading.facts if fact.ref.at is not None), default=None)
    newest = max((at for at in (newest, *_last_lines(reading)) if at is not None), default=None)
    reading.now = options.now or (newest + AFTER_NEWEST if newest else None)
    if options.now is None and any(fact.ref.uncertain for fact in reading.facts):
        reading.notes.append("years are guessed from file times; give --now to be sure")
    return reading


def _last_lines(reading: Reading) -> list[datetime | None]:
    return [reader.newest_at for reader in reading.readers]


def _find(paths: Iterable[str], scratch: Path, budget: Budget) -> Found:
    found = Found()
    for argument in paths:
        host, path = sources.split_host(argument)
        before = len(found.logs)
        try:
            if path.is_dir():
                sources.directory(path, host, budget.limits, found)
            elif not path.exists():
                raise DiagnoseError(f"{path}: no such file or directory", "Check the path; HOST=PATH names a host.")
            elif bundle.is_archive(path):
                bundle.Unpacker(scratch / str(len(found.logs)), budget, found, host).unpack(path, str(path))
            else:
                found.logs.append(sources.one_file(path, host))
        except PermissionError as error:
            raise DiagnoseError(f"{path}: permission denied", "Run as root, or copy the logs first.") from error
        if len(found.logs) == before:
            raise DiagnoseError(f"{path}: no SMlog in it", "Give an SMlog, its directory, or a support bundle.")
    return found


def _by_host(logs: list[LogFile]) -> list[list[LogFile]]:
    """One list per host, SMlogs first, each log oldest first. A host is its label, or its name in its own lines."""
    names: dict[str, str] = {}
    for log in logs:
        if log.is_smlog and log.group not in names:
            names[log.group] = log.host or _host_in(log)
    hosts: dict[tuple[str, str], list[LogFile]] = {}
    for log in dict.fromkeys(logs):
        label = log.host or names.get(log.group, "")
        hosts.setdefault((label, "" if log.host else log.group), []).append(log)
    return [
        sorted(group, key=lambda log: (not log.is_smlog, log.name.split(".", 1)[0], *sources.order(log)))
        for group in hosts.values()
    ]


def _host_in(log: LogFile) -> str:
    """The host name of the first line that has one."""
    lines = LogLines(log, 0, None, Budget(Limits()), everything)
    for number, line in enumerate(lines):
        parsed = record.parse(line.data)
        if parsed is not None:
            return parsed.host
        if number > 1000:
            break
    return ""


def _read_host(
    logs: list[LogFile], number: int, found: Found, options: Options, budget: Budget, reading: Reading
) -> None:
    zone = _zone(logs, found, options, reading)
    host = next((log.host for log in logs if log.host), "")
    reader = HostReader(host, zone)
    for log in logs:
        ordinal = len(logs) * number + logs.index(log)
        lines = LogLines(log, ordinal, options.now, budget, _selection(log))
        reading.facts.extend(reader.feed(lines))
        reading.lines_read += lines.read
        reading.lines_selected += lines.selected
        if lines.damage:
            reading.notes.append(lines.damage)
            reading.facts.extend(reader.gap(None, None))
    reading.facts.extend(reader.finish())
    reading.readers.append(reader)


def _zone(logs: list[LogFile], found: Found, options: Options, reading: Reading) -> tzinfo:
    if options.timezone is not None:
        return options.timezone
    for log in logs:
        if log.group in found.zones:
            return found.zones[log.group]
    note = "time zone assumed to be UTC; give --timezone if the host's is another"
    if note not in reading.notes:
        reading.notes.append(note)
    return UTC


def _selection(log: LogFile) -> Selection:
    return everything if log.is_smlog else neighbour(log.name)

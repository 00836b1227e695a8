"""One host of a pool: its reader, how far it has come, and what each step makes of the lines. No I/O, no clock."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chainwatch_collector.fold.coverage import CoverageWatch
from chainwatch_collector.fold.event_rows import UnknownLine
from chainwatch_collector.fold.fetch import FILES_REMEMBERED, HostBatch
from chainwatch_collector.keep.folded import FoldedHost, RunGone
from chainwatch_collector.keep.rows import Cursor, GapSeen, HostRow, StoredLine
from chainwatch_collector.read import checkpoint
from chainwatch_collector.read.facts import Fact, Line
from chainwatch_collector.read.reader import HostReader
from chainwatch_collector.read.runs import Run
from chainwatch_collector.track.coverage import Coverage

# Ended runs that a reader holds for late lines; all of them are in the database.
KEEP_ENDED_RUNS = 50
FileIds = dict[tuple[str, int], int]


class HostStep(NamedTuple):
    """What one batch of a host's lines gave. `coverage`: how far its log is known now."""

    facts: Sequence[Fact]
    runs: Sequence[Run]
    runs_gone: Sequence[RunGone]
    unknown: Sequence[UnknownLine]
    coverage: Coverage


class HostFold:
    """A reader with its cursors."""

    def __init__(
        self, host_id: int, host_uuid: str, reader: HostReader, file_ids: Mapping[tuple[str, int], int]
    ) -> None:
        self.host_id = host_id
        self.host_uuid = host_uuid
        self.reader = reader
        self.cursors: dict[str, Cursor] = {}
        self.gap_id = 0
        self.coverage = CoverageWatch()
        self.file_ids: FileIds = dict(file_ids)
        self._gaps_ahead: set[int] = set()

    @classmethod
    def new(cls, host: HostRow) -> "HostFold":
        """From the host's first line on."""
        reader = HostReader(host.uuid, zone_of(host), keep_ended_runs=KEEP_ENDED_RUNS)
        return cls(host.host_id, host.uuid, reader, {})

    @classmethod
    def restored(cls, host: HostRow, stored: FoldedHost, file_ids: Mapping[tuple[str, int], int]) -> "HostFold":
        """From where it stood. Raises `StateRefusedError` where the stored reader cannot go on."""
        fold = cls(host.host_id, host.uuid, checkpoint.load(stored.reader), file_ids)
        fold.cursors, fold.gap_id = dict(stored.cursors), stored.gap_id
        return fold

    def stored(self) -> FoldedHost:
        """For the store, as it stands between two steps."""
        return FoldedHost(self.host_id, dict(self.cursors), self.gap_id, checkpoint.dump(self.reader))

    def take(self, batch: HostBatch) -> HostStep:
        """Read on. The cursors move behind the batch."""
        keys = {id(run): (run, run.key) for run in self.reader.open_runs}
        self._remember_files(batch)
        self.cursors = dict(batch.cursors)
        facts: list[Fact] = []
        unknown: list[UnknownLine] = []
        for part in self._in_order(batch):
            if isinstance(part, GapSeen):
                facts += self.reader.gap(None, part.missing_bytes or None)
                self.coverage.gap(part.missing_bytes)
            else:
                facts += self.reader.feed(self._watched(part, unknown))
                self.coverage.read(self.reader.newest_at)
        gone = [RunGone(self.host_id, key.ordinal, key.offset) for run, key in keys.values() if run.key != key]
        covered = self.coverage.coverage(self.cursors, batch.more)
        return HostStep(facts, self.reader.take_changed_runs(), gone, unknown, covered)

    def _remember_files(self, batch: HostBatch) -> None:
        """The newest last: a fact may stand on a line of an earlier step, but hardly on one of 20,000 files ago."""
        for key, file_id in {(line.log, line.ordinal): line.file_id for line in batch.lines}.items():
            self.file_ids.pop(key, None)
            self.file_ids[key] = file_id
        while len(self.file_ids) > FILES_REMEMBERED:
            del self.file_ids[next(iter(self.file_ids))]

    def _watched(self, lines: Iterable[StoredLine], unknown: list[UnknownLine]) -> Iterator[Line]:
        """The lines in the reader's own form, which it can store, and behind each whether it understood it."""
        reader = self.reader
        for line in lines:
            before = reader.lines_unknown
            yield Line(line.log, line.ordinal, line.offset, line.data, line.read_at, line.mtime)
            if reader.lines_unknown != before:
                at = reader.newest_at or line.read_at or line.mtime
                if at is not None:
                    unknown.append(UnknownLine(line, at))

    def _in_order(self, batch: HostBatch) -> Iterator[GapSeen | list[StoredLine]]:
        """Lines, cut where a gap lies between two of them."""
        due = [gap for gap in batch.gaps if self._due(gap)]
        ahead = _by_log(due)
        pending: list[StoredLine] = []
        for line in batch.lines:
            waiting = ahead.get(line.log)
            if waiting and _lies_before(waiting[-1], line):
                if pending:
                    yield pending
                    pending = []
                while waiting and _lies_before(waiting[-1], line):
                    yield waiting.pop()
            pending.append(line)
        if pending:
            yield pending
        yield from sorted((gap for waiting in ahead.values() for gap in waiting), key=lambda gap: gap.gap_id)
        self._passed(batch.gaps)

    def _due(self, gap: GapSeen) -> bool:
        """Whether the cursors have reached it. What lies before the first start's history limit was never promised."""
        if gap.reason == "history_limit" or gap.gap_id in self._gaps_ahead:
            return False
        return self._reached(gap)

    def _reached(self, gap: GapSeen) -> bool:
        cursor = self.cursors.get(gap.log, Cursor())
        place = gap.before or gap.after
        return place is None or place <= (cursor.ordinal, cursor.offset)

    def _passed(self, gaps: Sequence[GapSeen]) -> None:
        """Remember what was taken: all up to the first that is still ahead, and single ones behind it."""
        waiting = False
        for gap in gaps:
            if not self._reached(gap) and gap.reason != "history_limit":
                waiting = True
            elif waiting:
                self._gaps_ahead.add(gap.gap_id)
            else:
                self.gap_id = gap.gap_id
                self._gaps_ahead.discard(gap.gap_id)


def _by_log(gaps: Iterable[GapSeen]) -> dict[str, list[GapSeen]]:
    """Of each log, those that come last in it first."""
    found: dict[str, list[GapSeen]] = {}
    for gap in gaps:
        found.setdefault(gap.log, []).append(gap)
    for of_log in found.values():
        of_log.sort(key=lambda gap: (_place(gap), gap.gap_id), reverse=True)
    return found


def _place(gap: GapSeen) -> tuple[int, int]:
    """The first line that is no longer before it; without a place it comes before all."""
    return gap.before or gap.after or (-1, -1)


def _lies_before(gap: GapSeen, line: StoredLine) -> bool:
    return (line.ordinal, line.offset) >= _place(gap)


def zone_of(host: HostRow) -> tzinfo:
    """The host's own time zone, its offset where the name is not known here."""
    if host.timezone:
        try:
            return ZoneInfo(host.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            pass
    return timezone(timedelta(seconds=host.utc_offset_seconds)) if host.utc_offset_seconds else UTC

"""The files of one host inside one transaction: found, registered, covered, and written back once at the end."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, Row, func, insert, select, update

from chainwatch_collector.keep.intake import FileKey, FileSeenIn, SpanIn
from chainwatch_collector.keep.tables import COVERAGE, FILES


@dataclass
class Cover:
    """A coverage row as it will be written; `id` 0 where it is new."""

    id: int
    from_offset: int
    to_offset: int
    policy_row: int
    lines_selected: int = 0
    scrubbed: int = 0
    first_read_at_us: int = 0
    last_read_at_us: int = 0


@dataclass
class FileState:
    """One row of `files` and what this transaction changes of it."""

    id: int
    key: FileKey
    log_id: int
    ordinal: int
    name: str
    to_offset: int
    tail_sha256: bytes
    changed: bool = False
    new_lines: int = 0
    new_bytes: int = 0
    covers: list[Cover] | None = None


class HostFiles:
    """Look-ups are cached for the transaction; `flush` writes positions and coverage."""

    def __init__(self, connection: Connection, host_id: int) -> None:
        self._connection = connection
        self._host_id = host_id
        self._states: dict[FileKey, FileState | None] = {}
        self._newest: dict[int, int] = {}
        self.late: set[int] = set()

    def find(self, key: FileKey) -> FileState | None:
        """A registered file."""
        if key not in self._states:
            row = self._connection.execute(
                select(FILES).where(
                    FILES.c.host_id == self._host_id, FILES.c.fingerprint == key.fingerprint, FILES.c.salt == key.salt
                )
            ).one_or_none()
            self._states[key] = None if row is None else self._loaded(key, row)
        return self._states[key]

    def _loaded(self, key: FileKey, row: Row[tuple[int, ...]]) -> FileState:
        if row.ordinal < self._newest_ordinal(row.log_id):
            self.late.add(row.id)
        tail = bytes(row.tail_sha256)
        return FileState(row.id, key, row.log_id, row.ordinal, row.name, row.to_offset, tail)

    def register(self, seen: FileSeenIn, log_id: int, born_on: date) -> FileState:
        """Give the file the next ordinal of its log."""
        ordinal = self._newest_ordinal(log_id) + 1
        before = self.find(seen.predecessor) if seen.predecessor else None
        made = self._connection.execute(
            insert(FILES).values(
                host_id=self._host_id,
                log_id=log_id,
                ordinal=ordinal,
                fingerprint=seen.key.fingerprint,
                salt=seen.key.salt,
                name=seen.name,
                first_line=seen.first_line,
                mtime_us=seen.mtime_us,
                compressed=seen.compressed,
                predecessor_id=before.id if before else None,
                born_on=born_on,
            )
        )
        primary_key = made.inserted_primary_key
        assert primary_key is not None
        self._newest[log_id] = ordinal
        # From here on the files before it are finished: more of them is late.
        self.late |= {s.id for s in self._states.values() if s is not None and s.log_id == log_id}
        state = FileState(primary_key[0], seen.key, log_id, ordinal, seen.name, 0, b"")
        self._states[seen.key] = state
        return state

    def cover(self, file: FileState, span: SpanIn, start: int, lines: int, size_bytes: int) -> None:
        """`[start, span.to_offset)` is read now; joined to the coverage before it under the same policy.

        `lines`: so many of it are stored, `size_bytes` in all.
        """
        if file.covers is None:
            file.covers = self._last_cover(file)
        last = file.covers[-1] if file.covers else None
        if last is None or last.to_offset != start or last.policy_row != span.policy_row:
            last = Cover(0, start, start, span.policy_row, first_read_at_us=span.read_at_us)
            file.covers.append(last)
        last.to_offset = span.to_offset
        # A span that overlaps what was committed says its lines once more: they are shared out by bytes.
        share = (span.to_offset - start) / (span.to_offset - span.from_offset)
        last.lines_selected += lines
        last.scrubbed += round(span.scrubbed * share)
        last.last_read_at_us = max(last.last_read_at_us, span.read_at_us)
        file.to_offset, file.tail_sha256, file.changed = span.to_offset, span.tail_sha256, True
        file.new_lines += lines
        file.new_bytes += size_bytes

    def skip_to(self, file: FileState, offset: int) -> None:
        """A gap ends here: nothing proves the bytes before it."""
        if offset > file.to_offset:
            file.to_offset, file.tail_sha256, file.changed = offset, b"", True

    def next_salt(self, key: FileKey) -> int:
        """The lowest salt that no file of this fingerprint has had."""
        highest = self._connection.execute(
            select(func.max(FILES.c.salt)).where(
                FILES.c.host_id == self._host_id, FILES.c.fingerprint == key.fingerprint
            )
        ).scalar()
        return (highest if highest is not None else key.salt) + 1

    def flush(self) -> None:
        """Write positions and coverage."""
        for file in self._states.values():
            if file is None or not file.changed:
                continue
            self._connection.execute(
                update(FILES)
                .where(FILES.c.id == file.id)
                .values(
                    to_offset=file.to_offset,
                    tail_sha256=file.tail_sha256,
                    stored_lines=FILES.c.stored_lines + file.new_lines,
                    stored_bytes=FILES.c.stored_bytes + file.new_bytes,
                )
            )
            for cover in file.covers or ():
                self._write_cover(file.id, cover)

    def _write_cover(self, file_id: int, cover: Cover) -> None:
        values = {
            "to_offset": cover.to_offset,
            "lines_selected": cover.lines_selected,
            "scrubbed": cover.scrubbed,
            "last_read_at_us": cover.last_read_at_us,
        }
        if cover.id:
            self._connection.execute(update(COVERAGE).where(COVERAGE.c.id == cover.id).values(values))
            return
        first = {
            "file_id": file_id,
            "from_offset": cover.from_offset,
            "policy_id": cover.policy_row,
            "first_read_at_us": cover.first_read_at_us,
        }
        self._connection.execute(insert(COVERAGE).values(first | values))

    def _last_cover(self, file: FileState) -> list[Cover]:
        row = self._connection.execute(
            select(COVERAGE).where(COVERAGE.c.file_id == file.id).order_by(COVERAGE.c.from_offset.desc()).limit(1)
        ).one_or_none()
        if row is None:
            return []
        return [
            Cover(
                row.id,
                row.from_offset,
                row.to_offset,
                row.policy_id,
                row.lines_selected,
                row.scrubbed,
                row.first_read_at_us,
                row.last_read_at_us,
            )
        ]

    def _newest_ordinal(self, log_id: int) -> int:
        if log_id not in self._newest:
            newest = self._connection.execute(
                select(func.max(FILES.c.ordinal)).where(FILES.c.host_id == self._host_id, FILES.c.log_id == log_id)
            ).scalar()
            self._newest[log_id] = newest or 0
        return self._newest[log_id]

"""The promise of proto/README.md, checked: what a database holds against every byte that stood on the disk."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

from chainwatch_collector.keep.tables import COVERAGE, FILES, GAPS, HOSTS, LINES
from sqlalchemy import Connection, select

from lab.generations import Generation

# (index of the generation, offset in it)
Place = tuple[int, int]
Range = tuple[Place, Place]
BEGINNING: Place = (-1, 0)
END: Place = (1 << 60, 0)


@dataclass(frozen=True)
class StoredFile:
    """One file as it is committed."""

    ordinal: int
    fingerprint: bytes
    salt: int
    to_offset: int
    covered: list[tuple[int, int]]
    lines: dict[int, bytes]


@dataclass(frozen=True)
class Evidence:
    """All of one host, in the order of ordinals. `gaps`: (file, offset) to (file, offset), None where unset."""

    files: list[StoredFile] = field(default_factory=list)
    gaps: list[tuple[StoredFile | None, int, StoredFile | None, int]] = field(default_factory=list)


def evidence_of(connection: Connection, host_uuid: str) -> Evidence:
    """Read it straight from the tables."""
    host = connection.execute(select(HOSTS.c.id).where(HOSTS.c.uuid == host_uuid)).scalar()
    rows = connection.execute(select(FILES).where(FILES.c.host_id == host).order_by(FILES.c.ordinal)).all()
    files: dict[int, StoredFile | None] = {0: None}
    for row in rows:
        covered = select(COVERAGE.c.from_offset, COVERAGE.c.to_offset).where(COVERAGE.c.file_id == row.id)
        lines = select(LINES.c.offset, LINES.c.data).where(LINES.c.file_id == row.id)
        files[row.id] = StoredFile(
            row.ordinal,
            bytes(row.fingerprint),
            row.salt,
            row.to_offset,
            [(start, end) for start, end in connection.execute(covered.order_by(COVERAGE.c.from_offset))],
            {offset: bytes(data) for offset, data in connection.execute(lines)},
        )
    gaps = [
        (files[row.after_file_id], row.after_offset, files[row.before_file_id], row.before_offset)
        for row in connection.execute(select(GAPS).where(GAPS.c.host_id == host))
    ]
    return Evidence([file for file in files.values() if file is not None], gaps)


def check(evidence: Evidence, known: Mapping[bytes, Generation]) -> None:
    """Every byte covered exactly once, as read or as a declared gap; every selected line once; order kept.

    `known`: every generation by the fingerprint of its first line, which no other has.
    """
    placed = [(known[file.fingerprint], file) for file in evidence.files]
    order = [generation.index for generation, _ in placed]
    assert order == sorted(set(order)), f"out of order, or a file twice: {order}"
    assert not any(file.salt for file in evidence.files), "opened anew without a reason"
    gaps = [_range_of(gap, known) for gap in evidence.gaps]
    for generation, file in placed:
        _check_lines(generation, file)
    read = [((g.index, start), (g.index, end)) for g, file in placed for start, end in file.covered]
    _check_once(read, gaps)
    for generation in known.values():
        for missing in _missing(generation, read):
            assert not generation.present, f"{_words(missing)} is on disk and was not read; gaps: {gaps}"
            if not _without_a_trace(generation, missing, order):
                assert _declared(missing, gaps), f"{_words(missing)} neither read nor declared; gaps: {gaps}"


def _without_a_trace(generation: Generation, missing: Range, reached: list[int]) -> bool:
    """Gone before anybody could know of it: emptied before a byte of it was committed, and its copy removed; or written
    to a finished file, which was removed before it was looked at again.
    """
    return (generation.cut and generation.index not in reached) or missing[0][1] >= generation.late_from


def _range_of(gap: tuple[StoredFile | None, int, StoredFile | None, int], known: Mapping[bytes, Generation]) -> Range:
    after, after_offset, before, before_offset = gap
    start = (known[after.fingerprint].index, after_offset) if after else BEGINNING
    end = (known[before.fingerprint].index, before_offset) if before else END
    return start, end


def _check_lines(generation: Generation, file: StoredFile) -> None:
    """Exactly the selected lines of what is covered, each with its own bytes."""
    expected: dict[int, bytes] = {}
    for start, end in file.covered:
        expected |= generation.selected(start, end)
    assert file.lines == expected
    assert file.to_offset <= len(generation.content)


def _check_once(read: list[Range], gaps: list[Range]) -> None:
    for (_, end), (start, _) in itertools.pairwise(sorted(read)):
        assert end <= start, f"read twice: {start} to {end}"
    for (start, end), (gap_start, gap_end) in itertools.product(read, gaps):
        assert max(start, gap_start) >= min(end, gap_end), f"{start} to {end} read, {gap_start} to {gap_end} declared"


def _missing(generation: Generation, read: list[Range]) -> list[Range]:
    """What of its bytes was not read."""
    at, found = 0, []
    for (index, start), (_, end) in [*sorted(read), ((generation.index, len(generation.content)), END)]:
        if index != generation.index:
            continue
        if start > at:
            found.append(((index, at), (index, start)))
        at = max(at, end)
    return found


def _declared(missing: Range, gaps: list[Range]) -> bool:
    return any(start <= missing[0] and missing[1] <= end for start, end in gaps)


def _words(missing: Range) -> str:
    (index, start), (_, end) = missing
    return f"[{start}, {end}) of generation {index}"

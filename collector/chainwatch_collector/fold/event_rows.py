"""Facts and unknown lines as rows of `events`: one per line, found by time, SR, VDI and kind. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from chainwatch_collector.keep.folded import EventIn
from chainwatch_collector.keep.rows import StoredLine
from chainwatch_collector.read.facts import CoverageLost, Fact

UNKNOWN = "unknown"
# Where one line says several things, what it says of the state of a run is the least of them.
_MINOR = frozenset({"GcStepped", "CandidateSeen", "TreeUnchanged", "SmCommandStarted"})


class UnknownLine(NamedTuple):
    """A line that nothing understood; `at` is the time of the lines around it."""

    line: StoredLine
    at: datetime


class Names(NamedTuple):
    """Turns what a log printed into full uuids where the inventory proves one; else gives back what was printed."""

    sr: Callable[[str], str]
    vdi: Callable[[str | None, str], str]


def event_rows(
    host_id: int,
    facts: Sequence[Fact],
    unknown: Iterable[UnknownLine],
    file_ids: Mapping[tuple[str, int], int],
    names: Names,
) -> list[EventIn]:
    """One row per line that said something or that nothing understood. Facts on lines that are gone have none."""
    rows: dict[tuple[int, int], EventIn] = {}
    for line, at in unknown:
        rows[line.file_id, line.offset] = EventIn(line.file_id, line.offset, host_id, at, UNKNOWN, uncertain=True)
    for fact in facts:
        row = _row(host_id, fact, file_ids, names)
        if row is None:
            continue
        before = rows.get((row.file_id, row.offset))
        if before is None or before.kind == UNKNOWN or (before.kind in _MINOR and row.kind not in _MINOR):
            rows[row.file_id, row.offset] = row
    return list(rows.values())


def _row(host_id: int, fact: Fact, file_ids: Mapping[tuple[str, int], int], names: Names) -> EventIn | None:
    ref = fact.ref
    file_id = file_ids.get((ref.source, ref.ordinal))
    if file_id is None or ref.at is None or isinstance(fact, CoverageLost):
        return None
    sr = names.sr(fact.sr) if fact.sr else None
    vdi = vdi_of(fact)
    full = names.vdi(sr, vdi) if vdi else None
    return EventIn(file_id, ref.offset, host_id, ref.at, type(fact).__name__, sr, full, ref.uncertain)


def vdi_of(fact: Fact) -> str | None:
    """The one VDI that a fact is about, as printed."""
    for name in ("vdi", "child"):
        value = getattr(fact, name, None)
        if isinstance(value, str) and value:
            return value
    vdis: tuple[str, ...] = getattr(fact, "vdis", ())
    return vdis[0] if len(vdis) == 1 else None

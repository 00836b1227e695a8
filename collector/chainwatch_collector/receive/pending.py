"""What a stream sent that is not committed yet, and the units in which the writer gets it. Pure.

A unit is bounded by its cost and not by its bytes, so that no stream holds the writer for long: a megabyte of newlines
is a million rows. Cost is in rows of `lines`, roughly; what is dearer than a row counts as many.
"""

from collections import deque
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from chainwatch_collector.keep.intake import FileKey, Item, ObservationIn, SliceIn, SpanIn

# What was committed before is read and compared.
_SPAN_COST: Final = 20
# A gap is looked up, replaced and stored.
_GAP_COST: Final = 200
# A file is looked up and written back; where there are several, they may be new ones that have to be registered.
_FILE_COST: Final = 20
_FURTHER_FILE_COST: Final = 200
_LEAST_PIECE: Final = 100
# An observation is stored, and parsed again for those who listen.
_OBSERVATION_COST: Final = 5
_OBSERVED_BYTES: Final = 256


class Unit(NamedTuple):
    """What is committed together; `size_bytes` as it came."""

    items: Sequence[Item]
    size_bytes: int
    cost: int


class _Held(NamedTuple):
    item: Item
    size_bytes: int
    cost: int
    rest: bool = False


class Pending:
    """In order. A span that is too much for a unit goes in pieces, cut between two lines."""

    def __init__(self) -> None:
        self._held: deque[_Held] = deque()
        self.size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._held)

    def add(self, item: Item, size_bytes: int) -> None:
        """What was just read, `size_bytes` as a message."""
        self._held.append(_Held(item, size_bytes, _cost_of(item, size_bytes)))
        self.size_bytes += size_bytes

    def take(self, most_cost: int) -> Unit:
        """The oldest of it, one item at least; there must be something. Only what cannot be cut costs more."""
        items: list[Item] = []
        files: set[FileKey] = set()
        size = cost = 0
        while self._held and (not items or cost + _LEAST_PIECE <= most_cost):
            held = self._held.popleft()
            room = most_cost - cost
            if held.cost > room + _SPAN_COST and isinstance(held.item, SpanIn):
                held, rest = _cut(held, held.item, room)
                self._held.appendleft(rest)
            elif held.cost > room and items:
                self._held.appendleft(held)
                break
            items.append(held.item)
            size, cost = size + held.size_bytes, cost + held.cost
            if isinstance(held.item, SpanIn) and held.item.key not in files:
                cost += _FURTHER_FILE_COST if files else _FILE_COST
                files.add(held.item.key)
        self.size_bytes -= size
        return Unit(items, size, cost)

    def drop_rest(self, reopened: Collection[FileKey]) -> int:
        """Of a span whose beginning contradicts what is stored nothing is committed; how many bytes that were."""
        held = self._held[0] if self._held else None
        if held is None or not held.rest or not isinstance(held.item, SpanIn) or held.item.key not in reopened:
            return 0
        self._held.popleft()
        self.size_bytes -= held.size_bytes
        return held.size_bytes


def _cost_of(item: Item, size_bytes: int) -> int:
    if isinstance(item, SpanIn):
        return _SPAN_COST + sum(part.data.count(b"\n") for part in item.slices)
    if isinstance(item, ObservationIn):
        return _OBSERVATION_COST + size_bytes // _OBSERVED_BYTES
    return _GAP_COST


def _cut(held: _Held, span: SpanIn, room: int) -> tuple[_Held, _Held]:
    """The first `room` lines of a span that has more, and the rest.

    What is read at the cut has no proof of its bytes (`tail_sha256`), as behind a gap: the rest brings it.
    """
    first: list[SliceIn] = []
    slices = deque(span.slices)
    lines = room
    while True:
        part = slices.popleft()
        *found, behind = part.data.split(b"\n", lines)
        lines -= len(found)
        if not lines:
            break
        first.append(part)
    end = part.offset + len(part.data) - len(behind)
    first.append(SliceIn(part.offset, part.data[: end - part.offset]))
    if behind:
        slices.appendleft(SliceIn(end, behind))
    size = min(held.size_bytes, sum(len(part.data) for part in first))
    return (
        _Held(span._replace(to_offset=end, slices=tuple(first), tail_sha256=b"", scrubbed=0), size, room),
        _Held(span._replace(from_offset=end, slices=tuple(slices)), held.size_bytes - size, held.cost - room, True),
    )

"""What is pending, and how it is cut: nothing lost, nothing moved, no unit that is too much."""

from chainwatch_collector.keep.intake import FileKey, GapIn, Item, ObservationIn, SliceIn, SpanIn
from chainwatch_collector.receive.pending import Pending, Unit
from hypothesis import given, settings
from hypothesis import strategies as st

KEY = FileKey(b"f" * 32, 0)
MOST_COST = 150
GAP = GapIn("/var/log/SMlog", 1, None, 0, KEY, 10, 0, "")
parts = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 300)), max_size=6)


def span_of(start: int, sizes: list[tuple[int, int]], key: FileKey = KEY) -> SpanIn:
    """Slices of so many lines of two bytes, so many bytes apart."""
    slices, at = [], start
    for skipped, lines in sizes:
        slices.append(SliceIn(at + skipped, b"x\n" * lines))
        at += skipped + 2 * lines
    return SpanIn(key, start, at + 1, 1, tuple(slices), b"t" * 32, 5, 2)


def taken(pending: Pending, most_cost: int = MOST_COST) -> list[Unit]:
    units = []
    while pending:
        units.append(pending.take(most_cost))
    return units


def spans(units: list[Unit]) -> list[SpanIn]:
    return [item for unit in units for item in unit.items if isinstance(item, SpanIn)]


def lines(items: list[SpanIn]) -> list[tuple[int, bytes]]:
    """(offset, line) of all slices."""
    return [
        (part.offset + 2 * number, line)
        for item in items
        for part in item.slices
        for number, line in enumerate(part.data.splitlines(keepends=True))
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(parts, min_size=1, max_size=4))
def test_spans_come_out_whole_or_in_pieces_that_join(sent: list[list[tuple[int, int]]]) -> None:
    pending, whole, at = Pending(), list[SpanIn](), 0
    for sizes in sent:
        whole.append(span_of(at, sizes))
        at = whole[-1].to_offset
        pending.add(whole[-1], 100 + at - whole[-1].from_offset)
    size_bytes = pending.size_bytes
    units = taken(pending)
    pieces = spans(units)
    assert lines(pieces) == lines(whole)
    ends = [0, *(piece.to_offset for piece in pieces)]
    assert [piece.from_offset for piece in pieces] == ends[:-1]
    assert {w.to_offset for w in whole} <= set(ends)
    assert {piece.to_offset: piece.tail_sha256 for piece in pieces if piece.tail_sha256} == {
        one.to_offset: one.tail_sha256 for one in whole
    }
    assert sum(piece.scrubbed for piece in pieces) == sum(one.scrubbed for one in whole)
    assert all(len(lines(spans([unit]))) <= MOST_COST for unit in units)
    assert (sum(unit.size_bytes for unit in units), pending.size_bytes) == (size_bytes, 0)


def test_what_cannot_be_cut_goes_alone() -> None:
    pending = Pending()
    status = ObservationIn("status", 1, 1, 1, False, b"")
    items: list[Item] = [GAP, status, GAP]
    for item in items:
        pending.add(item, 100_000)
    assert [list(unit.items) for unit in taken(pending)] == [[GAP], [status], [GAP]]


def test_new_files_cost_more_than_their_lines() -> None:
    pending = Pending()
    for number in range(4):
        pending.add(span_of(0, [(0, 1)], FileKey(b"f" * 32, number)), 10)
    assert [len(unit.items) for unit in taken(pending, 300)] == [2, 2]


def test_the_rest_of_a_contradiction_is_dropped_and_nothing_else() -> None:
    pending = Pending()
    pending.add(span_of(0, [(0, 1000)]), 3000)
    pending.add(span_of(2001, [(0, 10)]), 30)
    first = pending.take(MOST_COST)
    assert pending.drop_rest({FileKey(b"g" * 32, 0)}) == 0
    assert pending.drop_rest({KEY}) == 3000 - first.size_bytes
    assert pending.drop_rest({KEY}) == 0
    assert [item.from_offset for item in spans(taken(pending))] == [2001]

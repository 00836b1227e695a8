"""The columns of a span against the plain meaning: every run of every block, and those that touch as one."""

from typing import List, Tuple

from agent.ledger import slices_of
from chainwatch.v1 import evidence_pb2
from chainwatch_agent.slice_columns import SliceColumns
from hypothesis import given, settings
from hypothesis import strategies as st

BEGIN = 1000
# Of each line of a block: whether it is selected.
BLOCKS = st.lists(st.lists(st.booleans(), max_size=6), max_size=6)


def runs_of(selected: List[bool], line_bytes: int) -> List[Tuple[int, int]]:
    runs: List[Tuple[int, int]] = []
    for number, counts in enumerate(selected):
        begin, end = number * line_bytes, (number + 1) * line_bytes
        if counts and runs and runs[-1][1] == begin:
            runs[-1] = (runs[-1][0], end)
        elif counts:
            runs.append((begin, end))
    return runs


@settings(max_examples=300, deadline=None)
@given(BLOCKS)
def test_the_rule(blocks: List[List[bool]]) -> None:
    columns, whole = SliceColumns(), b""
    for number, selected in enumerate(blocks):
        block = b"".join(b"line %d %d\n" % (number, at) for at in range(len(selected)))
        columns.add(block, runs_of(selected, len(b"line 0 0\n")), len(block))
        whole += block
    span = evidence_pb2.Span(from_offset=BEGIN, to_offset=BEGIN + len(whole), slices=columns.message())
    every = [counts for block in blocks for counts in block]
    expected = runs_of(every, len(b"line 0 0\n"))
    assert slices_of(span) == [(BEGIN + begin, whole[begin:end]) for begin, end in expected]
    assert columns.size_bytes == sum(end - begin for begin, end in expected)


def test_what_was_cut_of_a_line_is_skipped() -> None:
    columns = SliceColumns()
    columns.add(b"long\n", [(0, 5)], 5000)
    columns.add(b"next\n", [(0, 5)], 5)
    span = evidence_pb2.Span(from_offset=0, to_offset=5005, slices=columns.message())
    assert slices_of(span) == [(0, b"long\n"), (5000, b"next\n")]


def test_secrets_are_masked_and_counted() -> None:
    columns = SliceColumns()
    block = b"SM: [1] {'password': 'hunter2'}\nno\nSM: [1] {'chapuser': 'me'}\n"
    columns.add(block, [(0, 32), (35, len(block))], len(block))
    assert columns.scrubbed == 2
    data = columns.message().data
    assert b"hunter2" not in data
    assert len(data) == columns.size_bytes == len(block) - 3

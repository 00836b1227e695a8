"""Spans as they come: columns that agree become slices, those that do not are refused with the field named."""

import pytest
from chainwatch.v1 import evidence_pb2, ingest_service_pb2
from chainwatch_collector.keep.intake import SliceIn, SpanIn
from chainwatch_collector.receive import limits
from chainwatch_collector.receive.messages import MessageError, item_of
from hypothesis import given, settings
from hypothesis import strategies as st
from lab.wire import slices_message

BEGIN, END = 100, 200


def taken(slices: evidence_pb2.Slices, end: int = END) -> tuple[SliceIn, ...]:
    span = evidence_pb2.Span(from_offset=BEGIN, to_offset=end, slices=slices, tail_sha256=b"t" * 32)
    span.file.fingerprint = b"f" * 32
    item = item_of(ingest_service_pb2.AgentMessage(span=span), {0: 7})
    assert isinstance(item, SpanIn)
    return tuple(item.slices)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=20)), max_size=8))
def test_slices_come_out_as_they_went_in(parts: list[tuple[int, bytes]]) -> None:
    slices, offset = [], BEGIN
    for skipped, text in parts:
        data = text.replace(b"\n", b"_") + b"\n"
        slices.append((offset + skipped, data))
        offset += skipped + len(data)
    found = taken(slices_message(BEGIN, slices), max(offset, BEGIN + 1))
    assert [(part.offset, part.data) for part in found] == slices


@pytest.mark.parametrize(
    ("skipped", "sizes", "data", "said"),
    [
        ([0, 0], [2], b"a\n", r"span\.slices\.size_bytes: 1 of them and 2 of skipped_bytes"),
        ([0], [3], b"a\n", r"span\.slices\.data: 2 bytes, size_bytes are 3 in all"),
        ([0, 5], [2, 0], b"a\n", r"span\.slices\[1\]: .* or it is empty"),
        ([99], [2], b"a\n", r"span\.slices\[0\]: ends at 201, the span at 200"),
        ([2**64 - 1], [2], b"a\n", r"span\.slices\[0\]: ends at"),
        ([0], [2**64 - 1], b"a\n", r"span\.slices\.data"),
        ([0], [2], b"ab", r"span\.slices\[0\]: does not end with a newline"),
    ],
)
def test_columns_that_do_not_agree_are_refused(skipped: list[int], sizes: list[int], data: bytes, said: str) -> None:
    with pytest.raises(MessageError, match=said):
        taken(evidence_pb2.Slices(skipped_bytes=skipped, size_bytes=sizes, data=data))


def test_a_last_line_without_its_newline_ends_the_file() -> None:
    assert taken(evidence_pb2.Slices(skipped_bytes=[98], size_bytes=[2], data=b"ab")) == (SliceIn(198, b"ab"),)


def test_a_line_that_is_too_long_is_refused() -> None:
    data = b"x" * (limits.MAX_LINE_BYTES + 1) + b"\n"
    with pytest.raises(MessageError, match=r"span\.slices\[0\]: has a line of more than"):
        taken(evidence_pb2.Slices(skipped_bytes=[0], size_bytes=[len(data)], data=data), BEGIN + len(data))

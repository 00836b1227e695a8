"""Spans of one file: held-back lines, long lines, NULs, bytes that are no text, files that are cut."""

import tempfile
from pathlib import Path
from typing import List, Tuple

import pytest
from agent.ledger import slices_of
from chainwatch.v1 import evidence_pb2
from chainwatch_agent.identity import FileId, tail_sha256
from chainwatch_agent.policy import FLOOR, SMLOG, LogPolicy, part_for
from chainwatch_agent.select import BLOCK_BYTES, Selector
from chainwatch_agent.sources import PlainSource
from chainwatch_agent.span_reader import MAX_LINE_BYTES, OtherBytesError, SpanReader
from hypothesis import given, settings
from hypothesis import strategies as st

FILE = FileId(b"f" * 32)
HEAD = b"Nov 25 16:00:00 xcp-1 SMGC: [7] "


def reading(path: Path, offset: int = 0) -> SpanReader:
    return SpanReader(PlainSource(str(path)), FILE, offset, Selector(part_for(FLOOR, SMLOG)), 3)


def spans(reader: SpanReader, final: bool = False) -> List[evidence_pb2.Span]:
    found: List[evidence_pb2.Span] = []
    while True:
        reader.read(1000, 5)
        if final and reader.at_end:
            reader.finish()
        span = reader.take()
        if span is None:
            return found
        found.append(span)


def test_a_partial_line_is_held_back_until_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "SMlog"
    path.write_bytes(HEAD + b"one\n" + HEAD + b"tw")
    reader = reading(path)
    (first,) = spans(reader)
    assert (first.from_offset, first.to_offset, first.policy_id) == (0, len(HEAD) + 4, 3)
    assert reader.partial_bytes == len(HEAD) + 2
    with path.open("ab") as stream:
        stream.write(b"o\n")
    (second,) = spans(reader)
    assert second.slices.data == HEAD + b"two\n"
    assert second.tail_sha256 == tail_sha256(path.read_bytes())
    reader.source.close()


def test_the_last_line_of_a_finished_file_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "SMlog"
    path.write_bytes(HEAD + b"one\n" + HEAD + b"two")
    reader = reading(path)
    found = spans(reader, final=True)
    assert found[-1].to_offset == path.stat().st_size
    assert b"".join(span.slices.data for span in found) == path.read_bytes()
    reader.source.close()


@pytest.mark.parametrize("extra", [0, 1, 70000, 300000])
def test_a_line_is_cut_at_64_kib_and_covered_whole(tmp_path: Path, extra: int) -> None:
    path = tmp_path / "SMlog"
    long = HEAD + b"x" * (MAX_LINE_BYTES - len(HEAD) + extra) + b"\n"
    path.write_bytes(HEAD + b"before\n" + long + HEAD + b"after\n")
    reader = reading(path)
    found = spans(reader)
    parts = [part for span in found for part in slices_of(span)]
    lines = b"".join(data for _, data in parts).split(b"\n")[:-1]
    assert [len(line) for line in lines] == [len(HEAD) + 6, MAX_LINE_BYTES - 1, len(HEAD) + 5]
    assert parts[-1][0] + len(parts[-1][1]) == path.stat().st_size == found[-1].to_offset
    assert reader.lines_cut == 1
    reader.source.close()


SIZES = st.sampled_from([100, 60000, MAX_LINE_BYTES - 1, MAX_LINE_BYTES, MAX_LINE_BYTES + 1, BLOCK_BYTES, 200000])


@settings(max_examples=60, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=8))
def test_long_lines_are_cut_wherever_they_stand(sizes: List[int]) -> None:
    lines = [(HEAD + b"x" * size)[: size - 1] + b"\n" for size in sizes]
    with tempfile.NamedTemporaryFile() as stream:
        stream.write(b"".join(lines))
        stream.flush()
        reader = reading(Path(stream.name))
        parts = [part for span in spans(reader) for part in slices_of(span)]
        reader.source.close()
    shipped = b"".join(data for _, data in parts).split(b"\n")[:-1]
    assert [len(line) + 1 for line in shipped] == [min(size, MAX_LINE_BYTES) for size in sizes]
    assert reader.lines_cut == sum(size > MAX_LINE_BYTES for size in sizes)
    assert reader.read_to == sum(sizes)


def test_a_long_line_without_an_end_is_held_back_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "SMlog"
    path.write_bytes(HEAD + b"before\n" + HEAD + b"y" * 1000000)
    reader = reading(path)
    (span,) = spans(reader)
    assert span.to_offset == len(HEAD) + 7
    assert reader.partial_bytes == len(HEAD) + 1000000
    with path.open("ab") as stream:
        stream.write(b"z\n" + HEAD + b"after\n")
    assert spans(reader)[-1].to_offset == path.stat().st_size
    reader.source.close()


@pytest.mark.parametrize("after", [b"", HEAD + b"another one, and of the same length\n" * 3])
def test_a_file_that_is_cut_is_noticed(tmp_path: Path, after: bytes) -> None:
    path = tmp_path / "SMlog"
    path.write_bytes(HEAD + b"one\n")
    reader = reading(path)
    spans(reader)
    path.write_bytes(after)
    with pytest.raises(OtherBytesError):
        reader.read(1000, 5)
    reader.source.close()


def test_a_message_that_goes_on_behind_the_position_is_selected_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "SMlog"
    first = b"Nov 25 16:00:00 h SM: [9] FAILED in util.pread: (rc 22) stdout: 'a\n"
    rest = b"Nov 25 16:00:00 h SM: [9] b\nNov 25 16:00:00 h SM: [9] ', stderr: ''\n"
    path.write_bytes(first + rest + b"Nov 25 16:00:00 h SM: [9] c\n")
    reader = reading(path, len(first))
    (span,) = spans(reader)
    assert span.slices.data == rest
    reader.source.close()


PIECES = st.sampled_from(
    [HEAD + b"one\n", b"Nov 25 16:00:00 h SM: [1] no\n", b"\0\0\0", b"\n", b"\xff\xfe", b"x" * 5000, HEAD]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=25), st.lists(st.integers(1, 9000), max_size=6))
def test_every_byte_is_covered_once_however_it_comes(pieces: List[bytes], cuts: List[int]) -> None:
    data, written = b"".join(pieces), 0
    with tempfile.NamedTemporaryFile() as stream:
        reader = SpanReader(PlainSource(stream.name), FILE, 0, Selector(LogPolicy(SMLOG, (b"SMGC",))), 0)
        found: List[evidence_pb2.Span] = []
        for cut in cuts + [len(data)]:
            stream.write(data[written : written + cut])
            stream.flush()
            written = min(len(data), written + cut)
            found += spans(reader)
        found += spans(reader, final=True)
        reader.source.close()
    ends: List[Tuple[int, int]] = [(span.from_offset, span.to_offset) for span in found]
    assert [begin for begin, _ in ends] == [0] * bool(ends) + [end for _, end in ends[:-1]]
    assert (ends[-1][1] if ends else 0) == len(data)
    for span in found:
        for offset, part in slices_of(span):
            assert data[offset : offset + len(part)] == part

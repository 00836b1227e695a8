"""Splitting slices and telling a replay from other bytes."""

from chainwatch_collector.keep.lines import NewLine, conflicts, line_hash, same_bytes, split_slice
from hypothesis import given
from hypothesis import strategies as st

LINES = st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), min_size=1, max_size=12)


@given(LINES, st.integers(0, 1 << 40))
def test_splitting_keeps_every_byte_and_its_place(texts: list[bytes], offset: int) -> None:
    data = b"".join(text + b"\n" for text in texts)
    lines = split_slice(offset, data)
    assert [line.data for line in lines] == texts
    for line in lines:
        at = line.offset - offset
        assert data[at : at + len(line.data) + 1] == line.data + b"\n"
        assert line.hash == line_hash(line.data)


def test_a_last_line_without_newline_is_a_line() -> None:
    assert [line.data for line in split_slice(7, b"one\ntwo")] == [b"one", b"two"]


@given(LINES, st.data())
def test_two_selections_of_the_same_bytes_agree(texts: list[bytes], data: st.DataObject) -> None:
    lines = split_slice(0, b"".join(text + b"\n" for text in texts))
    some = st.lists(st.sampled_from(lines), unique=True).map(sorted)
    assert not conflicts(data.draw(some), data.draw(some))


@given(LINES, st.data())
def test_other_bytes_are_a_conflict(texts: list[bytes], data: st.DataObject) -> None:
    lines = split_slice(0, b"".join(text + b"\n" for text in texts))
    victim = data.draw(st.sampled_from(lines))
    changed = victim.data + b"x"
    again = [NewLine(victim.offset, line_hash(changed), changed)]
    assert conflicts(lines, again)


def test_a_line_that_begins_inside_another_is_a_conflict() -> None:
    stored = split_slice(0, b"abcdef\n")
    assert conflicts(stored, split_slice(3, b"xyz\n"))
    assert conflicts(split_slice(3, b"xyz\n"), stored)
    assert not conflicts(stored, split_slice(7, b"xyz\n"))


def test_a_masked_secret_is_the_same_line() -> None:
    assert same_bytes(b"password=hunter2", b"password=*******")
    assert not same_bytes(b"password=hunter2", b"passwort=*******")
    assert not same_bytes(b"abc", b"****")

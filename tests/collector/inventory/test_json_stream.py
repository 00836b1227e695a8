"""Replies taken apart while they arrive, in any pieces."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from chainwatch_collector.inventory.json_stream import BrokenReplyError, Path, walk, walk_value
from hypothesis import given, settings
from hypothesis import strategies as st

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.fixed_dictionaries({"result": VALUES}, optional={"id": st.integers(), "error": st.none()})
DESCEND = frozenset[Path]({(), ("result",), ("result", "events")})


def pieces(data: bytes, size: int) -> Callable[[int], bytes]:
    """`read` that gives at most `size` bytes at a time."""
    view = memoryview(data)
    at = 0

    def read(wanted: int) -> bytes:
        nonlocal at
        piece = bytes(view[at : at + min(size, wanted)])
        at += len(piece)
        return piece

    return read


@given(DOCUMENTS, st.integers(1, 40), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_document_in_any_pieces(document: dict[str, Any], size: int, spaced: bool) -> None:
    text = json.dumps(document, indent=1 if spaced else None, ensure_ascii=size % 2 == 0)
    assert list(walk(pieces(text.encode(), size), DESCEND)) == list(walk_value(json.loads(text), DESCEND))


@given(DOCUMENTS, st.data())
@settings(max_examples=150, deadline=None)
def test_a_document_cut_anywhere_is_broken(document: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(document).encode()
    cut = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(BrokenReplyError):
        list(walk(pieces(text[:cut], 7), DESCEND))


def test_records_and_events_come_one_by_one() -> None:
    records = b'{"jsonrpc":"2.0","result":{"OpaqueRef:a":{"uuid":"1"},"OpaqueRef:b":{}},"id":1}'
    assert list(walk(pieces(records, 5), frozenset({(), ("result",)}))) == [
        (("jsonrpc",), "2.0"),
        (("result", "OpaqueRef:a"), {"uuid": "1"}),
        (("result", "OpaqueRef:b"), {}),
        (("id",), 1),
    ]
    events = b'{"result":{"events":[{"ref":"a"},{"ref":"b"}],"token":"1,2"}}'
    assert list(walk(pieces(events, 3), DESCEND)) == [
        (("result", "events", "*"), {"ref": "a"}),
        (("result", "events", "*"), {"ref": "b"}),
        (("result", "token"), "1,2"),
    ]


def test_a_number_at_the_end_of_a_piece_goes_on() -> None:
    assert list(walk(pieces(b"[12345, 6]", 3), frozenset({()}))) == [(("*",), 12345), (("*",), 6)]


@pytest.mark.parametrize(
    "text", [b"", b"<html>", b"{} {}", b'{"a" 1}', b"[1,]", b"[1 2]", b"nul", b'{"result":' + b"[" * 100_000]
)
def test_what_is_no_json(text: bytes) -> None:
    with pytest.raises(BrokenReplyError):
        list(walk(pieces(text, 4096), DESCEND))

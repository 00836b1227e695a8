"""Raw lines on their way between two collectors come out as they went in, and never more than was asked for."""

import contextlib

import pytest
from chainwatch.v1 import evidence_pb2, ingest_service_pb2
from chainwatch_collector.receive.evidence_requests import EvidencePart
from chainwatch_collector.receive.evidence_wire import (
    WireError,
    parts_from_bytes,
    parts_to_bytes,
    request_from_text,
    request_to_text,
)
from hypothesis import given, settings
from hypothesis import strategies as st

PARTS = st.lists(
    st.builds(
        lambda name, offset, data, cut: EvidencePart(evidence_pb2.FileKey(fingerprint=name), offset, data, cut),
        st.binary(min_size=32, max_size=32),
        st.integers(0, 1 << 62),
        st.binary(max_size=200),
        st.booleans(),
    ),
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(PARTS)
def test_parts(parts: list[EvidencePart]) -> None:
    assert parts_from_bytes(parts_to_bytes(parts), sum(len(part.data) for part in parts)) == parts


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=40), st.lists(st.text(max_size=20), max_size=4), st.integers(0, 1 << 50))
def test_requests(log: str, literals: list[str], around_us: int) -> None:
    asked = ingest_service_pb2.EvidenceRequest(
        log=log, around_us=around_us, max_bytes=4096, literals=literals, deadline_seconds=30
    )
    assert request_from_text(request_to_text(asked)) == asked


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_whatever_comes_is_an_answer_or_refused(data: bytes) -> None:
    with contextlib.suppress(WireError):
        assert sum(len(part.data) for part in parts_from_bytes(data, 100)) <= 100


def test_more_than_was_asked_for_is_refused() -> None:
    data = parts_to_bytes([EvidencePart(evidence_pb2.FileKey(), 0, b"x" * 101, False)])
    with pytest.raises(WireError, match="101 bytes of lines, 101 named, 100 asked"):
        parts_from_bytes(data, 100)
    with pytest.raises(WireError, match="102 bytes of lines, 101 named"):
        parts_from_bytes(data + b"x", 1000)

"""The window and the ring: bounded, and counted."""

from typing import List

from chainwatch.v1 import evidence_pb2
from chainwatch_agent.hold import Ring, Window
from chainwatch_agent.identity import FileId
from hypothesis import given, settings
from hypothesis import strategies as st

A, B = FileId(b"a" * 32), FileId(b"b" * 32)


def test_a_span_may_exceed_an_empty_window_and_nothing_else() -> None:
    window = Window(100)
    assert window.room_for(500)
    window.sent(A, 10, 500)
    assert not window.room_for(1)
    assert window.acked(A, 9) == 0
    assert window.acked(A, 10) == 1
    assert window.empty
    assert window.room_for(100)


def test_an_ack_settles_all_spans_before_it_of_its_file() -> None:
    window = Window(100)
    for end in (10, 20, 30):
        window.sent(A, end, 5)
    window.sent(B, 5, 7)
    assert window.acked(A, 25) == 2
    assert window.in_flight_bytes == 12
    window.forget(A)
    assert window.in_flight_bytes == 7
    window.forget()
    assert window.empty


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([A, B]), st.integers(0, 40), st.booleans()), max_size=60))
def test_what_is_in_flight_is_never_negative_and_comes_back_to_nothing(steps: List) -> None:  # type: ignore[type-arg]
    window, ends = Window(100), {A: 0, B: 0}
    for file, size, ack in steps:
        if ack:
            window.acked(file, ends[file] - size)
        elif window.room_for(size):
            ends[file] += 10
            window.sent(file, ends[file], size)
        assert 0 <= window.in_flight_bytes <= 100
    for file, end in ends.items():
        window.acked(file, end)
    assert window.empty
    assert window.in_flight_bytes == 0


def test_the_ring_numbers_repeats_and_forgets() -> None:
    ring = Ring(9, 3)
    ring.add(evidence_pb2.Status())
    ring.add(evidence_pb2.Samples())
    first = ring.unsent()
    assert [m.WhichOneof("body") for m in first] == ["status", "samples"]
    assert (first[0].status.seq, first[1].samples.seq, first[1].samples.agent_epoch) == (1, 2, 9)
    assert ring.unsent() == []
    ring.rewind()
    assert len(ring.unsent()) == 2
    ring.acked(1)
    ring.rewind()
    assert [m.samples.seq for m in ring.unsent()] == [2]


def test_what_the_ring_drops_is_declared() -> None:
    ring = Ring(9, 3)
    for _ in range(10):
        ring.add(evidence_pb2.Samples())
    kept = ring.unsent()
    assert [m.samples.seq for m in kept] == [8, 9, 10]
    assert {m.samples.dropped_total for m in kept} == {7}
    assert len(ring) == 3

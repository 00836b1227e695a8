"""How fast a host is read: a burst, then so much a second, over all its streams."""

from chainwatch.v1 import evidence_pb2, ingest_service_pb2
from chainwatch_collector.receive.pace import Pace, Paces, points_of

Message = ingest_service_pb2.AgentMessage


def points(**body: object) -> float:
    message = Message(**body)  # type: ignore[arg-type]
    return points_of(message, message.ByteSize())


def test_lines_are_free_and_the_rest_costs_by_its_size() -> None:
    lines = evidence_pb2.Slices(skipped_bytes=[0], size_bytes=[200_000], data=b"x" * 200_000)
    assert points(span=evidence_pb2.Span(slices=lines)) < 1.1
    many = evidence_pb2.Slices(skipped_bytes=[1] * 12_800, size_bytes=[2] * 12_800, data=b"x\n" * 12_800)
    assert points(span=evidence_pb2.Span(slices=many)) == 101
    assert points() == 1
    assert points(gap=evidence_pb2.Gap()) > 5
    assert points(status=evidence_pb2.Status(problems=["x" * 1000] * 100)) > 90
    # Sixteen lines that were asked for, each in a reply of its own.
    assert 16 * points(evidence_reply=ingest_service_pb2.EvidenceReply(request_id=1)) == 1


def test_a_burst_and_then_a_pause_that_is_worth_it() -> None:
    pace = Pace(per_second=100, burst=10, left=10, at=0.0)
    assert [pace.wait_seconds(1, 0.0) for _ in range(10)] == [0.0] * 10
    wait = pace.wait_seconds(1, 0.0)
    assert wait > 0.2
    spent = 0
    while not pace.wait_seconds(1, wait):
        spent += 1
    assert spent == 10
    assert pace.wait_seconds(400, wait) > 4


def test_it_is_told_once_in_a_minute() -> None:
    pace = Pace(1, 1, 1, 0.0)
    assert [pace.to_tell(at) for at in (0.0, 1.0, 59.0, 60.0, 61.0)] == [True, False, False, True, False]


def test_another_stream_is_no_other_allowance_and_hosts_are_forgotten() -> None:
    paces = Paces(1, 5, 2)
    first = paces.of("a", 0.0)
    assert paces.of("a", 1.0) is first
    paces.of("b", 2.0)
    paces.of("c", 3.0)
    assert paces.of("a", 4.0) is not first


def test_it_lasts_when_there_is_no_minute_without_a_wait() -> None:
    pace = Pace(per_second=1, burst=1, left=1, at=0.0)
    assert not pace.lasts(0.0)
    for at in range(0, 331, 30):
        pace.wait_seconds(40, float(at))
    assert [pace.lasts(at) for at in (299.0, 300.0)] == [False, True]
    # What was owed is long since paid, and a minute went by.
    pace.wait_seconds(1000, 2000.0)
    assert not pace.lasts(2000.0)

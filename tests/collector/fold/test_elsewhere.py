"""What agents tell another collector is found, once, and what this one heard itself is not told again."""

from chainwatch.v1 import evidence_pb2
from chainwatch_collector.fold.elsewhere import Elsewhere, Told
from chainwatch_collector.keep.rows import to_us
from chainwatch_collector.keep.tables import HOSTS, SAMPLES, STATUSES
from chainwatch_collector.track.observations import ProcessesObserved, StatusObserved
from collector.fold.evidence import HOSTS_KNOWN, NOW, Source, troubled
from collector.keep.conftest import Store
from sqlalchemy import Connection, delete, insert, update

NOBODY: frozenset[str] = frozenset()


def tell(connection: Connection, seq: int) -> None:
    """The host's agent sends a status and a sample to some collector."""
    at_us = to_us(NOW) + seq
    row = {"host_id": 1, "agent_epoch": "7", "seq": seq, "at_us": at_us}
    connection.execute(delete(STATUSES))
    status = evidence_pb2.Status(at_us=at_us).SerializeToString()
    connection.execute(insert(STATUSES).values(**row, received_at_us=to_us(NOW), body=status))
    samples = evidence_pb2.Samples(at_us=at_us).SerializeToString()
    connection.execute(insert(SAMPLES).values(**row, body=samples))


def stream(connection: Connection, is_open: bool) -> None:
    connection.execute(update(HOSTS).values(stream_open=is_open))


def test_what_is_new_is_told_once(store: Store) -> None:
    store.writer.write(lambda c: Source(0, troubled()).grow(c, 1))
    store.writer.write(lambda c: tell(c, 1))
    other = Elsewhere()
    assert other.look(store.readers, NOBODY) == Told([], [])
    assert other.look(store.readers, NOBODY) == Told([], [])
    store.writer.write(lambda c: tell(c, 2))
    store.writer.write(lambda c: stream(c, True))
    told = other.look(store.readers, NOBODY)
    assert [type(one) for one in told.observations] == [ProcessesObserved, StatusObserved]
    assert {one.host_uuid for one in told.observations} == {HOSTS_KNOWN[0]}
    assert told.streams == [(HOSTS_KNOWN[0], True, NOW)]
    assert other.look(store.readers, NOBODY) == Told([], [])


def test_what_was_heard_here_is_not_told_again(store: Store) -> None:
    store.writer.write(lambda c: Source(0, troubled()).grow(c, 1))
    other = Elsewhere()
    other.look(store.readers, NOBODY)
    store.writer.write(lambda c: tell(c, 1))
    store.writer.write(lambda c: stream(c, True))
    assert other.look(store.readers, frozenset({HOSTS_KNOWN[0]})) == Told([], [])
    assert other.look(store.readers, NOBODY) == Told([], [])

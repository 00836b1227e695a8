"""What collectors ask of each other through the database: taken once, answered in time, and gone."""

from chainwatch_collector.keep.projection_tables import REQUESTS
from chainwatch_collector.keep.requests import (
    Due,
    Reply,
    add_request,
    answer_request,
    collect_reply,
    drop_expired,
    due_requests,
    end_request,
    request_state,
    take_requests,
)
from chainwatch_collector.keep.tables import HOSTS
from sqlalchemy import Connection, func, insert, select, text

from .conftest import Store

HOST = "6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a11"
OTHER = "b2c5c1d2-1f0e-4a53-8f6e-0c1d2e3f4a5b"


def register(connection: Connection, host_uuid: str = HOST, epoch: int = 3) -> None:
    connection.execute(insert(HOSTS).values(uuid=host_uuid, registered_at_us=1, stream_epoch=epoch, stream_open=True))


def ask(store: Store, seconds: float = 30.0, host_uuid: str = HOST) -> int | None:
    return store.writer.write(lambda c: add_request(c, "evidence", host_uuid, '{"log": "x"}', seconds))


def kept(store: Store) -> int:
    return store.readers.call(lambda c: c.execute(select(func.count()).select_from(REQUESTS)).scalar_one())


def due(store: Store) -> Due:
    return store.readers.call(lambda c: due_requests(c, "evidence"))


def test_a_request_is_taken_once_answered_and_gone(store: Store) -> None:
    store.writer.write(register)
    number = ask(store)
    assert number is not None
    assert due(store) == Due(frozenset({HOST}), False)
    (taken,) = store.writer.write(lambda c: take_requests(c, "evidence", {HOST: 3}))
    assert (taken.request_id, taken.target, taken.body) == (number, HOST, '{"log": "x"}')
    assert 0 < taken.seconds_left <= 30
    assert store.writer.write(lambda c: take_requests(c, "evidence", {HOST: 3})) == []
    assert due(store) == Due(frozenset(), False)
    assert store.writer.write(lambda c: collect_reply(c, number)) is None
    assert store.writer.write(lambda c: answer_request(c, number, Reply("done", b"\x00lines\xff")))
    assert store.readers.call(lambda c: request_state(c, number)) == "done"
    assert store.writer.write(lambda c: collect_reply(c, number)) == Reply("done", b"\x00lines\xff")
    assert kept(store) == 0
    assert store.readers.call(lambda c: request_state(c, number)) is None


def test_a_stream_that_was_superseded_takes_nothing(store: Store) -> None:
    store.writer.write(register)
    assert ask(store) is not None
    for held in ({}, {HOST: 2}, {OTHER: 3}):
        assert store.writer.write(lambda c, h=held: take_requests(c, "evidence", h)) == []  # type: ignore[misc]
    assert len(store.writer.write(lambda c: take_requests(c, "evidence", {HOST: 3}))) == 1


def test_one_request_of_a_host_at_a_time(store: Store) -> None:
    number = ask(store)
    assert number is not None
    assert ask(store) is None
    assert ask(store, host_uuid=OTHER) is not None
    store.writer.write(lambda c: end_request(c, number))
    assert ask(store) is not None


def test_what_came_too_late_is_not_kept(store: Store) -> None:
    """A reply is raw log lines: nobody waits, so it never reaches the table, and the row goes."""
    store.writer.write(register)
    number = ask(store, seconds=-1.0)
    assert number is not None
    assert due(store) == Due(frozenset(), True)
    assert store.writer.write(lambda c: take_requests(c, "evidence", {HOST: 3})) == []
    store.writer.write(lambda c: c.execute(REQUESTS.update().values(state="taken")))
    assert not store.writer.write(lambda c: answer_request(c, number, Reply("done", b"lines")))
    assert store.writer.write(drop_expired) == 1
    assert kept(store) == 0
    # One that expired is in nobody's way.
    assert ask(store, seconds=-1.0) is not None
    assert ask(store) is not None


def test_replies_are_not_in_the_write_ahead_log(store: Store) -> None:
    def persistence(connection: Connection) -> str:
        if connection.dialect.name == "sqlite":
            return "u"
        return str(connection.execute(text("SELECT relpersistence FROM pg_class WHERE relname = 'requests'")).scalar())

    assert store.readers.call(persistence) == "u"

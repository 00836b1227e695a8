"""The writer: durable when the future is done, urgent first, one bad unit takes no other with it."""

import threading
from collections.abc import Callable

import pytest
from chainwatch_collector.keep.engine import open_engine
from chainwatch_collector.keep.migrate import migrate
from chainwatch_collector.keep.tables import LOGS
from chainwatch_collector.keep.writer import (
    MAX_COST_PER_COMMIT,
    MAX_SHARED_COST,
    Priority,
    Writer,
    WriterBusyError,
    WriterClosedError,
)
from lab.databases import Database
from sqlalchemy import Connection, func, insert, select

from .conftest import Store


def add(path: str) -> Callable[[Connection], str]:
    def work(connection: Connection) -> str:
        connection.execute(insert(LOGS).values(path=path))
        return path

    return work


def paths(store: Store) -> list[str]:
    return store.readers.call(lambda c: sorted(c.execute(select(LOGS.c.path)).scalars()))


def test_what_is_done_is_there(store: Store) -> None:
    assert store.writer.write(add("/var/log/SMlog")) == "/var/log/SMlog"
    assert paths(store) == ["/var/log/SMlog"]


def test_a_failing_unit_takes_no_other_with_it(store: Store) -> None:
    gate = threading.Event()
    store.writer.submit(lambda _c: gate.wait(5), priority=Priority.EVIDENCE)

    def fail(connection: Connection) -> None:
        connection.execute(insert(LOGS).values(path="half"))
        raise ValueError("bad unit")

    before, bad, after = (store.writer.submit(unit) for unit in (add("a"), fail, add("b")))
    gate.set()
    assert (before.result(5), after.result(5)) == ("a", "b")
    with pytest.raises(ValueError, match="bad unit"):
        bad.result(5)
    assert paths(store) == ["a", "b"]


def test_urgent_units_come_first(store: Store) -> None:
    order: list[str] = []
    entered, gate = threading.Event(), threading.Event()

    def hold(_connection: Connection) -> None:
        entered.set()
        gate.wait(5)

    store.writer.submit(hold)
    entered.wait(5)

    def note(name: str) -> Callable[[Connection], None]:
        def work(_connection: Connection) -> None:
            order.append(name)

        return work

    units = (("tidy", Priority.HOUSEKEEPING), ("fold", Priority.PROJECTION), ("span", Priority.EVIDENCE))
    last = [store.writer.submit(note(name), priority=priority) for name, priority in units]
    gate.set()
    for future in last:
        future.result(5)
    assert order == ["span", "fold", "tidy"]


def test_who_writes_little_does_not_wait_for_all_who_write_much(store: Store) -> None:
    order: list[str] = []
    entered, gate = threading.Event(), threading.Event()

    def hold(_connection: Connection) -> None:
        entered.set()
        gate.wait(5)

    def note(name: str) -> Callable[[Connection], None]:
        return lambda _connection: order.append(name)

    store.writer.submit(hold)
    entered.wait(5)
    much = [
        store.writer.submit(note(f"{priority.name} {number}"), priority=priority, cost=MAX_SHARED_COST)
        for priority in (Priority.EVIDENCE, Priority.PROJECTION)
        for number in range(2)
    ]
    little = store.writer.submit(note("little"), priority=Priority.EVIDENCE, cost=1)
    assert store.writer.most_cost == MAX_SHARED_COST
    gate.set()
    for future in (*much, little):
        future.result(5)
    assert order == ["little", "EVIDENCE 0", "PROJECTION 0", "EVIDENCE 1", "PROJECTION 1"]


def test_without_them_a_commit_holds_much(store: Store) -> None:
    store.writer.write(lambda _connection: None, cost=5000)
    store.writer.submit(lambda _connection: None, cost=5, catching_up=True).result(5)
    assert store.writer.most_cost == MAX_COST_PER_COMMIT


def test_who_may_wait_shares_the_commit_of_who_may_not(store: Store) -> None:
    patient = [store.writer.submit(add(str(number)), within_seconds=600) for number in range(3)]
    store.writer.write(add("urgent"))
    assert [future.result(5) for future in patient] == ["0", "1", "2"]
    assert store.writer.counters.commits == 1
    later = store.writer.submit(add("later"), within_seconds=600)
    store.writer.hurry()
    assert later.result(5) == "later"
    assert store.writer.submit(add("soon"), within_seconds=0.01).result(5) == "soon"
    last = store.writer.submit(add("last"), within_seconds=600)
    store.writer.close()
    assert last.result(5) == "last"


def test_a_unit_that_nobody_wants_any_more_is_left_out(store: Store) -> None:
    unwanted = store.writer.submit(add("unwanted"), within_seconds=600)
    assert unwanted.cancel()
    store.writer.hurry()
    assert store.writer.write(add("wanted")) == "wanted"
    assert paths(store) == ["wanted"]


def test_the_queue_is_bounded_and_an_empty_one_takes_anything(database: Database) -> None:
    engine = open_engine(database.parsed)
    migrate(engine)
    writer = Writer(engine, max_weight=100)
    entered, gate = threading.Event(), threading.Event()

    def hold(_connection: Connection) -> None:
        entered.set()
        gate.wait(5)

    writer.submit(hold, weight=5000)
    entered.wait(5)
    writer.submit(lambda _c: None, weight=60)
    with pytest.raises(WriterBusyError, match="60 bytes wait"):
        writer.submit(lambda _c: None, weight=60)
    gate.set()
    writer.close()
    with pytest.raises(WriterClosedError):
        writer.submit(lambda _c: None)
    engine.dispose()


def test_closing_commits_what_waits(database: Database) -> None:
    engine = open_engine(database.parsed)
    migrate(engine)
    writer = Writer(engine)
    for number in range(200):
        writer.submit(add(str(number)))
    writer.close()
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(LOGS)).scalar() == 200
    assert writer.counters.commits < 200
    engine.dispose()

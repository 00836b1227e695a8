"""Pages of events: order, cursors, filters, texts."""

from datetime import UTC, datetime, timedelta

import pytest
from chainwatch_collector.keep.events import EventFilter, EventPlace, count_events, events_page
from chainwatch_collector.keep.folded import EventIn, FoldStep, Ownership
from chainwatch_collector.keep.lines import line_hash
from chainwatch_collector.keep.ownership import take_pool
from chainwatch_collector.keep.projections import commit_step
from chainwatch_collector.keep.store_lines import store_lines
from chainwatch_collector.keep.tables import FILES, HOSTS, LOGS
from collector.keep.conftest import Store
from sqlalchemy import Connection, insert

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
POOL = "9fdf2c9e-0000-4000-8000-000000000001"
SR, OTHER = "0a1b2c3d-1111-2222-3333-444455556666", "9f8e7d6c-1111-2222-3333-444455556666"


def fill(connection: Connection, count: int = 50) -> Ownership:
    """`count` lines of one host, one event each, two a second; every third on another SR, every fifth unknown."""
    connection.execute(insert(HOSTS).values(id=1, uuid="h" * 36, registered_at_us=1))
    connection.execute(insert(LOGS).values(id=1, path="/var/log/SMlog"))
    file = {"id": 7, "host_id": 1, "log_id": 1, "ordinal": 3, "fingerprint": b"f", "salt": 0, "born_on": NOW.date()}
    connection.execute(insert(FILES).values(**file))
    texts = [f"line {number} of Caf\u00e9" for number in range(count)]
    store_lines(connection, [(7, n * 100, line_hash(t.encode()), 0, t.encode()) for n, t in enumerate(texts)])
    ownership = take_pool(connection, POOL, "me", 60)
    assert ownership is not None
    events = [
        EventIn(
            file_id=7,
            offset=number * 100,
            host_id=1,
            at=NOW + timedelta(seconds=number // 2),
            kind="unknown" if number % 5 == 0 else "GcStarted",
            sr_uuid=OTHER if number % 3 == 0 else SR,
        )
        for number in range(count)
    ]
    commit_step(connection, ownership, FoldStep(1, events=events), NOW)
    return ownership


def offsets(store: Store, wanted: EventFilter, size: int) -> list[int]:
    """All pages, one after the other."""
    seen: list[int] = []
    after: EventPlace | None = None
    while True:
        page, after = store.readers.call(lambda c, after=after: events_page(c, wanted, size, after))  # type: ignore[misc]
        seen += [row.place.offset // 100 for row in page]
        if after is None:
            return seen


def add_host(connection: Connection, number: int, ownership: Ownership, seconds: float) -> None:
    """30 events of another host, its file's id ten times its number, one every so many seconds."""
    connection.execute(insert(HOSTS).values(id=number, uuid=str(number) * 36, registered_at_us=1))
    file = {"id": 10 * number, "host_id": number, "log_id": 1, "ordinal": 1, "fingerprint": b"g", "salt": number}
    connection.execute(insert(FILES).values(**file, born_on=NOW.date()))
    events = [EventIn(10 * number, n, number, NOW + timedelta(seconds=seconds * n), "GcStarted", SR) for n in range(30)]
    commit_step(connection, ownership, FoldStep(1, events=events), NOW)


@pytest.mark.parametrize("host_ids", [None, [2, 3], [3]])
@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("size", [1, 7, 200])
def test_hosts_are_merged_in_order_of_time(
    store: Store, size: int, ascending: bool, host_ids: list[int] | None
) -> None:
    def several(connection: Connection) -> None:
        ownership = fill(connection)
        add_host(connection, 2, ownership, 0.3)
        add_host(connection, 3, ownership, 5)

    store.writer.write(several)
    wanted = EventFilter(host_ids=host_ids, ascending=ascending)
    seen: list[EventPlace] = []
    after: EventPlace | None = None
    while not seen or after is not None:
        page, after = store.readers.call(lambda c, after=after: events_page(c, wanted, size, after))  # type: ignore[misc]
        seen += [row.place for row in page]
    assert len(seen) == (110 if host_ids is None else 30 * len(host_ids))
    assert seen == sorted(set(seen), reverse=not ascending)


@pytest.mark.parametrize("size", [1, 7, 50])
def test_pages_follow_each_other_without_loss_or_repetition(store: Store, size: int) -> None:
    store.writer.write(fill)
    assert offsets(store, EventFilter(), size) == list(range(49, -1, -1))
    assert offsets(store, EventFilter(ascending=True), size) == list(range(50))


def test_filters_join(store: Store) -> None:
    store.writer.write(fill)
    assert offsets(store, EventFilter(sr_uuid=OTHER, kind="unknown"), 10) == [45, 30, 15, 0]
    since = EventFilter(since=NOW + timedelta(seconds=24))
    assert offsets(store, since, 10) == [49, 48]
    assert offsets(store, EventFilter(kind="NeverSeen"), 10) == []
    assert offsets(store, EventFilter(host_ids=[]), 10) == []
    assert offsets(store, EventFilter(grep="LINE 4 of caf\u00c9"), 10) == [4]
    assert offsets(store, EventFilter(grep="line 1"), 3) == [19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 1]
    assert store.readers.call(lambda c: count_events(c, EventFilter(sr_uuid=OTHER))) == 17


def test_an_event_has_its_line_and_its_place(store: Store) -> None:
    store.writer.write(fill)
    (row,), _ = store.readers.call(lambda c: events_page(c, EventFilter(grep="line 12 "), 1))
    assert (row.log, row.ordinal, row.kind, row.sr_uuid) == ("/var/log/SMlog", 3, "GcStarted", OTHER)
    assert row.data == "line 12 of Caf\u00e9".encode()
    assert row.at == NOW + timedelta(seconds=6)


def test_the_same_line_is_one_event_and_the_newer_word_counts(store: Store) -> None:
    ownership = store.writer.write(fill)
    again = EventIn(7, 0, 1, NOW, "GcEnded", SR)
    store.writer.write(lambda c: commit_step(c, ownership, FoldStep(1, events=[again]), NOW))
    assert len(offsets(store, EventFilter(), 100)) == 50
    assert offsets(store, EventFilter(kind="GcEnded"), 10) == [0]

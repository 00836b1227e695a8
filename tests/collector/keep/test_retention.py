"""What is dropped, what stays, and that an agent that comes again stores nothing twice."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

from chainwatch_collector.keep.evidence import coverage
from chainwatch_collector.keep.folded import EventIn, FindingIn, FoldStep, HistoryIn, RunIn, TransitionIn
from chainwatch_collector.keep.housekeeper import Housekeeper
from chainwatch_collector.keep.projection_tables import AUDIT, EVENTS, FINDINGS, HISTORY, RUNS, TRANSITIONS
from chainwatch_collector.keep.projections import commit_step
from chainwatch_collector.keep.retention import Limits, alone, limits_at
from chainwatch_collector.keep.retention_plan import used_bytes
from chainwatch_collector.keep.rows import Cursor, to_us
from chainwatch_collector.keep.streams import POSITIONS_PER_LOG
from chainwatch_collector.keep.tables import COVERAGE, FILES, HOSTS, LATE_RANGES
from collector.keep.conftest import Store
from collector.keep.sending_host import NOW, SMLOG, SendingHost, line_starts, log_bytes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Table, func, insert, select

POOL = "9fdf2c9e-0000-4000-8000-000000000001"
DAY = timedelta(days=1)
LIMITS = limits_at(NOW, 30, 7, 400, 0)


def host_of(store: Store) -> SendingHost:
    host = SendingHost(store, str(uuid.uuid4()))
    host.hello()
    return host


def tidy(store: Store, limits: Limits = LIMITS) -> Counter[str]:
    return asyncio.run(Housekeeper(store.readers, store.writer, pause=0).tidy(limits))


def count(store: Store, table: Table) -> int:
    return store.readers.call(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one())


def send_days(host: SendingHost, days: int, lines: int = 40) -> list[bytes]:
    """A generation of the log a day, the last one today, folded to the end."""
    logs = [log_bytes(number, lines) for number in range(days)]
    for number, data in enumerate(logs):
        host.send(data, 0, len(data), NOW - (days - 1 - number) * DAY)
    ids = host.store.readers.call(lambda c: c.execute(select(FILES.c.id).order_by(FILES.c.ordinal)).scalars().all())
    events = [EventIn(file_id, 0, host.host_id, NOW, "GcStarted") for file_id in ids]
    host.folded(POOL, Cursor(days, len(logs[-1])), events)
    return logs


def test_evidence_goes_with_the_day_its_file_was_born(store: Store) -> None:
    host = host_of(store)
    logs = send_days(host, 33)
    gone = tidy(store)
    assert (gone["lines"], gone["events"], gone["files"]) == (2 * 40, 2, 0)
    assert [len(host.stored(data)) for data in logs] == [0, 0] + [40] * 31
    assert len(store.readers.call(lambda c: coverage(c, host.host_id, SMLOG))) == 31
    assert count(store, EVENTS) == 31
    assert tidy(store) == Counter()


def test_positions_stay_and_a_replay_is_not_stored_again(store: Store) -> None:
    host = host_of(store)
    logs = send_days(host, 32)
    tidy(store)
    positions = {one.ordinal: one.to_offset for one in host.hello().positions}
    assert positions == {number + 1: len(data) for number, data in enumerate(logs)}
    again = host.send(logs[0], 0, len(logs[0]))
    assert (again.refusal, again.lines_stored, again.acks[0].to_offset) == (None, 0, len(logs[0]))
    assert again.acks[0].reopen_salt == 0
    assert host.stored(logs[0]) == {}


def test_what_no_fold_has_read_stays_however_old_or_large(store: Store) -> None:
    host = host_of(store)
    data = log_bytes(1, 50)
    host.send(data, 0, len(data), NOW - 60 * DAY)
    assert tidy(store, LIMITS._replace(max_bytes=1)) == Counter()
    starts = line_starts(data)
    host.folded(POOL, Cursor(1, starts[20]))
    assert tidy(store, LIMITS._replace(max_bytes=1))["lines"] == 20
    assert list(host.stored(data)) == starts[20:]


def test_lines_that_came_late_stay_until_they_are_read(store: Store) -> None:
    host = host_of(store)
    old, new = log_bytes(1, 20), log_bytes(2, 20)
    starts = line_starts(old)
    host.send(old, 0, starts[15], NOW - 60 * DAY)
    host.send(new, 0, len(new), NOW - 60 * DAY)
    host.send(old, starts[15], len(old), NOW - 60 * DAY)
    host.folded(POOL, Cursor(2, len(new), 0))
    tidy(store)
    assert (list(host.stored(old)), host.stored(new)) == (starts[15:], {})
    host.folded(POOL, Cursor(2, len(new), 1))
    tidy(store)
    assert host.stored(old) == {}


def test_a_file_that_never_rotates_keeps_what_is_young(store: Store) -> None:
    host = host_of(store)
    data = log_bytes(1, 1400)
    starts = line_starts(data)
    for first, last, age in ((0, 600, 60), (600, 1300, 40), (1300, 1400, 1)):
        host.send(data, starts[first], starts[last] if last < 1400 else len(data), NOW - age * DAY)
    host.folded(POOL, Cursor(1, len(data)))
    assert tidy(store)["lines"] == 1300
    assert list(host.stored(data)) == starts[1300:]
    (kept,) = store.readers.call(lambda c: coverage(c, host.host_id, SMLOG))
    assert (kept.from_offset, kept.to_offset) == (starts[1300], len(data))
    more = data + log_bytes(9, 10)
    host.send(more, len(data), len(more))
    assert len(host.stored(more)) == 110


def test_the_cap_takes_the_oldest_evidence_and_nothing_else(store: Store) -> None:
    host = host_of(store)
    logs = send_days(host, 12, lines=800)
    ownership = host.folded(POOL, Cursor(12, len(logs[-1])))
    finding = FindingIn("f", NOW - DAY, NOW, None, "GC_STUCK", "error", "s", {})
    store.writer.write(lambda c: commit_step(c, ownership, FoldStep(3, findings=[finding]), NOW))
    cap = store.readers.call(used_bytes) - sum(len(data) for data in logs) // 2
    gone = tidy(store, LIMITS._replace(max_bytes=cap))
    assert store.readers.call(used_bytes) <= cap
    kept = [len(host.stored(data)) for data in logs]
    assert kept == sorted(kept)
    assert 0 < sum(kept) < 12 * 800
    assert gone["lines"] == 12 * 800 - sum(kept)
    assert gone.keys() <= {"lines", "events"}
    assert count(store, FINDINGS) == 1


def test_a_host_that_floods_the_database_pushes_out_its_own_lines(store: Store) -> None:
    quiet, loud = host_of(store), host_of(store)
    old = send_days(quiet, 12, lines=100)
    flood = log_bytes(99, 20_000)
    loud.send(flood, 0, len(flood))
    loud.folded(POOL, Cursor(1, len(flood)))
    cap = store.readers.call(used_bytes) - len(flood) // 3
    gone = tidy(store, LIMITS._replace(max_bytes=cap))
    assert store.readers.call(used_bytes) <= cap
    assert [len(quiet.stored(data)) for data in old] == [100] * 12
    assert gone["lines"] == 20_000 - len(loud.stored(flood)) > 0


def test_runs_findings_and_audit_are_history(store: Store) -> None:
    host = host_of(store)
    ownership = host.folded(POOL, Cursor(0, 0))
    old, young = NOW - 401 * DAY, NOW - 399 * DAY
    step = FoldStep(
        3,
        runs=[RunIn(host.host_id, 1, n, "", at, at, "worked", {}) for n, at in enumerate((old, young))],
        findings=[
            FindingIn("a", old, old, old, "GC_STUCK", "error", "s", {}),
            FindingIn("a", young, young, young, "GC_STUCK", "error", "s", {}),
            FindingIn("open", old, NOW, None, "GC_STUCK", "error", "s", {}),
        ],
        transitions=[TransitionIn(at, "a", "GC_STUCK", "s", "raised", {}) for at in (old, young)],
        history=[HistoryIn("s", at, "depth_max", 1.0, width) for at in (old, young) for width in (0, 3600, 86_400)],
    )
    store.writer.write(lambda c: commit_step(c, ownership, step, NOW))
    entry = {"who": "me", "what": "mute", "subject": "s", "outcome": "ok"}
    audit = [entry | {"at_us": to_us(at)} for at in (old, young)]
    store.writer.write(lambda c: c.execute(insert(AUDIT), audit) and None)
    gone = tidy(store)
    assert gone == {"runs": 1, "findings": 1, "transitions": 1, "audit": 1, "history": 4}
    assert [count(store, table) for table in (RUNS, FINDINGS, TRANSITIONS, AUDIT, HISTORY)] == [1, 2, 1, 1, 2]


def test_many_rows_go_in_small_units(store: Store) -> None:
    host = host_of(store)
    ownership = host.folded(POOL, Cursor(0, 0))
    history = [HistoryIn("s", NOW - (8 + n / 1000) * DAY, "depth_max", 1.0) for n in range(1200)]
    store.writer.write(lambda c: commit_step(c, ownership, FoldStep(3, history=history), NOW))
    before = store.writer.counters.units
    assert tidy(store) == {"history": 1200}
    assert store.writer.counters.units - before >= 3


def test_rows_of_files_go_with_the_history_but_for_the_newest(store: Store) -> None:
    host = host_of(store)
    logs = [log_bytes(number, 3) for number in range(POSITIONS_PER_LOG + 3)]
    for data in logs:
        host.send(data, 0, len(data), NOW - 500 * DAY)
    host.folded(POOL, Cursor(len(logs), len(logs[-1])))
    assert tidy(store) == {"lines": 3 * len(logs), "files": 3}
    positions = host.hello().positions
    assert [one.ordinal for one in positions] == list(range(4, len(logs) + 1))
    assert (count(store, COVERAGE), count(store, LATE_RANGES)) == (0, 0)
    again = host.send(logs[-1], 0, len(logs[-1]))
    assert (again.refusal, again.lines_stored) == (None, 0)


def test_space_is_used_again(store: Store) -> None:
    host = host_of(store)
    pages = []
    for number in range(3):
        data = log_bytes(number, 4000)
        host.send(data, 0, len(data), NOW - 40 * DAY)
        host.folded(POOL, Cursor(number + 1, len(data)))
        assert tidy(store)["lines"] == 4000
        pages.append(store.readers.call(_pages))
    assert pages[-1] <= pages[0] * 1.1


def _pages(connection: Connection) -> int:
    """Of the whole file on SQLite, also the free ones; PostgreSQL's tables wait for its autovacuum."""
    if connection.dialect.name != "sqlite":
        return 0
    return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_after_retention_a_replay_stores_nothing_twice_and_nothing_young_is_lost(
    store: Store, data: st.DataObject
) -> None:
    """A host sends generations over 60 days, a fold reads up to somewhere, what is old or too much is dropped, and the
    agent begins again at the very first byte.
    """
    host = host_of(store)
    logs = [log_bytes(number, data.draw(st.integers(2, 30))) for number in range(data.draw(st.integers(1, 4)))]
    born: dict[int, datetime] = {}
    read_at: dict[tuple[int, int], datetime] = {}
    age = 60.0
    for number, log in enumerate(logs):
        starts = [*line_starts(log), len(log)]
        born[number] = NOW - age * DAY
        cuts = sorted({len(log), *data.draw(st.lists(st.sampled_from(starts[1:]), max_size=3))})
        for start, end in pairwise([0, *cuts]):
            host.send(log, start, end, NOW - age * DAY)
            read_at |= {(number, offset): NOW - age * DAY for offset in starts if start <= offset < end}
            age = max(0.0, age - data.draw(st.sampled_from([0, 1, 14, 29])))
    ordinal = data.draw(st.integers(1, len(logs)))
    reached = data.draw(st.sampled_from([*line_starts(logs[ordinal - 1]), len(logs[ordinal - 1])]))
    pool = str(uuid.uuid4())
    host.folded(pool, Cursor(ordinal, reached))
    cap = data.draw(st.sampled_from([0, 0, 1]))
    tidy(store, LIMITS._replace(max_bytes=cap))
    kept = {number: host.stored(log) for number, log in enumerate(logs)}
    host.hello()
    for log in logs:
        again = host.send(log, 0, len(log))
        assert (again.refusal, again.lines_stored, again.acks[0].reopen_salt) == (None, 0, 0)
    for number, log in enumerate(logs):
        lines = dict(zip(line_starts(log), log.split(b"\n"), strict=False))
        assert host.stored(log) == kept[number]
        assert kept[number].items() <= lines.items()
        unread = {at for at in lines if (number + 1, at) >= (ordinal, reached)}
        before = LIMITS.evidence_before
        young = {at for at in lines if read_at[number, at] >= before or born[number].date() >= before.date()}
        assert unread <= kept[number].keys()
        assert cap or young <= kept[number].keys()
        assert kept[number].keys() <= unread | (young if not cap else set())


def test_two_collectors_do_not_tidy_up_at_once_and_nobody_waits_for_a_host_that_is_committing(store: Store) -> None:
    host = host_of(store)
    data = log_bytes(1, 10)
    host.send(data, 0, len(data), NOW - 60 * DAY)
    host.folded(POOL, Cursor(1, len(data)))
    if store.readers.call(lambda c: c.dialect.name) == "postgresql":
        with store.writer._engine.connect() as another:
            assert alone(another)
            assert tidy(store) == Counter()
            another.rollback()
            another.execute(select(HOSTS.c.id).where(HOSTS.c.id == host.host_id).with_for_update())
            assert tidy(store) == Counter()
            another.rollback()
    assert tidy(store) == {"lines": 10}

"""Read, track, judge, commit: the same result however the evidence comes, and whatever is cut off in between."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from chainwatch_collector.fold.assignment import UNASSIGNED
from chainwatch_collector.fold.loading import FoldStore
from chainwatch_collector.fold.pool_driver import FoldSettings, PoolDriver
from chainwatch_collector.fold.pool_fold import Judged
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.keep.engine import open_engine
from chainwatch_collector.keep.evidence import hosts
from chainwatch_collector.keep.migrate import migrate
from chainwatch_collector.keep.ownership import take_pool
from chainwatch_collector.keep.projection_tables import FOLDS
from chainwatch_collector.keep.projections import fold_versions, newest_answer
from chainwatch_collector.keep.readers import Readers
from chainwatch_collector.keep.writer import Writer
from chainwatch_collector.track.observations import Revocation, TrustSeen
from collector.fold.evidence import HOSTS_KNOWN, NOW, Made, Source, declare_gap, made, text, troubled
from collector.keep.conftest import Store
from lab.databases import Database
from smlog import Smlog
from sqlalchemy import update

CLOCK = NOW + timedelta(minutes=1)


def driver_of(store: Store, owner: str = "me", version: int = 1, slice_seconds: float = 60.0) -> PoolDriver:
    """A driver that judges and commits whenever it may."""
    settings = FoldSettings(
        owner, version, judge_every=0.0, judge_gap=0.0, retry=0.0, commit_gap=0.0, slice=slice_seconds
    )
    return PoolDriver(UNASSIGNED, FoldStore(store.readers, store.writer, lambda: CLOCK), settings, Thresholds())


def turn(store: Store, driver: PoolDriver, *, times: int = 1) -> Judged | None:
    """Tell it of every host's evidence, and let it work."""
    rows = store.readers.call(hosts)
    driver.set_hosts(rows, settled=True)
    judged = None
    for _ in range(times):
        for row in rows:
            driver.evidence(row.host_id)
        judged = driver.turn(CLOCK) or judged
        assert driver.problem == ""
    return judged


def grow(store: Store, source: Source, size: int = 1 << 30) -> None:
    store.writer.write(lambda c: source.grow(c, size))


def whole(store: Store) -> Made:
    return store.readers.call(made)


def still_open(there: Made) -> set[tuple[str, str]]:
    """(id, severity). Since when depends on whether somebody looked between a healing and the next failure."""
    return {(finding, severity) for finding, _, severity, cleared in there.findings if not cleared}


def sources() -> list[Source]:
    daemon = Smlog(now=NOW - timedelta(minutes=29))
    daemon.raw("systemd: Started Garbage Collector for SR 0a1b2c3d-1111-2222-3333-444455556666.")
    return [Source(0, troubled()), Source(1, troubled("xcp2")), Source(0, text(daemon), "/var/log/daemon.log")]


@pytest.fixture
def expected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """What one fold makes of everything at once."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('expected') / 'db'}")
    with fresh(database) as store:
        for source in sources():
            grow(store, source)
        turn(store, driver_of(store))
        yield whole(store)


@contextmanager
def fresh(database: Database) -> Iterator[Store]:
    """A migrated store of its own, opened again where it was there before."""
    engine = open_engine(database.parsed)
    migrate(engine)
    writer = Writer(engine, retry_seconds=1)
    readers = Readers(open_engine(database.parsed, read_only=True, pool_size=2), threads=1)
    yield Store(writer, readers)
    writer.close()
    readers.close()
    engine.dispose()


def test_what_is_judged_is_what_is_stored(store: Store) -> None:
    grow(store, sources()[0])
    judged = turn(store, driver_of(store))
    assert judged is not None
    assert {finding.code for finding in judged.answer.findings} >= {"GC_CRASHED"}
    there = whole(store)
    assert {row[0] for row in there.findings} == {finding.id for finding in judged.answer.findings}
    assert {change for _, change in there.transitions} == {"raised"}
    assert len(there.runs) == 7
    kinds = {row[-1] for row in there.events}
    assert {"GcStarted", "MergeStarted", "MergeEnded", "unknown"} <= kinds
    stored = store.readers.call(lambda c: newest_answer(c, UNASSIGNED))
    assert stored is not None
    assert [one["code"] for one in stored[0]["findings"]] == [one.code for one in judged.answer.findings]


@pytest.mark.parametrize("seed", range(4))
def test_in_any_pieces_over_any_restarts_the_result_is_the_same(
    store: Store, expected: Made, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(seed)
    growing, driver = sources(), driver_of(store)
    while any(source.left for source in growing):
        grow(store, chance.choice(growing), chance.choice([1, 300, 3000]))
        if chance.random() < 0.4:
            turn(store, driver)
        if chance.random() < 0.2:
            # kill -9: the next one knows only what was committed.
            driver = driver_of(store)
    turn(store, driver, times=2)
    there = whole(store)
    assert "from the beginning" not in caplog.text
    assert there.events == expected.events
    assert there.runs == expected.runs
    assert still_open(there) == still_open(expected)
    changes = [finding for finding, change in there.transitions if change in ("raised", "cleared")]
    for finding in set(changes):
        told = [change for one, change in there.transitions if one == finding]
        assert told.count("raised") - told.count("cleared") in (0, 1)


def test_a_step_that_could_not_be_committed_is_made_again(database: Database, expected: Made) -> None:
    with fresh(database) as store:
        growing = sources()
        for source in growing:
            grow(store, source, 4000)
        driver = driver_of(store)
        turn(store, driver)
        for source in growing:
            grow(store, source)
        before = whole(store)
        store.writer.close()
        driver.evidence(1)
        assert driver.turn(CLOCK) is None
        assert "shutting down" in driver.problem
        assert whole(store) == before
    with fresh(database) as store:
        turn(store, driver_of(store))
        assert whole(store).events == expected.events
        assert whole(store).runs == expected.runs


def test_another_version_is_built_beside_with_the_same_result(store: Store, expected: Made) -> None:
    for source in sources():
        grow(store, source)
    first = turn(store, driver_of(store))
    second = turn(store, driver_of(store, version=2))
    assert first is not None
    assert second is not None
    assert second.answer == first.answer
    assert whole(store) == expected
    assert store.readers.call(lambda c: fold_versions(c, UNASSIGNED)) == [2]


def test_while_it_is_built_anew_the_stored_answer_is_shown_and_nobody_judges(store: Store, expected: Made) -> None:
    for source in sources():
        grow(store, source)
    first = turn(store, driver_of(store))
    assert first is not None
    builder = driver_of(store, version=2, slice_seconds=0.0)
    shown = turn(store, builder)
    assert shown is not None
    assert (shown.state, shown.answer) == (None, first.answer)
    assert store.readers.call(lambda c: fold_versions(c, UNASSIGNED)) == [1, 2]
    # The builder is killed on the way; the next one goes on from there.
    done = turn(store, driver_of(store, version=2, slice_seconds=0.0), times=4)
    assert done is not None
    assert done.state is not None
    assert done.answer == first.answer
    assert whole(store) == expected
    assert store.readers.call(lambda c: fold_versions(c, UNASSIGNED)) == [2]


def test_a_damaged_reader_is_made_anew(store: Store, expected: Made) -> None:
    for source in sources():
        grow(store, source)
    turn(store, driver_of(store))
    store.writer.write(lambda c: c.execute(update(FOLDS).values(reader=b"CWR\0\0\0\1rubbish")) and None)
    turn(store, driver_of(store))
    assert whole(store) == expected


def test_a_pool_that_another_collector_owns_is_shown_not_written(store: Store) -> None:
    source = sources()[0]
    grow(store, source, 8000)
    mine = driver_of(store)
    assert turn(store, mine) is not None
    other = driver_of(store, owner="other")
    shown = turn(store, other)
    assert shown is not None
    assert shown.state is None
    grow(store, source)
    mine.close()
    assert turn(store, other, times=2) is not None
    before = whole(store)
    # The first one is late: its lease is gone, and what it has in memory with it.
    store.writer.write(lambda c: take_pool(c, UNASSIGNED, "other", 60))
    mine.evidence(1)
    mine.turn(CLOCK)
    assert "owned by other" in mine.problem
    assert whole(store) == before


def test_a_host_that_leaves_takes_its_facts_along(store: Store) -> None:
    growing = sources()
    for source in growing:
        grow(store, source)
    driver = driver_of(store)
    turn(store, driver)
    rows = store.readers.call(hosts)
    driver.set_hosts(rows[1:], settled=True)
    judged = driver.turn(CLOCK)
    assert judged is not None
    assert judged.state is not None
    assert set(judged.state.hosts) == {rows[1].uuid}


def test_a_gap_lies_where_it_was_declared(store: Store) -> None:
    log = Smlog(now=NOW - timedelta(minutes=20))
    log.start(100).chain(100).inner_start(100).copy(101)
    first = Source(0, text(log))
    log = Smlog(now=NOW - timedelta(minutes=5))
    log.start(200).chain(200).finish(200)
    second = Source(0, text(log), ordinal=2)
    grow(store, first)
    driver = driver_of(store)
    turn(store, driver)
    store.writer.write(lambda c: declare_gap(c, first, second, 5000))
    grow(store, second)
    judged = turn(store, driver)
    assert judged is not None
    assert judged.state is not None
    (host,) = judged.state.hosts.values()
    assert host.lost_bytes == 5000
    assert host.coverage is not None
    assert host.coverage.since == NOW - timedelta(minutes=5)
    again = turn(store, driver_of(store))
    assert again is not None
    assert again.state is not None
    (after_restart,) = again.state.hosts.values()
    assert after_restart.coverage == host.coverage
    assert after_restart.lost_bytes == 5000


def test_what_is_known_of_identities_is_told_to_every_fold_that_is_loaded(database: Database) -> None:
    with fresh(database) as store:
        grow(store, sources()[0])
        driver = driver_of(store)
        driver.trusted(TrustSeen(revoked={HOSTS_KNOWN[0]: Revocation(at=CLOCK, by="anna")}))
        judged = turn(store, driver)
        assert judged is not None
        assert judged.state is not None
        assert judged.state.hosts[HOSTS_KNOWN[0]].revoked == Revocation(at=CLOCK, by="anna")
        driver.trusted(TrustSeen())
        judged = turn(store, driver)
        assert judged is not None
        assert judged.state is not None
        assert judged.state.hosts[HOSTS_KNOWN[0]].revoked is None

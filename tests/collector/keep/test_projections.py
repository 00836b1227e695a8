"""What a fold's step leaves behind."""

from datetime import UTC, datetime, timedelta

import pytest
from chainwatch_collector.keep.folded import FoldedHost, FoldStep, NotOwnerError, Ownership, RunGone, RunIn
from chainwatch_collector.keep.ownership import take_pool
from chainwatch_collector.keep.projections import (
    commit_step,
    fold_versions,
    forget_version,
    load_fold,
    newest_answer,
    pools_of_hosts,
    runs_between,
)
from chainwatch_collector.keep.rows import Cursor
from chainwatch_collector.keep.tables import HOSTS
from collector.keep.conftest import Store
from sqlalchemy import insert

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
POOL = "9fdf2c9e-0000-4000-8000-000000000001"


def owned(store: Store) -> Ownership:
    store.writer.write(lambda c: c.execute(insert(HOSTS).values(id=1, uuid="h" * 36, registered_at_us=1)) and None)
    ownership = store.writer.write(lambda c: take_pool(c, POOL, "me", 60))
    assert ownership is not None
    return ownership


def commit(store: Store, ownership: Ownership, step: FoldStep, at: datetime = NOW) -> None:
    store.writer.write(lambda c: commit_step(c, ownership, step, at))


def run(offset: int) -> RunIn:
    return RunIn(1, 1, offset, "", NOW, None, "running", {"pid": offset})


def test_state_and_answer_are_written_apart(store: Store) -> None:
    ownership = owned(store)
    commit(store, ownership, FoldStep(3, state=b"one"))
    commit(store, ownership, FoldStep(3, answer={"findings": []}))
    commit(store, ownership, FoldStep(3, state=b"two"))
    stored = store.readers.call(lambda c: load_fold(c, POOL, 3))
    assert (stored.state, stored.answer) == (b"two", {"findings": []})


def test_the_newest_answer_answers_while_another_version_is_built(store: Store) -> None:
    ownership = owned(store)
    host = FoldedHost(1, {"/var/log/SMlog": Cursor(1, 2, 3)}, 4, b"reader")
    commit(store, ownership, FoldStep(3, hosts=[host], state=b"one", answer={"old": 1}))
    commit(store, ownership, FoldStep(4, hosts=[host], state=b"two"), NOW + timedelta(seconds=1))
    assert store.readers.call(lambda c: newest_answer(c, POOL)) == ({"old": 1}, NOW)
    assert store.readers.call(lambda c: fold_versions(c, POOL)) == [3, 4]
    assert store.readers.call(pools_of_hosts) == {1: POOL}
    store.writer.write(lambda c: forget_version(c, ownership, 3))
    assert store.readers.call(lambda c: fold_versions(c, POOL)) == [4]
    assert store.readers.call(lambda c: load_fold(c, POOL, 4)).hosts == {1: host}


def test_a_run_that_was_another_ones_beginning_goes(store: Store) -> None:
    ownership = owned(store)
    commit(store, ownership, FoldStep(3, runs=[run(10), run(20)]))
    commit(store, ownership, FoldStep(3, runs=[run(5)], runs_gone=[RunGone(1, 1, 10)]))
    found = store.readers.call(lambda c: runs_between(c, NOW, NOW + timedelta(seconds=1)))
    assert sorted(one.offset for one in found) == [5, 20]


def test_a_step_of_who_is_not_the_owner_writes_nothing(store: Store) -> None:
    ownership = owned(store)
    with pytest.raises(NotOwnerError, match="owned by me in term 1, not by me"):
        commit(store, ownership._replace(term=0), FoldStep(3, runs=[run(1)], state=b"one"))
    assert store.readers.call(lambda c: load_fold(c, POOL, 3)).state is None

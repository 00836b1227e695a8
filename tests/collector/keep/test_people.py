"""Mutes end when they should; the audit log keeps everything."""

from datetime import UTC, datetime, timedelta

from chainwatch_collector.keep.people import (
    AuditIn,
    MuteIn,
    add_audit,
    add_mute,
    audit_since,
    end_mute,
    lift_mutes,
    mutes_in_force,
)
from collector.keep.conftest import Store

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
POOL, OTHER_POOL = "9fdf2c9e-0000-4000-8000-000000000001", "9fdf2c9e-0000-4000-8000-000000000002"


def mute(subject: str | None, *, sticky: bool = False, pool: str | None = POOL, code: str = "SR_FULL") -> MuteIn:
    return MuteIn(pool, code, subject, "nfs", NOW, NOW + timedelta(hours=1), "ana", "known", sticky)


def in_force(store: Store, at: datetime = NOW) -> list[MuteIn]:
    return [row.mute for row in store.readers.call(lambda c: mutes_in_force(c, at))]


def test_a_mute_is_kept_as_given_and_ends_by_itself(store: Store) -> None:
    store.writer.write(lambda c: add_mute(c, mute("sr-1")))
    assert in_force(store) == [mute("sr-1")]
    assert in_force(store, NOW + timedelta(hours=1)) == []


def test_a_mute_is_ended_once(store: Store) -> None:
    number = store.writer.write(lambda c: add_mute(c, mute("sr-1")))
    assert store.writer.write(lambda c: end_mute(c, number, NOW))
    assert not store.writer.write(lambda c: end_mute(c, number, NOW))
    assert in_force(store) == []


def test_a_finding_that_changed_lifts_its_own_mutes_alone(store: Store) -> None:
    others = [
        mute("sr-1", sticky=True),
        mute(None),
        mute("sr-2"),
        mute("sr-1", pool=OTHER_POOL),
        mute("sr-1", code="GC_STUCK"),
    ]
    for one in [mute("sr-1"), mute("sr-1", pool=None), *others]:
        store.writer.write(lambda c, one=one: add_mute(c, one))  # type: ignore[misc]
    assert store.writer.write(lambda c: lift_mutes(c, POOL, "SR_FULL", "sr-1", NOW)) == 2
    assert in_force(store) == others


def test_the_audit_log_is_newest_first(store: Store) -> None:
    entries = [
        AuditIn(NOW + timedelta(seconds=n), "ana", "mute", "nfs", POOL if n % 2 else None, "done", f"{n}")
        for n in range(4)
    ]
    for entry in entries:
        store.writer.write(lambda c, entry=entry: add_audit(c, entry))  # type: ignore[misc]
    assert store.readers.call(lambda c: audit_since(c, NOW, 3)) == entries[:0:-1]


def test_of_some_pools_only_what_is_theirs_counts_for_the_limit(store: Store) -> None:
    entries = [AuditIn(NOW, "ana", "mute", "nfs", pool, "done", "") for pool in (POOL, None, OTHER_POOL, None, None)]
    for entry in entries:
        store.writer.write(lambda c, entry=entry: add_audit(c, entry))  # type: ignore[misc]

    def found(*pools: str) -> list[str | None]:
        return [one.pool_uuid for one in store.readers.call(lambda c: audit_since(c, NOW, 2, pools=pools))]

    assert found(POOL) == [POOL]
    assert found(POOL, OTHER_POOL) == [OTHER_POOL, POOL]
    assert found() == []

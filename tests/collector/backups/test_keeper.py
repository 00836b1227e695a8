"""What a pool's fold remembers survives a restart by way of the database's rows, and is bounded."""

from datetime import timedelta
from pathlib import Path

from chainwatch_collector.backups.history import CYCLE, CYCLES_KEPT, HOUR, Series
from chainwatch_collector.backups.keeper import BackupsKeeper, chain_depths, cycles_of
from chainwatch_collector.backups.news import BackupNews
from chainwatch_collector.backups.seen import CycleSeen, JobSeen
from chainwatch_collector.fold.history import samples
from chainwatch_collector.keep.engine import open_engine, sqlite_url
from chainwatch_collector.keep.folded import FoldStep, HistoryIn, Ownership
from chainwatch_collector.keep.history import DAY_SECONDS, HOUR_SECONDS, days_of_pool, hours_and_newest
from chainwatch_collector.keep.migrate import migrate
from chainwatch_collector.keep.ownership import take_pool
from chainwatch_collector.keep.projections import commit_step, history_between
from collector.judge.scene import POOL_UUID, SR_REF, START, TIB, Scene, a_picture, a_vbd, a_vm, an_sr, disk, quiet_pool
from smlog import SR, A, B, C

DAY = timedelta(days=1)


def days(scene: Scene, keeper: BackupsKeeper, count: int) -> list[HistoryIn]:
    """The SR fills by 2 % a day; looked at every six hours. The rows to be stored."""
    rows: list[HistoryIn] = []
    for _ in range(4 * count):
        scene.now += timedelta(hours=6)
        used = int(TIB * (0.3 + 0.02 * (scene.now - START) / DAY))
        scene.seen(srs={SR_REF: an_sr(physical_utilisation_bytes=used)}).look()
        assert scene.last is not None
        state = scene.tracker.state(scene.now)
        sampled = samples(scene.last.answer.srs, scene.now)
        rows += [*sampled, *keeper.sample(state, sampled, scene.now)]
    return rows


def test_days_come_back_from_the_database_as_they_were(tmp_path: Path) -> None:
    keeper = BackupsKeeper()
    rows = days(quiet_pool(), keeper, 8)
    engine = open_engine(sqlite_url(tmp_path / "c.db"))
    migrate(engine)
    with engine.begin() as connection:
        owner = take_pool(connection, POOL_UUID, "me", 60)
        assert isinstance(owner, Ownership)
        commit_step(connection, owner, FoldStep(version=1, history=rows), START)
    with engine.begin() as connection:
        stored = cycles_of(days_of_pool(connection, POOL_UUID, START - DAY))
        hours = history_between(connection, SR, START, START + 9 * DAY, HOUR_SECONDS)
        shown = hours_and_newest(connection, SR, START, START + 9 * DAY)
        other = days_of_pool(connection, "another pool", START - DAY)
    engine.dispose()
    assert other == []
    assert shown[: len(hours)] == hours
    newest = shown[len(hours) :]
    assert newest
    assert min(row.at for row in newest) == max(row.at for row in hours) + HOUR * 6
    assert {row.resolution_seconds for row in rows} == {0, HOUR_SECONDS, DAY_SECONDS}
    assert {row.name for row in hours} >= {"free_ratio", "free_ratio.least", "free_ratio.most"}
    key = (SR, "free_ratio")
    assert stored[key].buckets[:-1] == keeper.cycles[key].buckets[:-1]
    assert stored[key].complete(START + 8 * DAY) == keeper.cycles[key].complete(START + 8 * DAY)


def test_the_least_and_the_most_of_a_day_are_kept() -> None:
    series = Series()
    assert [series.add(START + timedelta(hours=n), value) for n, value in enumerate((3.0, 9.0, 1.0, 2.0, 2.0))] == [
        True,
        True,
        True,
        True,
        False,
    ]
    (bucket,) = series.buckets
    assert (bucket.least, bucket.most, bucket.last) == (1.0, 9.0, 2.0)


def test_what_was_not_seen_whole_or_lies_before_a_hole_is_not_counted() -> None:
    series = Series()
    for day in (0, 1, 2, 4, 5, 6):
        series.add(START + day * DAY, float(day))
    assert [bucket.last for bucket in series.complete(START + 7 * DAY)] == [5.0, 6.0]
    assert series.complete(START + 9 * DAY) == []


def test_a_series_is_bounded_and_goes_with_its_subject() -> None:
    series = Series(HOUR)
    for hour in range(500):
        series.add(START + hour * HOUR, 1.0)
    assert len(series.buckets) == CYCLES_KEPT
    keeper, scene = BackupsKeeper(), quiet_pool()
    days(scene, keeper, 1)
    assert (SR, "free_ratio") in keeper.cycles
    scene.seen(srs={}, vdis_by_sr={}).look()
    keeper.sample(scene.tracker.state(scene.now), [], scene.now)
    assert keeper.cycles == {}


def test_only_long_chains_of_disks_have_a_history() -> None:
    uuids = [f"{number:08x}-0000-4000-8000-00000000000a" for number in range(4)]
    parents = [None, *uuids]
    long = (*(disk(u, p, hidden=True) for u, p in zip(uuids, parents, strict=False)), disk(C, uuids[-1]))
    scene = Scene(a_picture((*long, disk(A, hidden=True), disk(B, A))))
    scene.look()
    forest = scene.tracker.state(scene.now).srs[SR].forest
    assert forest is not None
    assert chain_depths(forest, {}) == {C: 5}
    assert chain_depths(forest, {(B, "depth_max"): Series(CYCLE)}) == {B: 2, C: 5}


def test_the_jobs_of_an_srs_vms_give_its_cycle() -> None:
    guest, root = a_vm(C), disk(A)
    scene = quiet_pool(root, vms={guest.ref: guest}, vbds={"vbd": a_vbd(guest, root)})
    keeper = BackupsKeeper()
    scene.look()
    assert keeper.seen(scene.tracker.state(scene.now), scene.now).cycles == {}
    due = (START - 2 * DAY, START - DAY)
    keeper.tell(BackupNews(jobs=(JobSeen(uuid="job", name="nightly", vms=(guest.uuid,), due=due),)))
    scene.now += timedelta(minutes=1)
    seen = keeper.seen(scene.tracker.state(scene.now), scene.now)
    assert seen.cycles == {SR: CycleSeen(seconds=86400, job="nightly")}

"""A job before its run: its VMs, the space of its whole window, what will be exported whole; and what is foretold."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from chainwatch_collector.backups.keeper import BackupsKeeper
from chainwatch_collector.backups.news import BackupNews
from chainwatch_collector.backups.seen import JobSeen, TargetSeen
from chainwatch_collector.fold.pool_fold import Judged
from chainwatch_collector.live import backups, jobs, lookup
from chainwatch_collector.live.board import Board
from chainwatch_collector.show.changes import ChangeHub
from chainwatch_collector.show.views import Subject, UnknownSubjectError
from collector.backups.test_objects import VM_UUID, Pool
from collector.judge.scene import POOL_UUID, SR_REF, START, TIB, Scene, an_sr, disk, quiet_pool
from smlog import SR, A, B, C


def board_of(scene: Scene) -> Board:
    scene.look()
    assert scene.last is not None
    assert scene.picture is not None
    assert scene.backups is not None
    board = Board(ChangeHub())
    board.pictured(POOL_UUID, scene.picture)
    state = scene.tracker.state(scene.now)
    state = replace(state, backups=scene.backups.seen(state, scene.now))
    board.judged(Judged(POOL_UUID, scene.now, scene.last.answer, state))
    return board


def with_job(pool: Pool, **fields: Any) -> Scene:
    scene = Scene(pool.picture)
    scene.backups = BackupsKeeper(scene.thresholds)
    given = {"uuid": "job-1", "name": "nightly", "vms": (VM_UUID,), "total": 1, "next_at": START, **fields}
    scene.backups.tell(BackupNews(jobs=(JobSeen(**given),)))
    return scene


def test_a_jobs_window_that_has_room_is_said_to_have_it() -> None:
    view = jobs.job_view(board_of(with_job(Pool(2))), "nightly")
    assert (view.uuid, view.next_at, dict(view.vms)) == ("job-1", START, {POOL_UUID: (VM_UUID,)})
    assert "backs up 1 VM" in view.sentence
    assert [one.answer for one in view.windows] in (["ok"], [])


def test_a_window_without_room_is_refused() -> None:
    pool = Pool(2)
    pool.srs[SR_REF] = an_sr(type="lvmoiscsi", physical_utilisation_bytes=TIB - (4 << 20))
    view = jobs.job_view(board_of(with_job(pool)), "job-1")
    (window,) = view.windows
    assert (window.answer, window.disks, window.sr_name) == ("refused", 2, "store")
    assert "its window needs" in view.sentence


def test_a_target_without_room_is_said_of_its_job_alone() -> None:
    full = TargetSeen(uuid="r1", name="nas", free_bytes=0)
    said = jobs.job_view(board_of(with_job(Pool(), home=True, targets=(full,))), "nightly").sentence
    assert said.endswith(". Backup target 'nas' of nightly: 0 B free.")
    roomy = replace(full, free_bytes=TIB)
    assert "target" not in jobs.job_view(board_of(with_job(Pool(), home=True, targets=(roomy,))), "nightly").sentence


def test_jobs_and_their_targets_are_found_by_name() -> None:
    target = TargetSeen(uuid="r1", name="/mnt/nas")
    board = board_of(with_job(Pool(), home=True, targets=(target,)))
    assert lookup.find(board, "nightly") == Subject("job", "job-1", "nightly", POOL_UUID)
    assert lookup.find(board, "/mnt/nas", ("remote",)).uuid == "r1"
    with pytest.raises(UnknownSubjectError):
        lookup.find(board, "nightly", ("sr",))


def test_an_unknown_job_lists_those_that_there_are() -> None:
    board = board_of(with_job(Pool(), empty="clause tags takes away all", vms=(), total=0))
    with pytest.raises(UnknownSubjectError) as unknown:
        jobs.job_view(board, "weekly")
    assert [one.name for one in unknown.value.candidates] == ["nightly"]
    assert "matches no VM: clause tags" in jobs.job_view(board, "nightly").sentence


def chain(depth: int) -> Any:
    uuids = [f"{number:08x}-0000-4000-8000-00000000000a" for number in range(depth - 1)]
    parents = [None, *uuids]
    snapshots = [disk(f"5{uuid[1:]}", uuid, is_a_snapshot=True) for uuid in uuids]
    return (*(disk(u, p, hidden=True) for u, p in zip(uuids, parents, strict=False)), *snapshots, disk(C, parents[-1]))


def test_a_chain_that_grows_by_a_node_a_day_reaches_thirty_in_four() -> None:
    scene = quiet_pool(*chain(16))
    for depth in range(16, 27):
        scene.vdis(*chain(depth))
        for _ in range(4):
            scene.now += timedelta(hours=6)
            scene.look()
    board = board_of(scene)
    (limit,) = backups.forecasts(board, Subject("vdi", C, "disk c", POOL_UUID))
    assert (limit.what, limit.subject.uuid) == ("chain_limit", C)
    assert limit.at is not None
    assert limit.earliest_at is not None
    assert limit.latest_at is not None
    assert abs(limit.at - (scene.now + timedelta(days=4))) <= timedelta(days=1)
    assert limit.earliest_at <= scene.now + timedelta(days=4) <= limit.latest_at
    assert limit.sentence == "the chain reaches 30 (depth 26 now, 1.0 more a day)"
    assert limit in backups.forecasts(board, None)
    assert limit in backups.forecasts(board, Subject("sr", SR, "store", POOL_UUID))


def test_without_history_the_reason_is_told_where_asked_for() -> None:
    board = board_of(quiet_pool(disk(A, hidden=True), disk(B, A, hidden=True), disk(C, B)))
    assert backups.forecasts(board, None) == []
    told = backups.forecasts(board, Subject("sr", SR, "store", POOL_UUID))
    assert told
    assert all("no date" in one.sentence for one in told)

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from chainwatch_collector.track.observations import ProcessesObserved, ProcessGone, SrRuntimeSeen
from collector.judge.scene import (
    MASTER,
    MEMBER,
    SR_REF,
    START,
    Scene,
    a_host,
    a_pbd,
    a_picture,
    an_sr,
    host_ref,
    merged_chain,
    pending_chain,
    quiet_pool,
)
from smlog import SR, B, Smlog


def idle_run(log: Smlog, pid: int) -> Smlog:
    return log.start(pid).chain(pid).finish(pid)


# --- GC_NOT_RUNNING -------------------------------------------------------------------------------------------


def test_nobody_asks_for_a_run() -> None:
    scene = quiet_pool(*pending_chain(), srs={SR_REF: an_sr(other_config={"auto-scan": "false"})})
    scene.look()
    assert "GC_NOT_RUNNING" not in scene.wait(1799).codes()
    found = scene.wait(2).look()["GC_NOT_RUNNING"]
    assert found.severity == "error"
    assert "auto-scan is off" in found.summary
    assert scene.sr().state == "starved"


def test_a_run_clears_it_and_half_an_hour_counts_from_its_end() -> None:
    scene = quiet_pool(*pending_chain())
    scene.look()
    scene.wait(1900)
    scene.log(idle_run(scene.smlog(), 100))
    assert "GC_NOT_RUNNING" not in scene.codes()
    assert "GC_NOT_RUNNING" in scene.wait(1801).codes()


def test_kicked_and_not_started_says_so_with_the_line() -> None:
    scene = quiet_pool(*pending_chain())
    scene.look()
    scene.wait(600)
    scene.log(scene.smlog().sm(50, f"Kicking SMGC@{SR}..."))
    found = scene.wait(1300).look()["GC_NOT_RUNNING"]
    assert "did not start" in found.summary
    assert "Kicking SMGC" in found.evidence[0].text


def test_unit_that_waits() -> None:
    scene = quiet_pool(*pending_chain())
    scene.runtimes = (
        SrRuntimeSeen(
            sr_uuid=SR, gc_init_at=None, gc_running=(), ipc_flags=(), speeds=(), unit_state="activating", unit_pids=()
        ),
    )
    scene.look()
    assert "unit is activating" in scene.wait(1801).look()["GC_NOT_RUNNING"].summary


def test_host_in_maintenance_is_a_warning() -> None:
    hosts = (a_host(MASTER, enabled=False), a_host(MEMBER))
    scene = quiet_pool(*pending_chain(), hosts={host.ref: host for host in hosts})
    scene.look()
    assert scene.wait(1801).look()["GC_NOT_RUNNING"].severity == "warning"


def test_counts_from_the_latest_of_all() -> None:
    scene = quiet_pool(
        *pending_chain(),
        master_since=START + timedelta(seconds=600),
        host_enabled_since={host_ref(MASTER): START + timedelta(seconds=900)},
        pbd_attached_since={a_pbd(MASTER).ref: START + timedelta(seconds=1200)},
    )
    scene.look()
    assert "GC_NOT_RUNNING" not in scene.wait(1200 + 1799).codes()
    assert "GC_NOT_RUNNING" in scene.wait(2).codes()


def test_without_an_agent_there_it_is_unknown_not_this() -> None:
    scene = Scene(a_picture(pending_chain()), agents={MEMBER})
    scene.look()
    codes = scene.wait(4000).codes()
    assert "GC_NOT_RUNNING" not in codes
    assert "AGENT_MISSING" in codes
    assert scene.sr().state == "unknown"


def test_detached_there_it_is_that() -> None:
    pbds = (a_pbd(MASTER, currently_attached=False), a_pbd(MEMBER))
    scene = quiet_pool(*pending_chain(), pbds={pbd.ref: pbd for pbd in pbds})
    scene.look()
    codes = scene.wait(4000).codes()
    assert "GC_NOT_RUNNING" not in codes
    assert "SR_DETACHED" in codes


def test_nothing_pending_needs_no_run() -> None:
    scene = quiet_pool(*merged_chain())
    scene.look()
    assert scene.wait(7200).codes() == set()
    assert scene.sr().state == "idle"


# --- GC_INEFFECTIVE -------------------------------------------------------------------------------------------


def runs_every(scene: Scene, minutes: int, times: int) -> Scene:
    for number in range(times):
        scene.wait(60 * minutes)
        scene.log(idle_run(scene.smlog(), 1000 + number))
        scene.look()
    return scene


def test_good_runs_over_an_hour_and_the_same_merges_left() -> None:
    scene = quiet_pool(*pending_chain())
    scene.look()
    assert "GC_INEFFECTIVE" not in runs_every(scene, 11, 5).codes()
    found = runs_every(scene, 11, 1).look()["GC_INEFFECTIVE"]
    assert found.severity == "error"
    assert len(found.evidence) == 3
    scene.vdis(*merged_chain())
    assert "GC_INEFFECTIVE" not in scene.codes()


def test_scans_every_half_minute_are_still_an_hour() -> None:
    scene = quiet_pool(*pending_chain())
    scene.look()
    log = scene.smlog()
    for number in range(125):
        idle_run(log.tick(30), 1000 + number)
    assert "GC_INEFFECTIVE" in scene.log(log).codes()


def test_other_merges_each_time_are_progress() -> None:
    scene = quiet_pool(*pending_chain())
    scene.look()
    for turn in range(8):
        runs_every(scene, 11, 1)
        scene.vdis(*(pending_chain() if turn % 2 else merged_chain()))
        scene.look()
    assert "GC_INEFFECTIVE" not in scene.codes()


def test_a_merge_known_to_fail_is_told_as_that() -> None:
    scene = quiet_pool(*pending_chain())
    scene.look()
    for number in range(7):
        scene.wait(660)
        log = scene.smlog().start(1000 + number).chain(1000 + number)
        log.gc(1000 + number, f"No space to coalesce *{B[:8]}(4.000G/400.790M?) (free space: 1048576)")
        scene.log(log.finish(1000 + number))
        scene.look()
    codes = scene.codes()
    assert "COALESCE_NO_SPACE" in codes
    assert "GC_INEFFECTIVE" not in codes


# --- runs that died without a word ----------------------------------------------------------------------------


def test_a_run_whose_process_ended_is_no_run() -> None:
    scene = quiet_pool(*pending_chain())
    scene.log(scene.smlog().start(100).chain(100).inner_start(100).copy(101))
    scene.look()
    assert scene.sr().state == "running"
    gone = ProcessGone(
        pid=100,
        start_ticks=1,
        kind="gc",
        sr_uuid=SR,
        vdi_uuid="",
        seen_until=scene.now,
        exact=True,
        exit_status=9,
        write_bytes=0,
    )
    scene.now += timedelta(seconds=5)
    samples = ProcessesObserved(host_uuid=MASTER, at=scene.now, processes=(), ended=(gone,), dropped_total=0)
    scene.tracker.observe(samples, scene.now)
    assert scene.sr().state == "waiting"
    found = scene.wait(1801).look()["GC_NOT_RUNNING"]
    assert "killed" in found.summary
    assert found.evidence


def test_a_run_before_the_last_boot_is_no_run() -> None:
    scene = quiet_pool(*pending_chain())
    scene.log(scene.smlog().start(100).chain(100).inner_start(100).copy(101))
    scene.look()
    scene.wait(300)
    scene.host_fields = {"booted_at": scene.now}
    scene.now += timedelta(seconds=5)
    assert scene.sr().state == "waiting"


def test_a_run_on_a_host_that_is_no_longer_master_does_not_count() -> None:
    scene = quiet_pool(*pending_chain())
    scene.log(scene.smlog().start(100).chain(100).inner_start(100).copy(101))
    scene.look()
    assert scene.picture is not None
    assert scene.picture.pool is not None
    pool = replace(scene.picture.pool, master_ref=host_ref(MEMBER))
    scene.seen(pool=pool, master_since=scene.now)
    scene.look()
    assert "GC_NOT_RUNNING" not in scene.wait(1700).codes()
    assert "xcp2" in scene.wait(200).look()["GC_NOT_RUNNING"].summary

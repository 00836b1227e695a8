from __future__ import annotations

from datetime import UTC, timedelta

from chainwatch_collector.read.reader import HostReader
from chainwatch_collector.track.host_log import HostLog
from chainwatch_collector.track.sr_log import SrLog
from collector.judge.scene import MASTER, START, process, quiet_pool
from smlog import SR, B, Smlog, disk


def folded(log: Smlog) -> HostLog:
    """The whole log at once."""
    reader = HostReader("", UTC)
    facts = [*reader.feed(log.as_lines()), *reader.finish()]
    host = HostLog(reader.host)
    host.take(facts, reader.take_changed_runs(), None)
    return host


def sr_log(log: Smlog) -> SrLog:
    return folded(log).srs[SR]


def test_an_end_that_is_told_twice_counts_once_and_the_second_time_better() -> None:
    """G17 first, the banner after it: one crash, and its reason is known."""
    log = Smlog().start(100).chain(100).finish(100, clean=False)
    log.banner(100, "gc", "Unable to acquire the SR lock").gc(100, f"* * * * * SR {SR}: ERROR", "")
    (crash,) = sr_log(log).incidents.of("crashed")
    assert crash.count == 1
    assert crash.cause != "unknown"


def test_a_step_is_over_with_its_run() -> None:
    log = Smlog().start(100).chain(100).inner_start(100)
    step = sr_log(log).step
    assert step is not None
    assert step.step == "copying"
    assert sr_log(log.updated(100).finish(100)).step is None


def test_rates_come_from_merges_that_finished() -> None:
    log = Smlog().start(100).chain(100).inner_start(100).copy(101).tick(99).copied(100, 101)
    log.gc(100, f"Deleting unlinked VDI {disk(B)}").updated(100).finish(100)
    (rate,) = sr_log(log).rates
    assert rate.seconds == 100
    assert round(rate.copied_bytes / 2**20, 1) == 400.8


def test_a_lock_wait_belongs_to_the_sr_in_its_path() -> None:
    text = f"Failed to lock /var/lock/sm/{SR}/sr on first attempt, blocked by PID 4711"
    found = sr_log(Smlog().sm(50, text)).lock_wait
    assert found is not None
    assert found.holder_pid == 4711


def test_kernel_lines_are_the_hosts() -> None:
    scene = quiet_pool()
    log = Smlog(host="xcp1", now=START).raw("kernel: [ 1.5] nfs: server filer not responding, still trying")
    scene.log(log, MASTER, "/var/log/kern.log")
    (incident,) = scene.tracker.state(scene.now).hosts[MASTER].incidents
    assert incident.cause == "nfs_down"


def test_older_observations_change_nothing() -> None:
    scene = quiet_pool()
    scene.processes[MASTER] = (process(written=5),)
    scene.look()
    newer = scene.tracker.state(scene.now).hosts[MASTER]
    scene.processes[MASTER] = (process(written=1),)
    scene.now -= timedelta(seconds=60)
    scene.report(MASTER)
    assert scene.tracker.state(scene.now).hosts[MASTER].processes == newer.processes

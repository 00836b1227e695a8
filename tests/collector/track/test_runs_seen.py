from __future__ import annotations

from datetime import UTC

from chainwatch_collector.read.reader import HostReader
from chainwatch_collector.track.runs_seen import EMPTY_RUNS_KEPT, RUNS_KEPT, RunsSeen, run_seen
from smlog import B, Smlog, disk


def merged(log: Smlog, pid: int) -> Smlog:
    log.start(pid).chain(pid).inner_start(pid).copy(pid + 1).copied(pid, pid + 1)
    return log.gc(pid, f"Deleting unlinked VDI {disk(B)}").updated(pid).finish(pid)


def taken(log: Smlog) -> RunsSeen:
    reader, runs = HostReader("h", UTC), RunsSeen()
    reader.feed(log.as_lines())
    for run in reader.take_changed_runs():
        runs.take(run_seen(run))
    return runs


def test_what_was_done_outlives_thousands_of_runs_that_found_nothing() -> None:
    log = merged(Smlog(), 10)
    for number in range(500):
        log.tick(30).start(1000 + number).chain(1000 + number).finish(1000 + number)
    runs = taken(log).in_order()
    assert len(runs) <= RUNS_KEPT
    assert [merge.child[:8] for merge in runs[0].merges] == [B[:8]]
    assert sum(not run.tells for run in runs) >= EMPTY_RUNS_KEPT
    assert runs[-1].pid == 1499


def test_bounded_where_every_run_tells() -> None:
    log = Smlog()
    for number in range(200):
        merged(log.tick(30), 1000 + 10 * number)
    runs = taken(log).in_order()
    assert len(runs) <= RUNS_KEPT
    assert runs[-1].pid == 2990


def test_a_worker_met_before_its_launcher_is_one_run() -> None:
    reader, runs = HostReader("h", UTC), RunsSeen()
    log = Smlog().gc(31, "Found 0 cache files")
    for part in (log.as_lines(), log.start(29, worker=31).as_lines()[1:]):
        reader.feed(part)
        for run in reader.take_changed_runs():
            runs.take(run_seen(run))
    assert len(runs.in_order()) == 1


def test_a_copy_stays_as_it_is() -> None:
    reader = HostReader("h", UTC)
    log = Smlog().start(10).chain(10)
    reader.feed(log.as_lines())
    (before,) = (run_seen(run) for run in reader.take_changed_runs())
    reader.feed(log.finish(10).as_lines()[-4:])
    assert before.running
    assert reader.runs[0].outcome != "running"

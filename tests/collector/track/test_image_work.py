from __future__ import annotations

from datetime import UTC, datetime, timedelta

from chainwatch_collector.track.image_work import ImageProcess, ImageWork
from chainwatch_collector.track.observations import ProcessesObserved, ProcessSeen
from collector.judge.scene import process

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def see(work: ImageWork, seconds: float, *processes: ProcessSeen) -> list[ImageProcess]:
    at = START + timedelta(seconds=seconds)
    work.see(ProcessesObserved(host_uuid="h", at=at, processes=processes, ended=(), dropped_total=0))
    return list(work.running.values())


def test_rate_and_when_it_last_moved() -> None:
    work = ImageWork()
    see(work, 0, process(written=0))
    see(work, 10, process(written=100 << 20))
    (found,) = see(work, 60, process(written=100 << 20))
    assert found.moved_at == START + timedelta(seconds=10)
    assert found.rate_bytes_per_second == (100 << 20) / 60
    assert found.first_seen_at == START
    assert found.copies


def test_gone_from_the_samples_is_gone() -> None:
    work = ImageWork()
    see(work, 0, process())
    assert see(work, 10) == []


def test_a_reused_pid_is_another_process() -> None:
    from dataclasses import replace

    work = ImageWork()
    see(work, 0, process(written=500))
    (found,) = see(work, 10, replace(process(written=1), start_ticks=2000))
    assert found.first_seen_at == START + timedelta(seconds=10)


def test_unknown_processes_are_left_out() -> None:
    assert see(ImageWork(), 0, process(kind="unknown")) == []

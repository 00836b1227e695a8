"""Image processes of one host over time: whether a copy moves, and since when it has not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from chainwatch_collector.track.observations import ProcessesObserved, ProcessKind, ProcessSeen

COPY_KINDS: frozenset[ProcessKind] = frozenset(("vhd_coalesce", "qemu_commit"))
CHECK_KINDS: frozenset[ProcessKind] = frozenset(
    ("vhd_check", "vhd_repair", "qemu_check", "qemu_rebase", "tap_ctl_commit")
)
_SAMPLES_KEPT = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageProcess:
    """`done_bytes`: read and written so far; `moved_at`: when that last grew; the rate is of writing, None at first."""

    process: ProcessSeen
    seen_at: datetime
    moved_at: datetime
    done_bytes: int
    first_seen_at: datetime
    rate_bytes_per_second: float | None = None
    samples: tuple[tuple[datetime, int], ...] = ()

    @property
    def copies(self) -> bool:
        """Whether it is the data copy of a merge."""
        return self.process.kind in COPY_KINDS


@dataclass(slots=True)
class ImageWork:
    """By (pid, start ticks); a process that a sample no longer has is gone."""

    running: dict[tuple[int, int], ImageProcess] = field(default_factory=dict)

    def see(self, observed: ProcessesObserved) -> None:
        """One sample, newer than the last."""
        if observed.at is None:
            return
        now: dict[tuple[int, int], ImageProcess] = {}
        for process in observed.processes:
            if process.kind == "unknown":
                continue
            key = (process.pid, process.start_ticks)
            now[key] = _next(self.running.get(key), process, observed.at)
        self.running = now


def _next(before: ImageProcess | None, process: ProcessSeen, at: datetime) -> ImageProcess:
    done = process.read_bytes + process.write_bytes
    if before is None:
        return ImageProcess(
            process=process,
            seen_at=at,
            moved_at=at,
            done_bytes=done,
            first_seen_at=at,
            samples=((at, process.write_bytes),),
        )
    samples = (*before.samples, (at, process.write_bytes))[-_SAMPLES_KEPT:]
    seconds = (at - samples[0][0]).total_seconds()
    return replace(
        before,
        process=process,
        seen_at=at,
        moved_at=at if done > before.done_bytes else before.moved_at,
        done_bytes=done,
        samples=samples,
        rate_bytes_per_second=(process.write_bytes - samples[0][1]) / seconds
        if seconds > 0
        else before.rate_bytes_per_second,
    )

"""Which open GC runs have died without a word: a GC that is killed, or whose host dies, prints nothing (smlog.md 2.15).

Pure. A run that lives shows itself to a watching agent: 8.3's by its argv and its unit, 8.2's by the `gc_active` lock
that it holds from its first step on. So where the agent has shown GCs before and no look well after the run's last line
finds one of this SR, the run is over, also when it came and went between two looks and nobody saw its end.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from chainwatch_collector.read.words import LineRef
from chainwatch_collector.track.host_log import HostLog
from chainwatch_collector.track.runs_seen import MergeSeen, RunSeen

LOOKED_AFTER: Final = timedelta(seconds=30)
"""A line has seconds, and is written after what it tells of has begun: a look closer than this proves nothing."""


def gone_at(host: HostLog, run: RunSeen) -> datetime | None:
    """When an open run of this host was known to be over: it booted since, the process ended, or it is nowhere."""
    began, last = run.at, run.last_at
    if began is None or last is None:
        return None
    booted = host.status.host.booted_at if host.status is not None else None
    if booted is not None and booted > last:
        return booted
    ended = host.gc_ended.get(run.pid)
    if ended is not None and ended >= began:
        return ended
    return _nowhere_at(host, run, last)


def as_known(host: HostLog | None, run: RunSeen) -> RunSeen:
    """The run, and where it is over and its log is read to past that moment, with the outcome that this makes it."""
    if host is None or not run.running or run.key.host != host.host:
        return run
    over = gone_at(host, run)
    read_to = host.coverage.until if host.coverage is not None else None
    if over is None or read_to is None or read_to < over:
        return run
    end = run.last or run.start
    return replace(run, outcome="killed", end=end, merges=tuple(_cut_off(merge, end) for merge in run.merges))


def _cut_off(merge: MergeSeen, end: LineRef) -> MergeSeen:
    """As `read` says it of a killed run's merge."""
    if merge.outcome != "running":
        return merge
    return replace(merge, outcome="interrupted", cause="killed", end=end)


def _nowhere_at(host: HostLog, run: RunSeen, last: datetime) -> datetime | None:
    """The first look that was well after the run's last sign of life."""
    if not host.gc_alive_at:
        return None
    alive = [at for sr, at in host.gc_alive_at.items() if not sr or sr.startswith(run.sr)]
    after = max((last, *alive)) + LOOKED_AFTER
    return next((look for look in host.looks if look >= after), None)

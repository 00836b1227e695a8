"""Which sources say nothing now: UNKNOWN is not OK, so what they told last stays, marked stale."""

from __future__ import annotations

from datetime import datetime

from chainwatch_collector.judge.condition import INVENTORY, JOBS, host_source
from chainwatch_collector.judge.known import silent
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.state import PoolState


def of(state: PoolState, now: datetime, limits: Thresholds) -> frozenset[str]:
    """Sources as in `Condition.sources`. Offline nothing is lost: the logs are what there is."""
    if state.offline:
        return frozenset()
    lost = {host_source(host.key) for host in state.hosts.values() if silent(host, now, limits)}
    if state.picture is not None and not state.picture.reachable:
        lost.add(INVENTORY)
    if not state.backups.jobs_known:
        lost.add(JOBS)
    return frozenset(lost)

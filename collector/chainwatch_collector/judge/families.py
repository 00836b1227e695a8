"""Every family of codes, imported so that it registers, and asked in turn."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from chainwatch_collector.judge import (
    agents,
    attach,
    backup_bases,
    backup_jobs,
    backup_tasks,
    backups,
    chains,
    flags,
    forecast,
    gc,
    gc_idle,
    gc_stuck,
    hosts,
    images,
    merges,
    pool,
    registry,
    scan,
    space,
    vms,
)
from chainwatch_collector.judge.condition import Condition
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.state import PoolState

MODULES = (gc, gc_idle, gc_stuck, merges, images, scan, space, attach, chains, flags, agents, hosts, pool, vms)
OF_TIME = (backup_tasks, backup_bases, backup_jobs, forecast)


def codes() -> frozenset[str]:
    """Every code that a judge can raise."""
    return registry.codes() | frozenset(backups.CODES)


def conditions(state: PoolState, now: datetime, thresholds: Thresholds) -> Iterator[Condition]:
    """Everything that holds now."""
    for _, family in registry.FAMILIES:
        yield from family(state, now, thresholds)

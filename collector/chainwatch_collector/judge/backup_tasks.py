"""Transfers that stand still: exports, imports, copies and migrations, and the ghosts among them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from chainwatch_collector.backups.seen import TRANSFERS, TaskSeen
from chainwatch_collector.judge.answer import FindingSubject
from chainwatch_collector.judge.condition import INVENTORY, Condition
from chainwatch_collector.judge.registry import family
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.state import PoolState
from chainwatch_collector.words import duration, percent


@family("BACKUP_STALLED")
def stalled(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Neither progress nor bytes; where no bytes can be observed, no progress for longer. Ghosts say why they are."""
    for task in state.backups.tasks:
        if task.kind in TRANSFERS and task.moving is False:
            yield _condition(task, now, _said(task, now))


def _said(task: TaskSeen, now: datetime) -> str:
    where = f" on {task.host_name}" if task.host_name else ""
    if task.ghost:
        return f"'{task.name}'{where} is a ghost: {task.ghost}; it was started {duration(_age(task, now))} ago."
    still = duration((now - task.still_since).total_seconds())
    bytes_too = "and its bytes have" if task.bytes_known else "has (its bytes cannot be observed)"
    progress = "progress " + bytes_too
    return f"'{task.name}'{where}: {progress} stood still for {still}, at {percent(task.progress)}."


def _age(task: TaskSeen, now: datetime) -> float:
    return (now - task.created_at).total_seconds()


def _params(task: TaskSeen) -> dict[str, str]:
    """For the steps; and how it stands, so that a restarted collector knows that it did not begin just now."""
    stands = {"still_since": task.still_since.isoformat(), "progress": repr(task.progress)}
    return {"task_uuid": task.uuid, **stands, **({"host": task.host_name} if task.host_name else {})}


def _condition(task: TaskSeen, now: datetime, summary: str) -> Condition:
    return Condition(
        code="BACKUP_STALLED",
        subject=FindingSubject("task", task.uuid, task.name),
        severity="warning",
        summary=f"{task.kind.capitalize()} {summary}",
        since=min(task.still_since, now),
        variant="ghost" if task.ghost else "",
        params=_params(task),
        sr_uuid=task.sr_uuid,
        hosts=frozenset((task.host_uuid,) if task.host_uuid else ()),
        vdis=frozenset((task.vdi_uuid,) if task.vdi_uuid else ()),
        srs=frozenset((task.sr_uuid,) if task.sr_uuid else ()),
        sources=frozenset((INVENTORY,)),
    )

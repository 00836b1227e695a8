"""Jobs: a pattern that matches nobody, VMs whose backup is overdue, targets without room."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from chainwatch_collector.backups.seen import BaseSeen, JobSeen, TargetSeen
from chainwatch_collector.judge.answer import FindingSubject
from chainwatch_collector.judge.condition import INVENTORY, JOBS, Condition
from chainwatch_collector.judge.registry import family
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.state import PoolState
from chainwatch_collector.words import clock, plural, size

_BY_JOBS: Final = frozenset((INVENTORY, JOBS))


@family("BACKUP_PATTERN_EMPTY")
def pattern_empty(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Told by one pool for the job as a whole."""
    for job in state.backups.jobs:
        if job.home and job.empty:
            yield Condition(
                code="BACKUP_PATTERN_EMPTY",
                subject=FindingSubject("job", job.uuid, job.name),
                severity="warning",
                summary=f"Job '{job.name}' matches no VM: {job.empty}.",
                since=now,
                sources=_BY_JOBS,
                hold_seconds=limits.backup_pattern_seconds,
            )


@family("BACKUP_OVERDUE")
def overdue(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """So many due times passed since the last success, with the grace that a run takes; skipped counts as missed."""
    marks, grace = _marks(state.backups.bases), limits.backup_overdue_grace_seconds
    names = {vm.uuid: vm.name for vm in state.picture.vms.values()} if state.picture is not None else {}
    for job in state.backups.jobs:
        for vm in job.vms:
            last = _last(job, vm, marks)
            since = last or job.tried.get(vm)
            if since is None:
                continue
            missed = [at for at in job.due if at > since and (now - at).total_seconds() >= grace]
            if len(missed) >= max(1, limits.backup_overdue_runs):
                yield _overdue(job, vm, names.get(vm, ""), last, missed)


def _marks(bases: tuple[BaseSeen, ...]) -> dict[tuple[str, str], datetime]:
    """(VM uuid, job's id or name) → the last success that snapshots and replicas tell of."""
    found: dict[tuple[str, str], datetime] = {}
    for base in bases:
        if base.last_success is not None:
            for job in filter(None, (base.job, base.job_name)):
                key = base.vm_uuid, job
                found[key] = max(found.get(key, base.last_success), base.last_success)
    return found


def _last(job: JobSeen, vm: str, marks: dict[tuple[str, str], datetime]) -> datetime | None:
    told = (job.successes.get(vm), marks.get((vm, job.uuid)), marks.get((vm, job.name)))
    return max((at for at in told if at is not None), default=None)


def _overdue(job: JobSeen, vm: str, name: str, last: datetime | None, missed: list[datetime]) -> Condition:
    when = f"since {clock(last)}" if last is not None else "in all the runs that are known"
    skipped = job.skipped.get(vm, 0)
    told = f"; {plural(skipped, 'run was skipped', 'runs were skipped')}" if skipped else ""
    return Condition(
        code="BACKUP_OVERDUE",
        subject=FindingSubject("vm", vm, name),
        severity="error",
        summary=f"VM '{name}' has had no successful backup by job '{job.name}' {when}:"
        f" {plural(len(missed), 'run')} missed{told}.",
        since=missed[0],
        count=len(missed),
        key=job.uuid,
        params={"vm_uuid": vm},
        sources=_BY_JOBS,
    )


@family("BACKUP_TARGET_FULL")
def target_full(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """ENOSPC, no room at all, or less than the full exports that are to come. Told once for each target."""
    targets: dict[str, tuple[TargetSeen, int, list[str]]] = {}
    for job in state.backups.jobs:
        if job.home:
            for target in job.targets:
                _, need, names = targets.get(target.uuid, (target, 0, []))
                targets[target.uuid] = (target, need + _need(job, state.backups.bases), [*names, job.name])
    for target, need, names in targets.values():
        why = _why_full(target, need, limits)
        if why:
            yield Condition(
                code="BACKUP_TARGET_FULL",
                subject=FindingSubject("remote", target.uuid, target.name),
                severity="error",
                summary=f"Backup target '{target.name}' of {', '.join(names)}: {why}.",
                since=target.full_at or now,
                sources=_BY_JOBS,
            )


def _need(job: JobSeen, bases: tuple[BaseSeen, ...]) -> int:
    """Bytes of the full exports that are known to come with the next run; by allocated size, before compression."""
    mine = (base for base in bases if base.vm_uuid in job.vms and {base.job, base.job_name} & {job.uuid, job.name})
    return sum(base.full_bytes for base in mine if not base.target_srs)


def _why_full(target: TargetSeen, need: int, limits: Thresholds) -> str:
    free = target.free_bytes
    if target.full_at is not None and (free is None or free <= limits.backup_target_free_bytes):
        return f"a run ended with ENOSPC at {clock(target.full_at)}" + (
            f", {size(free)} free" if free is not None else ""
        )
    if free is None:
        return ""
    if free <= limits.backup_target_free_bytes:
        return f"{size(free)} free"
    return f"{size(free)} free, and the next run exports {size(need)} whole" if free < need else ""

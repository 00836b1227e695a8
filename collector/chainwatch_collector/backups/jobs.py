"""Backup jobs over all pools: whom a pattern matches, who empties it, when it is due, how its runs went. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import NAMESPACE_URL, uuid5

from chainwatch_collector.backups.pattern import keys_used, matches, named
from chainwatch_collector.backups.schedule import Schedule
from chainwatch_collector.backups.seen import JobSeen, TargetSeen
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Vm
from chainwatch_collector.words import plural

KNOWN: Final = frozenset(
    ("type", "id", "uuid", "name_label", "power_state", "tags", "$pool", "$poolId", "$container", "is_a_template")
)
"""Properties of Xen Orchestra's VM objects that XenAPI's picture tells here."""
NO_BACKUP: Final = "xo:no-bak"
DUE_KEPT: Final = 40
DUE_SPAN: Final = timedelta(days=40)
RunStatus = Literal["success", "skipped", "failure", "interrupted", "pending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A backup repository. `path`: where this machine has it mounted, empty where it has not."""

    uuid: str
    name: str
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """As declared or as Xen Orchestra has it. `whole`: mode full. A job without a schedule is never due."""

    name: str
    id: str = ""
    pattern: Any = field(default_factory=dict)
    whole: bool = False
    schedules: tuple[Schedule, ...] = ()
    target_srs: tuple[str, ...] = ()
    remotes: tuple[Remote, ...] = ()

    @property
    def uuid(self) -> str:
        """What findings call it."""
        return self.id or str(uuid5(NAMESPACE_URL, f"chainwatch:job:{self.name}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class VmRun:
    """How one run of a job went for one VM. `no_space`: remotes where it met ENOSPC."""

    job: str
    vm: str
    at: datetime
    status: RunStatus
    remotes: tuple[str, ...] = ()
    no_space: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class XoSeen:
    """What Xen Orchestra told. `servers`: pool uuid → its status there (`connected`), None where it was not asked."""

    jobs: tuple[Job, ...] = ()
    runs: tuple[VmRun, ...] = ()
    servers: Mapping[str, str] | None = None
    problem: str = ""


def xo_object(pool_uuid: str, picture: Picture, vm: Vm) -> dict[str, Any]:
    """The VM as Xen Orchestra has it, as far as a pattern may ask for it (xapi-object-to-xo.mjs)."""
    host = picture.hosts.get(vm.resident_on_ref or "")
    return {
        "type": "VM",
        "id": vm.uuid,
        "uuid": vm.uuid,
        "name_label": vm.name,
        "power_state": vm.power_state,
        "tags": list(vm.tags),
        "$pool": pool_uuid,
        "$poolId": pool_uuid,
        "$container": host.uuid if host is not None else pool_uuid,
    }


@dataclass(frozen=True, slots=True)
class _Candidate:
    pool: str
    vm: Vm
    object: Mapping[str, Any]


def candidates(pools: Mapping[str, Picture]) -> list[_Candidate]:
    """Every guest of every pool."""
    return [
        _Candidate(uuid, vm, xo_object(uuid, picture, vm))
        for uuid, picture in pools.items()
        for vm in picture.vms.values()
        if not (vm.is_a_template or vm.is_control_domain or vm.is_a_snapshot)
    ]


def evaluate(
    jobs: Sequence[Job], pools: Mapping[str, Picture], xo: XoSeen, targets: Mapping[str, TargetSeen], now: datetime
) -> dict[str, tuple[JobSeen, ...]]:
    """Pool uuid → its view of the jobs. `targets`: remote uuid → its space."""
    guests = candidates(pools)
    found: dict[str, list[JobSeen]] = {uuid: [] for uuid in pools}
    for job in jobs:
        runs = [run for run in xo.runs if run.job == job.uuid]
        for uuid, seen in _views(job, guests, pools, xo, runs, targets, now):
            found[uuid].append(seen)
    return {uuid: tuple(seen) for uuid, seen in found.items()}


def _views(
    job: Job,
    guests: Sequence[_Candidate],
    pools: Mapping[str, Picture],
    xo: XoSeen,
    runs: Sequence[VmRun],
    targets: Mapping[str, TargetSeen],
    now: datetime,
) -> Iterator[tuple[str, JobSeen]]:
    pattern = {"type": "VM", **job.pattern} if isinstance(job.pattern, Mapping) else job.pattern
    lost = _lost(pools, xo)
    chosen = [one for one in guests if one.pool not in lost and _is_backed_up(job, pattern, one)]
    empty = "" if chosen else why_empty(job, pattern, guests, pools, xo)
    home = _home(pattern, chosen, pools)
    due = tuple(sorted({at for one in job.schedules for at in one.between(now - DUE_SPAN, now)}))[-DUE_KEPT:]
    upcoming = [at for at in (one.next(now) for one in job.schedules) if at is not None]
    history = _history(runs)
    for uuid in pools:
        yield (
            uuid,
            JobSeen(
                uuid=job.uuid,
                name=job.name,
                home=uuid == home,
                vms=tuple(one.vm.uuid for one in chosen if one.pool == uuid),
                total=len(chosen),
                empty=empty,
                whole=job.whole,
                due=due,
                next_at=min(upcoming, default=None),
                target_srs=job.target_srs,
                targets=tuple(_target(remote, targets, runs) for remote in job.remotes),
                **history,
            ),
        )


def _is_backed_up(job: Job, pattern: Any, one: _Candidate) -> bool:
    """As Xen Orchestra chooses at a run's start (backups-ng/index.mjs:127-188)."""
    return matches(pattern, one.object) and not _is_replica(job, one.vm) and not _is_excluded(one.vm)


def _is_replica(job: Job, vm: Vm) -> bool:
    own = vm.other_config.get("xo:backup:job", "")
    return bool(own) and own == job.id and "start" in vm.blocked_operations


def _is_excluded(vm: Vm) -> bool:
    return any(tag == NO_BACKUP or tag.startswith(f"{NO_BACKUP}=") for tag in vm.tags)


def _lost(pools: Mapping[str, Picture], xo: XoSeen) -> set[str]:
    """Pools that Xen Orchestra has no connection to, where it was asked."""
    return set() if xo.servers is None else {uuid for uuid in pools if xo.servers.get(uuid) != "connected"}


def _home(pattern: Any, chosen: Sequence[_Candidate], pools: Mapping[str, Picture]) -> str | None:
    wanted = [uuid for uuid in _wanted_pools(pattern) if uuid in pools]
    where = sorted({one.pool for one in chosen})
    return next(iter([*where, *wanted, *sorted(pools)]), None)


def _wanted_pools(pattern: Any) -> list[str]:
    return list(named(pattern.get("$pool"))) if isinstance(pattern, Mapping) else []


# --- an empty pattern -----------------------------------------------------------------------------------------


def why_empty(job: Job, pattern: Any, guests: Sequence[_Candidate], pools: Mapping[str, Picture], xo: XoSeen) -> str:
    """Why no VM is left, empty where that cannot be said: then nothing is known to be wrong."""
    unknown = keys_used(pattern) - KNOWN
    if unknown or any(picture.pool is None or picture.as_of is None for picture in pools.values()):
        return ""
    lost = _lost(pools, xo)
    away = [one for one in guests if one.pool in lost and _is_backed_up(job, pattern, one)]
    if away:
        names = ", ".join(sorted({_pool_name(pools, one.pool) for one in away}))
        return f"Xen Orchestra is not connected to pool {names}, where {plural(len(away), 'VM')} would match"
    matching = [one for one in guests if matches(pattern, one.object)]
    if matching:
        return _taken_away(job, matching)
    return _blamed_pool(pattern, pools, xo) or _blamed_clause(pattern, guests)


def _pool_name(pools: Mapping[str, Picture], uuid: str) -> str:
    pool = pools[uuid].pool
    return f"'{pool.name}'" if pool is not None and pool.name else uuid


def _taken_away(job: Job, matching: Sequence[_Candidate]) -> str:
    replicas = sum(_is_replica(job, one.vm) for one in matching)
    if replicas == len(matching):
        return f"the {plural(replicas, 'VM')} that it matches are replicas that the job itself made"
    return f"all {plural(len(matching), 'VM')} that it matches carry the tag {NO_BACKUP} or are the job's own replicas"


def _blamed_pool(pattern: Any, pools: Mapping[str, Picture], xo: XoSeen) -> str:
    """A pool that the pattern names and nobody knows."""
    gone = [uuid for uuid in _wanted_pools(pattern) if uuid not in pools]
    if not gone or any(uuid in pools for uuid in _wanted_pools(pattern)):
        return ""
    lost = [uuid for uuid in gone if xo.servers is not None and uuid not in xo.servers]
    who = "Xen Orchestra has no server of" if lost else "no pool that is configured here is"
    return f"clause $pool: {who} {', '.join(lost or gone)}"


def _blamed_clause(pattern: Any, guests: Sequence[_Candidate]) -> str:
    """The clauses each of which alone takes the last VMs away; without one, those that match nothing at all."""
    if not guests:
        return "there is no VM in any pool"
    if not isinstance(pattern, Mapping) or len(pattern) < 2:
        return f"none of {plural(len(guests), 'VM')} matches {_shown(pattern)}"
    clauses = {key: part for key, part in pattern.items() if key != "type"}
    blamed = []
    for key, part in clauses.items():
        rest = {other: own for other, own in pattern.items() if other != key}
        left = sum(matches(rest, one.object) for one in guests)
        if left:
            blamed.append(f"clause {key} = {_shown(part)} takes away all {plural(left, 'VM')} that the others leave")
    if blamed:
        return "; ".join(blamed)
    none = [key for key, part in clauses.items() if not any(matches({key: part}, one.object) for one in guests)]
    told = [f"{key} = {_shown(clauses[key])}" for key in none or clauses]
    return f"clauses {' and '.join(told)} each match no VM" if none else f"no VM fits {' and '.join(told)} together"


def _shown(part: Any) -> str:
    return json.dumps(part, ensure_ascii=False)[:200]


# --- runs and targets -----------------------------------------------------------------------------------------


def _history(runs: Sequence[VmRun]) -> dict[str, Any]:
    successes: dict[str, datetime] = {}
    tried: dict[str, datetime] = {}
    for run in runs:
        tried[run.vm] = min(tried.get(run.vm, run.at), run.at)
        if run.status == "success":
            successes[run.vm] = max(successes.get(run.vm, run.at), run.at)
    skipped: dict[str, int] = {}
    for run in runs:
        if run.status == "skipped" and (run.vm not in successes or run.at > successes[run.vm]):
            skipped[run.vm] = skipped.get(run.vm, 0) + 1
    return {"successes": successes, "tried": tried, "skipped": skipped}


def _target(remote: Remote, targets: Mapping[str, TargetSeen], runs: Sequence[VmRun]) -> TargetSeen:
    known = targets.get(remote.uuid) or TargetSeen(
        uuid=remote.uuid, name=remote.name, problem="not observable: it is not mounted here"
    )
    full = max((run.at for run in runs if remote.uuid in run.no_space), default=None)
    fine = max((run.at for run in runs if run.status == "success" and remote.uuid in run.remotes), default=None)
    still = full is not None and (fine is None or fine < full)
    return TargetSeen(
        uuid=known.uuid,
        name=known.name,
        free_bytes=known.free_bytes,
        size_bytes=known.size_bytes,
        problem=known.problem,
        full_at=full if still else None,
    )

"""Tasks over time: does it move, how fast, when is it done, will nobody ever move it again. Pure.

A task's progress alone proves little: Xen Orchestra tells it at most every 5 s or 1 %, and a big disk's percent takes
minutes. So progress is joined with bytes: of the hosts' network without their guests', of the SR, of guests' interfaces
(an appliance that is a VM of the pool receives there).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from chainwatch_collector.backups.seen import TRANSFERS, TaskKind, TaskSeen
from chainwatch_collector.backups.task_names import Names, kind_of
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Host, HostRates, Ref, Task
from chainwatch_collector.judge.thresholds import Thresholds

RATES_AGE: Final = timedelta(minutes=4)
"""Rates older than this say nothing of now."""
SLOPE_SPAN: Final = timedelta(minutes=30)
GHOST_AGE: Final = timedelta(days=1)
"""xapi destroys a pending task whose progress did not rise for so long (db_gc_util.ml); older ones are nobody's."""
MAX_STEPS: Final = 60
MOVED_SECONDS: Final = 180.0
"""What moved so recently moves: rates come once a minute."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A task as it was seen. `steps`: (when, progress) at each change; `bytes_at`: when bytes were last seen moving;
    `bytes_since`: since when they are observed without a break, None while they are not. `told`: it stood still
    before a restart and was told so: that the rates are not there yet is no news of it."""

    task: Task
    steps: tuple[tuple[datetime, float], ...]
    bytes_at: datetime | None = None
    bytes_since: datetime | None = None
    rate: float | None = None
    place: tuple[str | None, str | None] = (None, None)
    told: bool = False


@dataclass(slots=True)
class TaskWatch:
    """Feed it pictures, ask it for tasks. One per pool."""

    floor_bytes_per_second: float = 32768
    _watched: dict[Ref, Watched] = field(default_factory=dict)
    _resumed: dict[str, tuple[datetime, float]] = field(default_factory=dict)
    _names: Names | None = None
    _names_of: tuple[object, object] = (None, None)
    _picture: Picture | None = None

    def resume(self, stood: Mapping[str, tuple[datetime, float]]) -> None:
        """After a restart: task uuid → (since when it stood still, at what progress), as its finding had it."""
        self._resumed = dict(stood)

    def see(self, picture: Picture) -> None:
        """A newer picture; one of a pool that cannot be asked says nothing new."""
        at = picture.as_of
        self._picture = picture
        if at is None or not picture.reachable:
            return
        pending = {ref: task for ref, task in picture.tasks.items() if task.status == "pending"}
        self._watched = {ref: self._seen(picture, task, at) for ref, task in pending.items()}

    def _seen(self, picture: Picture, task: Task, at: datetime) -> Watched:
        known = self._watched.get(task.ref)
        if known is None:
            since, progress = self._resumed.pop(task.uuid, (at, task.progress))
            began = task.created_at or at
            stood = since if progress == task.progress else at
            steps = ((began, 0.0), (stood, task.progress))
            known = Watched(task, steps, place=self._place(picture, task), told=stood < at)
        elif known.steps[-1][1] != task.progress:
            known = replace(known, steps=(*known.steps, (at, task.progress))[-MAX_STEPS:], told=False)
        if kind_of(task.name) not in TRANSFERS:
            return replace(known, task=task)
        return replace(self._with_bytes(picture, known, at), task=task)

    def _place(self, picture: Picture, task: Task) -> tuple[str | None, str | None]:
        sr = picture.srs.get(task.applies_to_ref or "")
        if sr is not None:
            return sr.uuid, None
        if kind_of(task.name) not in TRANSFERS:
            return None, None
        of = (picture.vdis_by_sr, picture.vms)
        if self._names is None or any(one is not other for one, other in zip(of, self._names_of, strict=True)):
            self._names, self._names_of = Names(picture), of
        return self._names.place(task)

    def _with_bytes(self, picture: Picture, known: Watched, at: datetime) -> Watched:
        rates = [one for one in picture.rates.values() if at - one.at <= RATES_AGE]
        rate = transfer_rate(kind_of(known.task.name), known.place[0], rates)
        if rate is None:
            return replace(known, bytes_since=None, rate=None)
        moved_at = max(one.at for one in rates) if rate >= self.floor_bytes_per_second else known.bytes_at
        return replace(known, rate=rate, bytes_since=known.bytes_since or at, bytes_at=moved_at)

    def tasks(self, now: datetime, limits: Thresholds) -> tuple[TaskSeen, ...]:
        """The pending tasks, oldest first."""
        picture = self._picture
        if picture is None:
            return ()
        hosts = picture.hosts
        seen = [_told(one, hosts, now, limits) for one in self._watched.values()]
        return tuple(sorted(seen, key=lambda task: (task.created_at, task.uuid)))


def transfer_rate(kind: TaskKind, sr_uuid: str | None, hosts: Iterable[HostRates]) -> float | None:
    """Bytes per second that such a task may be moving now: no more than its SR does, and than the network does.

    None where no host says anything of either.
    """
    known = list(hosts)
    evidence = [rate for rate in (_sr_rate(kind, sr_uuid, known), _network_rate(kind, known)) if rate is not None]
    return min(evidence, default=None)


def _sr_rate(kind: TaskKind, sr_uuid: str | None, hosts: list[HostRates]) -> float | None:
    """What all hosts read from (an import: write to) the task's SR. A host without a tapdisk on it has no source."""
    if sr_uuid is None:
        return None
    found = [rates for rates in (one.srs.get(sr_uuid[:8]) for one in hosts) if rates is not None]
    return sum(rates[1] if kind == "import" else rates[0] for rates in found) if found else None


def _network_rate(kind: TaskKind, hosts: list[HostRates]) -> float | None:
    """The larger of what dom0s themselves send (an import: receive) and what any one guest receives (sends)."""
    if kind == "copy":
        return None  # within a host nothing goes over a network
    direction = 0 if kind == "import" else 1
    of_hosts = [_own(one, direction) for one in hosts if one.network is not None]
    of_guests = [rates[1 - direction] for one in hosts for rates in one.vifs.values()]
    return max([*of_hosts, *of_guests], default=None)


def _own(host: HostRates, direction: int) -> float:
    assert host.network is not None
    return max(0.0, host.network[direction] - sum(rates[direction] for rates in host.vifs.values()))


def _told(known: Watched, hosts: Mapping[Ref, Host], now: datetime, limits: Thresholds) -> TaskSeen:
    task, kind = known.task, kind_of(known.task.name)
    host = hosts.get(task.resident_on_ref or "")
    still_since = max(filter(None, (known.steps[-1][0], known.bytes_at)))
    still_for = (now - still_since).total_seconds()
    ghost = _ghost(task, host, now - known.steps[-1][0]) if kind in TRANSFERS else ""
    return TaskSeen(
        ref=task.ref,
        uuid=task.uuid,
        name=task.name,
        kind=kind,
        created_at=task.created_at or known.steps[0][0],
        progress=task.progress,
        still_since=still_since,
        moving=_moving(kind, known, still_for, ghost, limits),
        ghost=ghost,
        rate_bytes_per_second=known.rate,
        eta_seconds=_eta_seconds(known, now),
        bytes_known=known.bytes_since is not None,
        host_uuid=host.uuid if host is not None else None,
        host_name=host.name if host is not None else "",
        sr_uuid=known.place[0],
        vdi_uuid=known.place[1],
        creator=task.creator,
    )


def _moving(kind: TaskKind, known: Watched, still_for: float, ghost: str, limits: Thresholds) -> bool | None:
    """SM's GC tells its progress between pairs of images only: there standing still says nothing."""
    if ghost:
        return False
    if kind not in TRANSFERS:
        return None
    sure = known.bytes_since is not None or known.told
    patience = limits.backup_stalled_seconds if sure else limits.backup_stalled_unseen_seconds
    flows = known.rate is not None and known.rate >= limits.backup_stalled_bytes_per_second
    if still_for >= patience and not flows:  # rates are older than a short patience, and nothing newer is known
        return False
    moved = len(known.steps) > 2 or known.bytes_at is not None
    return True if moved and still_for < MOVED_SECONDS else None


def _ghost(task: Task, host: Host | None, progress_stands_for: timedelta) -> str:
    """Why nobody will move it again (chains.md 2.1, 19)."""
    if task.resident_on_ref is not None and host is None:
        return "the host that ran it is no longer in the pool"
    if host is not None and host.live is False:
        return f"host {host.name}, which ran it, is not live"
    if progress_stands_for >= GHOST_AGE:
        return "nothing has moved it for a day"
    return ""


def _eta_seconds(known: Watched, now: datetime) -> float | None:
    """By its progress over the last half hour: the size that it copies is not XenAPI's to tell."""
    last_at, last = known.steps[-1]
    first = next((step for step in known.steps if last_at - step[0] <= SLOPE_SPAN), known.steps[0])
    seconds = (last_at - first[0]).total_seconds()
    if last <= first[1] or last <= 0 or seconds <= 0 or len(known.steps) < 3:
        return None
    slope = (last - first[1]) / seconds
    left = (1.0 - last) / slope - (now - last_at).total_seconds()
    return max(0.0, left)

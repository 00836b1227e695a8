"""What is known of a pool's backups and of its past at one moment: immutable, a part of the pool's state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

TaskKind = Literal["export", "import", "copy", "migration", "gc", "scan", "snapshot", "other"]
TRANSFERS: frozenset[TaskKind] = frozenset(("export", "import", "copy", "migration"))
ForecastKind = Literal["chain_limit", "sr_full", "backlog_clear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSeen:
    """A pending XenAPI task over time.

    `still_since`: since when its progress stands and, where bytes are observable, none moved either. `moving` None:
    cannot be told. `ghost`: why nothing will ever move it, empty where that is not known. `bytes_known`: whether the
    host's RRDs say something of its bytes. `sr_uuid`, `vdi_uuid`: what its name means, None where several would fit.
    """

    ref: str
    uuid: str
    name: str
    kind: TaskKind
    created_at: datetime
    progress: float
    still_since: datetime
    moving: bool | None
    ghost: str = ""
    rate_bytes_per_second: float | None = None
    eta_seconds: float | None = None
    bytes_known: bool = False
    host_uuid: str | None = None
    host_name: str = ""
    sr_uuid: str | None = None
    vdi_uuid: str | None = None
    creator: str = ""


@dataclass(frozen=True, slots=True)
class Bucket:
    """One number of one subject over an hour or a cycle that begins at `at`."""

    at: datetime
    least: float
    most: float
    last: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """When a number reaches `limit`, in nine cases of ten between `earliest_at` and `latest_at`.

    `at` None: `reason` says why nothing is foretold. `latest_at` None with an `at`: it may also never happen.
    `uuid`: an SR's, of a chain its leaf's; `sr_uuid`: where that is. `cycles`: how many the data carry.
    `per_cycle`: how much the number moves from cycle to cycle; `now`: where it stands.
    """

    kind: ForecastKind
    uuid: str
    sr_uuid: str
    now: float
    limit: float
    per_cycle: float | None = None
    cycles: int = 0
    at: datetime | None = None
    earliest_at: datetime | None = None
    latest_at: datetime | None = None
    reason: str = ""


BaseProblem = Literal["", "replica_gone", "no_base", "disk_added", "disk_moved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseSeen:
    """What the next run of a job finds of a VM. `job`: its id, name, or legacy mark; `job_name` for people.

    `snapshot_uuid`: the base, empty where there is none; `at`: when it was made. `problem` empty: the next run is a
    delta; else `full_vdis` are exported whole, `full_bytes` by the allocated size of their chains. `target_srs`: SRs
    that hold replicas, or should; `unseen_srs`: those of them that no pool shows. `cbt_off`: disks whose base still has
    changed-block tracking, which they have not. `last_success`: the newest that any mark tells of this VM and job.
    """

    vm_uuid: str
    vm_name: str
    job: str
    job_name: str = ""
    snapshot_uuid: str = ""
    snapshot_name: str = ""
    at: datetime | None = None
    problem: BaseProblem = ""
    full_vdis: tuple[str, ...] = ()
    full_bytes: int = 0
    target_srs: tuple[str, ...] = ()
    unseen_srs: tuple[str, ...] = ()
    cbt_off: tuple[str, ...] = ()
    last_success: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftoverSeen:
    """A snapshot of a run that died: it keeps the chain from being merged and nobody comes back for it."""

    vm_uuid: str
    vm_name: str
    snapshot_uuid: str
    snapshot_name: str
    at: datetime | None
    job: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSeen:
    """Where a job writes to. `free_bytes` None: `problem` says why it is not observable. `full_at`: when a run last
    ended with ENOSPC there and none succeeded since."""

    uuid: str
    name: str
    free_bytes: int | None = None
    size_bytes: int | None = None
    problem: str = ""
    full_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSeen:
    """A backup job as one pool sees it. `uuid`: Xen Orchestra's id of it, or one made of its name.

    `vms`: those of this pool that it backs up now; `total`: of all pools. `empty`: why that is none, with the clause or
    pool to blame. `home`: whether this pool tells what concerns the job as a whole. `due`: its last times, ascending.
    `successes`: VM uuid → its last success by Xen Orchestra's logs; `tried`: VM uuid → the first time that they tell
    of it; `skipped`: VM uuid → how often it was skipped since its last success. `whole`: every run is a full one.
    """

    uuid: str
    name: str
    home: bool = False
    vms: tuple[str, ...] = ()
    total: int = 0
    empty: str = ""
    whole: bool = False
    due: tuple[datetime, ...] = ()
    next_at: datetime | None = None
    successes: Mapping[str, datetime] = field(default_factory=dict)
    tried: Mapping[str, datetime] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    target_srs: tuple[str, ...] = ()
    targets: tuple[TargetSeen, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleSeen:
    """From one backup of an SR's disks to the next, as `job` has it."""

    seconds: float
    job: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSeen:
    """A job's next run without room on an SR: its snapshots of `disks` disks need `need_bytes` together at least."""

    job: str
    next_at: datetime
    sr_uuid: str
    disks: int
    need_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupsSeen:
    """`foreseen`: soonest first. `least_pending`: SR uuid → the least that was pending in each complete cycle, oldest
    first; a cycle without samples ends what is known before it. `jobs_known`: whether jobs and the replicas of other
    pools were looked at since the start; where they were not, that nothing is wrong with them is not known. `cycles`:
    SR uuid → how often it is backed up, where jobs tell it. `windows`: those without room."""

    tasks: tuple[TaskSeen, ...] = ()
    foreseen: tuple[Foreseen, ...] = ()
    bases: tuple[BaseSeen, ...] = ()
    leftovers: tuple[LeftoverSeen, ...] = ()
    jobs: tuple[JobSeen, ...] = ()
    jobs_known: bool = True
    least_pending: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    cycles: Mapping[str, CycleSeen] = field(default_factory=dict)
    windows: tuple[WindowSeen, ...] = ()

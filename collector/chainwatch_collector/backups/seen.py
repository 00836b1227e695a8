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


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupsSeen:
    """`foreseen`: soonest first. `least_pending`: SR uuid → the least that was pending in each complete cycle, oldest
    first; a cycle without samples ends what is known before it."""

    tasks: tuple[TaskSeen, ...] = ()
    foreseen: tuple[Foreseen, ...] = ()
    least_pending: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

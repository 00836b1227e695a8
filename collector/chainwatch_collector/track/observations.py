"""What agents observe besides the log: processes, locks, mounts, the host itself. Plain values, no protobuf.

Times aware UTC or None, sizes bytes, uuids full or empty. `receive` makes them, `track` folds them in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

ProcessKind = Literal[
    "unknown",
    "gc",
    "vhd_coalesce",
    "vhd_check",
    "vhd_repair",
    "vhd_other",
    "qemu_commit",
    "qemu_check",
    "qemu_rebase",
    "qemu_other",
    "tap_ctl_commit",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSeen:
    """One image or GC process at one moment. (pid, start_ticks) and the host's boot are its identity."""

    pid: int
    ppid: int
    start_ticks: int
    kind: ProcessKind
    sr_uuid: str
    vdi_uuid: str
    parent_vdi_uuid: str
    command: str
    image_path: str
    read_bytes: int
    write_bytes: int
    state: str
    wchan: str
    started_at: datetime | None
    ancestors: tuple[int, ...]
    gc_lock_sr_uuid: str
    cpu_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessGone:
    """A process that ended; `exact` where the kernel said so, with its exit status."""

    pid: int
    start_ticks: int
    kind: ProcessKind
    sr_uuid: str
    vdi_uuid: str
    seen_until: datetime | None
    exact: bool
    exit_status: int
    write_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessesObserved:
    """One Samples message of a host."""

    host_uuid: str
    at: datetime | None
    processes: tuple[ProcessSeen, ...]
    ended: tuple[ProcessGone, ...]
    dropped_total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateRefused:
    """A second dom0 that came with the certificate of a connected host. `at`: by the collector's clock.

    `hostname` is what the refused one calls itself, `peer` its address as gRPC writes it.
    """

    host_uuid: str
    at: datetime
    live_machine_id: str
    machine_id: str
    hostname: str
    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """All certificates of a host were revoked. `at`: by the collector's clock."""

    at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFaults:
    """The last run of streams that were ended for an agent's fault, by the collector's clock.

    `text`: what the last one was ended for, in the collector's words. `peer`: where it came from, as gRPC writes it.
    `slowed`: none was ended, but for minutes on end it says more than it may and is read the more slowly.
    """

    since: datetime
    at: datetime
    times: int
    text: str
    peer: str
    slowed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustSeen:
    """By host uuid: the last dom0 that was refused in its name, who revoked it and gave it no certificate since, and
    its agent's faults.
    """

    duplicates: Mapping[str, DuplicateRefused] = field(default_factory=dict)
    revoked: Mapping[str, Revocation] = field(default_factory=dict)
    faults: Mapping[str, AgentFaults] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHeld:
    """A lock below /var/lock/sm/<sr>: who holds it, or waits for it."""

    sr_uuid: str
    lock: str
    pid: int
    start_ticks: int
    waiting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SrRuntimeSeen:
    """What dom0 shows of an SR's GC at run time; `speeds` in bytes per second, newest last."""

    sr_uuid: str
    gc_init_at: datetime | None
    gc_running: tuple[str, ...]
    ipc_flags: tuple[str, ...]
    speeds: tuple[float, ...]
    unit_state: str
    unit_pids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MountSeen:
    """One line of mountinfo that belongs to an SR."""

    sr_uuid: str
    mount_point: str
    fs_type: str
    source: str
    read_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSeen:
    """A log as it is on disk and how far the agent has read it; `problem` empty where it can be read."""

    path: str
    size_bytes: int
    mtime: datetime | None
    read_to: int
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSeen:
    """A dom0's own facts."""

    hostname: str
    product_version: str
    product_brand: str
    sm_version: str
    kernel: str
    python: str
    boot_id: str
    booted_at: datetime | None
    timezone: str
    utc_offset_seconds: int
    load_1m: float
    memory_total_bytes: int
    memory_available_bytes: int
    log_free_bytes: int
    log_total_bytes: int
    root_free_bytes: int
    root_total_bytes: int
    no_sm_log: bool
    clock_synchronized: bool
    machine_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusObserved:
    """One Status message of a host. `counters` are listed in proto/README.md 7.5."""

    host_uuid: str
    at: datetime | None
    host: HostSeen
    locks: tuple[LockHeld, ...]
    srs: tuple[SrRuntimeSeen, ...]
    mounts: tuple[MountSeen, ...]
    logs: tuple[LogSeen, ...]
    counters: Mapping[str, float]
    problems: tuple[str, ...]
    dropped_total: int


Observation = ProcessesObserved | StatusObserved

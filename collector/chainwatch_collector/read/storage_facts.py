"""Facts about scans, images, SM's driver calls and the host around them: what is not the life of one GC run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chainwatch_collector.read.words import Fact

# --- scans, images --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanFailed(Fact):
    """A scan went wrong: GC's own tries (T4), its last word (T5), the driver's (V1-V10). `vdis` where it names them."""

    by: Literal["gc", "driver"]
    final: bool
    vdis: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSucceeded(Fact):
    """The SR was scanned to the end: heals ScanFailed. By the GC (a tree was printed) or by the driver (sr_scan)."""

    by: Literal["gc", "driver"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentMissing(Fact):
    """T9, T10."""

    parent: str
    child: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VdiCorrupt(Fact):
    """An image failed its check or could not be read (C41, V3, V5, V6, T7). `sure` False: may only be unavailable."""

    vdi: str
    detail: str
    sure: bool = True
    after_kill: bool = False


# --- SM's general errors --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SmCommandStarted(Fact):
    """A1: a driver call with the SR and VDI it is about. Nothing else of its parameters is kept."""

    command: str
    vdi: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SmErrorRaised(Fact):
    """A2, A3: what SM raised, in which command, for which SR and VDI. `code` None for a plain Python exception."""

    code: int | None
    name: str
    params: str
    command: str | None
    vdi: str | None
    need_bytes: int | None = None
    free_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceShort(Fact):
    """A9, A10: what SM would have needed and what was free."""

    free_bytes: int
    need_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LockWaited(Fact):
    """K4: a lock was held by someone else; -1: already free again. G13, L42: SM gave up waiting."""

    path: str
    holder_pid: int | None
    gave_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSlow(Fact):
    """A call that took long: V12 (LVM), P15 and P10/P11 (a guest disk paused), C25, T17 (a host that must be asked)."""

    what: Literal["lvm", "pause", "child", "host_check"]
    seconds: float | None
    detail: str = ""
    vdi: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TapdiskPaused(Fact):
    """P1 (asked) or P7/P10 (done on the guest's host)."""

    vdi: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TapdiskUnpaused(Fact):
    """P2, P8/P11, L27; `paused_seconds` where the pause was seen too."""

    vdi: str
    paused_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TapdiskUnpauseFailed(Fact):
    """L29-L31, P12: a guest disk may stay frozen."""

    vdi: str | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationWaited(Fact):
    """P18, P24, Q2, Q3: a VM start waits for the GC or the SR lock."""

    vdi: str | None
    on: Literal["relink", "sr_lock", "coalesce"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAsked(Fact):
    """T17, C45b: the run asked a pool member (by host ref or name) and waits for it."""

    host_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemLogged(Fact):
    """daemon.log, kern.log, user.log, drbd-kern.log: a literal that carries a reason."""

    what: Literal[
        "unit_started",
        "unit_failed",
        "io_error",
        "read_only",
        "nfs_down",
        "nfs_up",
        "path_down",
        "drbd",
        "vhd_error",
        "oom",
        "tapdisk",
    ]
    detail: str
    device: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageLost(Fact):
    """Bytes that were never read lie before this point: what ended in there is not known."""

    lost_bytes: int | None

"""What a pool's facts, observations and inventory add up to at one moment: immutable, and all that `judge` sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from chainwatch_collector.backups.seen import BackupsSeen
from chainwatch_collector.chains.forest import Forest
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Host, Sr
from chainwatch_collector.read.facts import GcSwitchedOff, LineRef, LockWaited
from chainwatch_collector.read.words import Switch
from chainwatch_collector.track.coverage import Coverage
from chainwatch_collector.track.crowding import Crowd
from chainwatch_collector.track.image_work import ImageProcess
from chainwatch_collector.track.incidents import Incident, IncidentKind
from chainwatch_collector.track.observations import (
    AgentFaults,
    DuplicateRefused,
    LockHeld,
    Revocation,
    SrRuntimeSeen,
    StatusObserved,
)
from chainwatch_collector.track.runs_seen import RunSeen
from chainwatch_collector.track.steps import CopyRate, StepSeen
from chainwatch_collector.track.trees import LoggedTrees

StateWord = Literal[
    "idle",
    "quiet",
    "waiting",
    "running",
    "failed",
    "blocked",
    "crashed",
    "starved",
    "stuck",
    "disabled",
    "unknown",
    "no_gc",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """One host. `key`: its uuid where known, else the name in its log. `connected` None: no agent was ever there.

    `dropped_at`: when observations were last lost because the agent's ring was full; `dropped_total`: how many in all.
    `duplicate`: the last dom0 that was refused because it came with this host's certificate. `revoked`: it has no
    certificate that the collector knows of. `faults`: for what its agent's streams were last ended again and again.
    `crowd`: for what its log was last cut down.
    `coverage` None: not one line of its log was read. `first_at`, `newest_at`: times of lines read since the last gap.
    """

    key: str
    name: str
    record: Host | None = None
    connected: bool | None = None
    connection_changed_at: datetime | None = None
    last_seen_at: datetime | None = None
    coverage: Coverage | None = None
    first_at: datetime | None = None
    newest_at: datetime | None = None
    gaps: tuple[LineRef, ...] = ()
    lost_bytes: int = 0
    status: StatusObserved | None = None
    log_grew_at: datetime | None = None
    dropped_total: int = 0
    dropped_at: datetime | None = None
    clock_ahead_seconds: float | None = None
    duplicate: DuplicateRefused | None = None
    revoked: Revocation | None = None
    faults: AgentFaults | None = None
    crowd: Crowd | None = None
    sampled_at: datetime | None = None
    incidents: tuple[Incident, ...] = ()
    processes: tuple[ImageProcess, ...] = ()

    @property
    def covered_until(self) -> datetime | None:
        """Up to when its log is known."""
        return self.coverage.until if self.coverage is not None and self.coverage.until else self.newest_at

    @property
    def covered_since(self) -> datetime | None:
        """Since when its log is known without a gap."""
        return self.coverage.since if self.coverage is not None and self.coverage.since else self.first_at


@dataclass(frozen=True, slots=True, kw_only=True)
class SrState:
    """One SR. `uuid` is the 4 hex digits as printed where nothing resolves them; `record` None without an inventory.

    `gc_host`: key in `PoolState.hosts` of the host that runs its GC, None where that is not known.
    `clean_ends`: ends of runs without a failure since the last one with one, the older ones thinned.
    `pending_since`, `garbage_since`, `flags_since`: VDI uuid, or (uuid, flag) → when the pictures first showed it so.
    `host_keys_since`: likewise by (uuid, host ref); `host_keyed_refs`: references of those VDIs.
    `missing_vdis`: uuids with `VDI.missing`.
    `no_gc`: why SM's GC does not work on it, empty where it does. Its state in a word is `judge`'s, who has thresholds.
    """

    uuid: str
    name: str
    no_gc: str = ""
    record: Sr | None = None
    forest: Forest | None = None
    tree: LoggedTrees | None = None
    gc_host: str | None = None
    hosts: tuple[str, ...] = ()
    open_run: RunSeen | None = None
    step: StepSeen | None = None
    runs: tuple[RunSeen, ...] = ()
    incidents: tuple[Incident, ...] = ()
    switches: Mapping[Switch, GcSwitchedOff] = field(default_factory=dict)
    kick: LineRef | None = None
    abort: LineRef | None = None
    lock_wait: LockWaited | None = None
    full_run: LineRef | None = None
    scan_ok: LineRef | None = None
    scan_failures: int = 0
    clean_ends: tuple[datetime, ...] = ()
    last_merge: LineRef | None = None
    rates: tuple[CopyRate, ...] = ()
    processes: tuple[ImageProcess, ...] = ()
    locks: tuple[LockHeld, ...] = ()
    runtime: SrRuntimeSeen | None = None
    pending_since: Mapping[str, datetime] = field(default_factory=dict)
    garbage_since: Mapping[str, datetime] = field(default_factory=dict)
    flags_since: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    host_keys_since: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    host_keyed_refs: frozenset[str] = frozenset()
    missing_vdis: tuple[str, ...] = ()

    def open_incidents(self, *kinds: IncidentKind) -> list[Incident]:
        """Those of these kinds, oldest first."""
        return [incident for incident in self.incidents if incident.kind in kinds]

    @property
    def ref(self) -> str | None:
        """The SR's OpaqueRef."""
        return self.record.ref if self.record is not None else None

    def vdi_name(self, vdi: str) -> str:
        """The label of a VDI, empty where the inventory does not have it."""
        node = self.forest.nodes.get(vdi) if self.forest is not None else None
        return node.vdi.name if node is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolState:
    """A pool at one moment. `pool_uuid` None offline without an inventory.

    `offline`: only logs and perhaps a dump, nobody that could be asked: no agent is missing, nothing is lost.
    `held_since`: ref of a VBD that is attached to a control domain → when the pictures first showed it so.
    `backups`: tasks and forecasts, which need more than one moment.
    """

    pool_uuid: str | None
    now: datetime
    offline: bool = False
    picture: Picture | None = None
    held_since: Mapping[str, datetime] = field(default_factory=dict)
    hosts: Mapping[str, HostState] = field(default_factory=dict)
    srs: Mapping[str, SrState] = field(default_factory=dict)
    backups: BackupsSeen = field(default_factory=BackupsSeen)

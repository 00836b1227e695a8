"""One host: its log folded per SR, what its agent observes, and whether the agent is there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from chainwatch_collector.read.facts import (
    CoverageLost,
    Fact,
    LineRef,
    LockWaited,
    RunKey,
    SystemLogged,
)
from chainwatch_collector.read.runs import Run
from chainwatch_collector.track.coverage import Coverage
from chainwatch_collector.track.image_work import ImageWork
from chainwatch_collector.track.incidents import Incident, Incidents
from chainwatch_collector.track.observations import DuplicateRefused, Observation, ProcessesObserved, StatusObserved
from chainwatch_collector.track.runs_seen import run_seen
from chainwatch_collector.track.sr_log import SrLog

_SR_IN_LOCK = re.compile(r"/var/lock/sm/(?:lvm-)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/")
_RUN_NAMES_KEPT = 500
_GC_ENDED_KEPT = 200
_LOOKS_KEPT = 12
_DEVICE_LENGTH = 256


@dataclass(slots=True)
class HostLog:
    """`host`: the uuid live, the host name in the lines offline.

    `gc_alive_at`: SR uuid (empty where it is not known) → when the agent last saw a GC of it; `looks`: when the agent
    told of locks and units, oldest first.
    """

    host: str
    srs: dict[str, SrLog] = field(default_factory=dict)
    incidents: Incidents = field(default_factory=Incidents)
    run_srs: dict[RunKey, str] = field(default_factory=dict)
    coverage: Coverage | None = None
    first_at: datetime | None = None
    newest_at: datetime | None = None
    gaps: tuple[LineRef, ...] = ()
    lost_bytes: int = 0
    connected: bool | None = None
    connection_changed_at: datetime | None = None
    seen_at: datetime | None = None
    status: StatusObserved | None = None
    processes: ProcessesObserved | None = None
    images: ImageWork = field(default_factory=ImageWork)
    grew_at: datetime | None = None
    gc_ended: dict[int, datetime] = field(default_factory=dict)
    gc_alive_at: dict[str, datetime] = field(default_factory=dict)
    looks: tuple[datetime, ...] = ()
    dropped_total: int = 0
    dropped_at: datetime | None = None
    clock_ahead_seconds: float | None = None
    duplicate: DuplicateRefused | None = None
    version: int = 0
    sr_versions: dict[str, int] = field(default_factory=dict)

    # --- the log ----------------------------------------------------------------------------------------------

    def take(self, facts: Sequence[Fact], runs: Sequence[Run], coverage: Coverage | None) -> None:
        """Read on: facts in the order of the log, and the runs that changed with them."""
        self.version += 1
        if coverage is not None:
            self.coverage = coverage
        for run in runs:
            self._run(run)
        for fact in facts:
            self._time(fact.ref.at)
            self._fact(fact)

    def _time(self, at: datetime | None) -> None:
        if at is not None:
            self.first_at = self.first_at or at
            self.newest_at = at if self.newest_at is None else max(self.newest_at, at)

    def _run(self, run: Run) -> None:
        seen = run_seen(run)
        if seen.sr:
            self._named(run.key, seen.sr)
            log = self._log(seen.sr)
            log.runs.take(seen)
            log.called(run.sr_name or "")

    def _named(self, run: RunKey, sr: str) -> None:
        self.run_srs[run] = sr
        while len(self.run_srs) > _RUN_NAMES_KEPT:
            del self.run_srs[next(iter(self.run_srs))]

    def _log(self, sr: str) -> SrLog:
        log = self.srs.get(sr)
        if log is None:
            log = self.srs[sr] = SrLog(sr)
        self.sr_versions[sr] = self.version
        return log

    def _fact(self, fact: Fact) -> None:
        sr = fact.sr
        if isinstance(fact, LockWaited) and sr is None:
            found = _SR_IN_LOCK.search(fact.path)
            sr = found[1] if found else None
        if fact.run is not None:
            sr = self.run_srs.get(fact.run, sr)
            if sr is not None and fact.run not in self.run_srs:
                self._named(fact.run, sr)
        if isinstance(fact, CoverageLost):
            self._gap(fact)
        elif sr is not None:
            self._log(sr).fold(fact)
        else:
            self._system(fact)

    def _gap(self, fact: CoverageLost) -> None:
        self.gaps = (*self.gaps, fact.ref)[-5:]
        self.lost_bytes += fact.lost_bytes or 0
        self.first_at = fact.ref.at or self.first_at

    def _system(self, fact: Fact) -> None:
        """What no SR is named for: the kernel's and daemons' words, lock waits on names of no SR."""
        if isinstance(fact, SystemLogged):
            device = (fact.device or "")[:_DEVICE_LENGTH]
            if fact.what == "nfs_up":
                self.incidents.heal("system", key=f"nfs_down:{device}")
                return
            key = f"{fact.what}:{device}"
            incident = Incident(
                kind="system", key=key, first=fact.ref, last=fact.ref, cause=fact.what, detail=fact.detail
            )
            self.incidents.met(incident)

    # --- the agent --------------------------------------------------------------------------------------------

    def observe(self, observation: Observation, received_at: datetime | None = None) -> None:
        """Samples or a status; an older one than the last is ignored. `received_at`: by the collector's clock."""
        self.version += 1
        if received_at is None:
            self._heard(observation.at)
        else:
            # The collector's own clock, whatever the agent's said before.
            self.seen_at = received_at
        if received_at is not None and observation.at is not None:
            self.clock_ahead_seconds = (observation.at - received_at).total_seconds()
        if isinstance(observation, ProcessesObserved):
            self._dropped(observation)
            if _newer(observation.at, self.processes.at if self.processes else None):
                self.processes = observation
                self._alive(observation.at, (seen.sr_uuid for seen in observation.processes if seen.kind == "gc"))
                self._gone(observation)
                self.images.see(observation)
        elif _newer(observation.at, self.status.at if self.status else None):
            self._grown(observation)
            self.status = observation
            self._looked(observation)

    def _dropped(self, observed: ProcessesObserved) -> None:
        """Observations that the agent's ring had no room for; the first word of an agent only sets the mark."""
        before = self.processes.dropped_total if self.processes is not None else observed.dropped_total
        if observed.dropped_total > before:
            self.dropped_at = observed.at
        self.dropped_total = observed.dropped_total

    def _gone(self, observed: ProcessesObserved) -> None:
        """GC processes that are no more: a run whose process ended has ended, whatever its log still owes."""
        for ended in observed.ended:
            if ended.kind == "gc" and ended.seen_until is not None:
                self.gc_ended[ended.pid] = ended.seen_until
                if len(self.gc_ended) > _GC_ENDED_KEPT:
                    del self.gc_ended[next(iter(self.gc_ended))]

    def _looked(self, status: StatusObserved) -> None:
        holding = [lock.sr_uuid for lock in status.locks if lock.lock == "gc_active"]
        self._alive(status.at, (*holding, *(seen.sr_uuid for seen in status.srs if seen.unit_pids)))
        if status.at is not None:
            self.looks = (*self.looks, status.at)[-_LOOKS_KEPT:]

    def _alive(self, at: datetime | None, srs: Iterable[str]) -> None:
        if at is None:
            return
        for sr in srs:
            self.gc_alive_at.pop(sr, None)
            self.gc_alive_at[sr] = at
        while len(self.gc_alive_at) > _GC_ENDED_KEPT:
            del self.gc_alive_at[next(iter(self.gc_alive_at))]

    def _grown(self, status: StatusObserved) -> None:
        before = {log.path: log.size_bytes for log in self.status.logs} if self.status else {}
        if any(log.size_bytes != before.get(log.path) for log in status.logs if log.path.endswith("SMlog")):
            self.grew_at = status.at

    def _heard(self, at: datetime | None) -> None:
        if _newer(at, self.seen_at):
            self.seen_at = at

    def stream_changed(self, connected: bool, at: datetime) -> None:
        """The agent's stream came or went."""
        self.version += 1
        if _newer(at, self.connection_changed_at):
            self.connected, self.connection_changed_at = connected, at
        self._heard(at)

    def duplicate_refused(self, duplicate: DuplicateRefused) -> None:
        """Another dom0 came with this host's certificate. That is no word of the host itself."""
        self.version += 1
        if _newer(duplicate.at, self.duplicate.at if self.duplicate else None):
            self.duplicate = duplicate


def _newer(at: datetime | None, than: datetime | None) -> bool:
    return at is not None and (than is None or at >= than)

"""A pool's state, kept current: facts, observations and pictures in, `PoolState` out. Pure; the clock is an argument.

Each host's log is folded in its own order; what several hosts and sources say is put together only when the state is
asked for. So the interleaving between hosts and sources does not matter, and nothing else is free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from chainwatch_collector.chains.build import build_forest
from chainwatch_collector.chains.forest import Forest
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Host, Sr, Vdi
from chainwatch_collector.read.facts import Fact
from chainwatch_collector.read.runs import Run
from chainwatch_collector.track import assemble, crowding, places
from chainwatch_collector.track.coverage import Coverage
from chainwatch_collector.track.crowding import Crowd
from chainwatch_collector.track.host_log import HostLog
from chainwatch_collector.track.image_work import ImageProcess
from chainwatch_collector.track.observations import AgentFaults, DuplicateRefused, Observation, Revocation
from chainwatch_collector.track.since import Since, held_by_control_domains
from chainwatch_collector.track.state import HostState, PoolState, SrState
from chainwatch_collector.track.stored import Kept, Packer, TrackerRefusedError, unpack

TRACK_VERSION = 3
"""Raised whenever the same evidence would give another state: then the pool is folded anew."""
ForestBuilder = Callable[[Sr, Mapping[str, Vdi], Forest | None], Forest]
"""SR, uuid → its VDIs, its former forest → its forest: `chains.build.build_forest`."""
__all__ = ["TRACK_VERSION", "ForestBuilder", "PoolTracker", "TrackerRefusedError"]
_MAGIC = b"CWT"
_GOES_ON = timedelta(minutes=10)


class PoolTracker:
    """Everything known of one pool. `pool_uuid` None offline without an inventory; `offline`: there are no agents."""

    def __init__(self, pool_uuid: str | None, build: ForestBuilder = build_forest, *, offline: bool = False) -> None:
        self.pool_uuid = pool_uuid
        self.offline = offline
        self._hosts: dict[str, HostLog] = {}
        self._since: dict[str, Since] = {}
        self._held: dict[str, datetime] = {}
        self._revoked: Mapping[str, Revocation] = {}
        self._faulty: Mapping[str, AgentFaults] = {}
        self._live = _Live(build)
        self._cut_down: dict[str, str] = {}
        self._crowds: dict[str, Crowd] = {}
        self._packer = Packer()

    # --- what comes in ----------------------------------------------------------------------------------------

    def take(self, host: str, facts: Sequence[Fact], runs: Sequence[Run], coverage: Coverage | None = None) -> None:
        """Facts of one host in the order of its log, the runs that changed with them, and how far the log is known."""
        log = self._host(host)
        log.take(facts, runs, coverage)
        if not self.offline:
            told = crowding.cut_down(log, self._proved)
            if told:
                self.crowded(host, told)

    def crowded(self, host: str, text: str) -> None:
        """Something of what the host sends was left out, because no honest one sends so much; `text` says of what."""
        self._cut_down[host] = text

    def observe(self, observation: Observation, received_at: datetime | None = None) -> None:
        """What an agent saw besides the log; `received_at` by the collector's clock tells the agent's clock apart."""
        self._host(observation.host_uuid).observe(observation, received_at)

    def stream_changed(self, host_uuid: str, connected: bool, at: datetime) -> None:
        """An agent's stream was opened or lost."""
        self._host(host_uuid).stream_changed(connected, at)

    def duplicate_refused(self, duplicate: DuplicateRefused) -> None:
        """A second dom0 came with a connected host's certificate."""
        self._host(duplicate.host_uuid).duplicate_refused(duplicate)

    def revoked(self, hosts: Mapping[str, Revocation]) -> None:
        """Every revoked host, by uuid; to be told again after `load`."""
        self._revoked = hosts

    def faulty(self, hosts: Mapping[str, AgentFaults]) -> None:
        """Every host whose agent broke the rules of its stream, by uuid; to be told again after `load`."""
        self._faulty = hosts

    def see(self, picture: Picture) -> None:
        """A newer picture. Only SRs whose own map of VDIs changed get a new forest."""
        before = dict(self._live.forests)
        former = self._live.picture
        if former is None or former.vbds is not picture.vbds or former.vms is not picture.vms:
            self._held = held_by_control_domains(picture, self._held)
        for sr_uuid, forest in self._live.see(picture).items():
            if picture.as_of is not None and before.get(sr_uuid) is not forest:
                self._since[sr_uuid] = self._since.get(sr_uuid, Since()).see(forest, picture.as_of)

    def _host(self, host: str) -> HostLog:
        found = self._hosts.get(host)
        if found is None:
            found = self._hosts[host] = HostLog(host)
        return found

    def _proved(self) -> set[str]:
        """The SRs that the pool has or had, by their uuids and by the 4 digits of a tree header."""
        uuids = {*self._since, *self._live.by_uuid}
        return uuids | {uuid[:4] for uuid in uuids}

    # --- what comes out ---------------------------------------------------------------------------------------

    def state(self, now: datetime) -> PoolState:
        """The pool as of `now`. SRs that did not change are the very same objects as in the last state."""
        picture = self._live.picture
        parts = assemble.parts_by_sr(self._hosts, picture)
        processes = assemble.processes_by_sr(self._hosts)
        srs = {
            uuid: self._sr(uuid, parts.get(uuid, []), processes.get(uuid, ()))
            for uuid in sorted({*parts, *self._live.by_uuid})
        }
        if len(self._live.cache) > len(srs):
            self._live.cache = {uuid: self._live.cache[uuid] for uuid in srs}
        self._tell_crowds(now)
        return PoolState(
            pool_uuid=self.pool_uuid,
            now=now,
            offline=self.offline,
            picture=picture,
            held_since=self._held,
            hosts=self._host_states(picture),
            srs=srs,
        )

    def _tell_crowds(self, now: datetime) -> None:
        for host, text in self._cut_down.items():
            before = self._crowds.get(host)
            goes_on = before is not None and now - before.at <= _GOES_ON
            self._crowds[host] = Crowd(since=before.since if before and goes_on else now, at=now, text=text)
        self._cut_down.clear()

    def _sr(self, uuid: str, parts: list[assemble.Part], processes: tuple[ImageProcess, ...]) -> SrState:
        live = self._live
        record, forest = live.by_uuid.get(uuid), live.forests.get(uuid)
        gc_record = live.gc_hosts.get(uuid)
        gc_log = self._hosts.get(places.label(gc_record, self._hosts)) if gc_record is not None else None
        key = (
            tuple((part.host, self._hosts[part.host].sr_versions.get(part.log.sr, 0)) for part in parts),
            id(record),
            id(forest),
            gc_record.uuid if gc_record is not None else None,
            tuple((found.process.pid, found.seen_at, found.done_bytes) for found in processes),
            gc_log.status.at if gc_log is not None and gc_log.status is not None else None,
            len(gc_log.gc_ended) if gc_log is not None else 0,
            live.asked_at if any(part.log.incidents.found for part in parts) else None,
        )
        cached = live.cache.get(uuid)
        if cached is not None and cached[0] == key:
            return cached[1]
        around = assemble.Around(
            record, forest, live.picture, gc_record, gc_log, self._since.get(uuid, Since()), processes
        )
        state = assemble.sr_state(uuid, parts, around)
        live.cache[uuid] = (key, state)
        return state

    def _host_states(self, picture: Picture | None) -> dict[str, HostState]:
        records: dict[str, Host] = {host.uuid: host for host in picture.hosts.values()} if picture is not None else {}
        named = places.by_name(records.values())
        found: dict[str, HostState] = {}
        for key in sorted(self._hosts):
            record = records.get(key) or named.get(key)
            uuid = record.uuid if record is not None else key
            log = self._hosts[key]
            trust = places.Trust(self._revoked.get(uuid), self._faulty.get(uuid), self._crowds.get(key))
            found[uuid] = places.host_state(key, log, record, trust)
        for uuid, record in sorted(records.items()):
            if uuid not in found:
                found[uuid] = HostState(key=uuid, name=record.name, record=record, faults=self._faulty.get(uuid))
        return found

    # --- stored and loaded ------------------------------------------------------------------------------------

    def dump(self) -> bytes:
        """Everything but the picture, which its own owner keeps; see it again after `load`."""
        self._cut_down.update(crowding.fit(self._hosts, self._proved(), self._packer))
        kept = Kept(self.pool_uuid, self._hosts, self._since, self._held)
        return _MAGIC + TRACK_VERSION.to_bytes(4, "big") + self._packer.pack(kept)

    @classmethod
    def load(cls, data: bytes, build: ForestBuilder = build_forest) -> PoolTracker:
        """What `dump` gave; raises TrackerRefusedError for another version or a damaged state."""
        if data[:3] != _MAGIC or int.from_bytes(data[3:7], "big") != TRACK_VERSION:
            raise TrackerRefusedError("the stored pool state is of another version")
        kept = unpack(data[7:])
        tracker = cls(kept.pool_uuid, build)
        tracker._hosts, tracker._since, tracker._held = kept.hosts, kept.since, kept.held
        return tracker


class _Live:
    """What is made anew from the picture after a restart: forests, and the states made of them."""

    def __init__(self, build: ForestBuilder) -> None:
        self.build = build
        self.picture: Picture | None = None
        self.by_uuid: dict[str, Sr] = {}
        self.forests: dict[str, Forest] = {}
        self.gc_hosts: dict[str, Host] = {}
        self.cache: dict[str, tuple[object, SrState]] = {}
        self._built_of: dict[str, tuple[Sr, Mapping[str, Vdi]]] = {}

    @property
    def asked_at(self) -> datetime | None:
        """When XenAPI last answered."""
        return self.picture.as_of if self.picture is not None else None

    def see(self, picture: Picture) -> dict[str, Forest]:
        """The forests that are new, by SR uuid."""
        self.picture = picture
        self.by_uuid = {sr.uuid: sr for sr in picture.srs.values()}
        self.gc_hosts = places.gc_hosts(picture)
        for gone in self.forests.keys() - self.by_uuid.keys():
            del self.forests[gone], self._built_of[gone]
        fresh: dict[str, Forest] = {}
        for uuid, sr in self.by_uuid.items():
            vdis = picture.vdis(sr.ref)
            before = self._built_of.get(uuid)
            if before is not None and before[0] is sr and before[1] is vdis:
                continue
            fresh[uuid] = self.forests[uuid] = self.build(sr, vdis, self.forests.get(uuid))
            self._built_of[uuid] = (sr, vdis)
        return fresh

"""Logs of several hosts, the inventory and the observations put together into one SR's state. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from chainwatch_collector.chains.forest import Forest
from chainwatch_collector.chains.scope import no_gc_reason
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Host, Sr
from chainwatch_collector.read.facts import GcSwitchedOff, LineRef
from chainwatch_collector.read.words import Switch
from chainwatch_collector.track import gone, healing
from chainwatch_collector.track.host_log import HostLog
from chainwatch_collector.track.image_work import ImageProcess
from chainwatch_collector.track.incidents import Incident
from chainwatch_collector.track.runs_seen import RunSeen
from chainwatch_collector.track.since import Since
from chainwatch_collector.track.sr_log import SrLog
from chainwatch_collector.track.state import SrState
from chainwatch_collector.track.trees import LoggedTrees

_UUID_LENGTH = 36
_DIGITS = 4
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Part:
    """What one host's log says of the SR."""

    host: str
    log: SrLog


@dataclass(slots=True)
class Names:
    """8 characters → the one VDI of the SR that has them; absent where two fit or none."""

    full: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, vdis: Iterable[str]) -> Names:
        """From full uuids of one SR: the inventory's, else those that its log has printed."""
        found: dict[str, str] = {}
        twice: set[str] = set()
        for uuid in vdis:
            if found.setdefault(uuid[:8], uuid) != uuid:
                twice.add(uuid[:8])
        return cls({prefix: uuid for prefix, uuid in found.items() if prefix not in twice})

    def resolve(self, name: str) -> str:
        """The full uuid where exactly one fits, else the name as it is."""
        return self.full.get(name, name) if len(name) == 8 else name


def parts_by_sr(hosts: Mapping[str, HostLog], picture: Picture | None) -> dict[str, list[Part]]:
    """SR uuid → the logs about it. A tree header's 4 digits resolve to the one SR they fit, else stay as they are."""
    known = {sr for log in hosts.values() for sr in log.srs if len(sr) == _UUID_LENGTH}
    if picture is not None:
        known |= {sr.uuid for sr in picture.srs.values()}
    fitting = _by_digits(known)
    found: dict[str, list[Part]] = {}
    for host in sorted(hosts):
        for sr, log in sorted(hosts[host].srs.items()):
            found.setdefault(fitting.get(sr) or sr, []).append(Part(host, log))
    return found


def _by_digits(uuids: Iterable[str]) -> dict[str, str]:
    """The 4 digits of a tree header → the one uuid that they fit, empty where several do."""
    found: dict[str, str] = {}
    for uuid in uuids:
        found[uuid[:_DIGITS]] = "" if uuid[:_DIGITS] in found else uuid
    return found


def processes_by_sr(hosts: Mapping[str, HostLog]) -> dict[str, tuple[ImageProcess, ...]]:
    """SR uuid → image processes on it, on whichever host they run."""
    found: dict[str, list[ImageProcess]] = {}
    for key in sorted(hosts):
        for process in hosts[key].images.running.values():
            found.setdefault(process.process.sr_uuid, []).append(process)
    return {sr: tuple(processes) for sr, processes in found.items()}


@dataclass(frozen=True, slots=True)
class Around:
    """What is known of the SR besides its logs. `gc_log`: the log of the host that runs its GC."""

    record: Sr | None
    forest: Forest | None
    picture: Picture | None
    gc_host: Host | None
    gc_log: HostLog | None
    since: Since
    processes: tuple[ImageProcess, ...]


def sr_state(uuid: str, parts: Sequence[Part], around: Around) -> SrState:
    """The SR's state; `parts` in any order."""
    ordered = sorted(parts, key=lambda part: part.host)
    newest = _newest_part(ordered, around.gc_log.host if around.gc_log is not None else None)
    runs = _runs(ordered, around.gc_log)
    record, status = around.record, around.gc_log.status if around.gc_log is not None else None
    return SrState(
        uuid=uuid,
        name=record.name if record is not None else next((p.log.name for p in ordered if p.log.name), ""),
        no_gc=no_gc_reason(record) if record is not None else "",
        record=record,
        forest=around.forest,
        tree=_tree(ordered),
        gc_host=around.gc_host.uuid if around.gc_host is not None else None,
        hosts=tuple(dict.fromkeys(part.host for part in ordered)),
        open_run=_open_run(runs, around.gc_log),
        step=newest.log.step if newest is not None else None,
        runs=tuple(runs),
        incidents=_incidents(ordered, around),
        switches=_switches(ordered),
        kick=_latest(part.log.kick for part in ordered),
        abort=_latest(part.log.abort for part in ordered),
        lock_wait=newest.log.lock_wait if newest is not None else None,
        full_run=_latest(part.log.full_run for part in ordered),
        scan_ok=_latest(part.log.scan_ok for part in ordered),
        scan_failures=max((part.log.scan_failures for part in ordered), default=0),
        clean_ends=tuple(sorted(end for part in ordered for end in part.log.clean_ends)),
        last_merge=_latest(part.log.last_merge for part in ordered),
        rates=tuple(sorted((rate for part in ordered for rate in part.log.rates), key=lambda rate: rate.at)),
        processes=around.processes,
        locks=tuple(lock for lock in status.locks if lock.sr_uuid == uuid) if status is not None else (),
        runtime=next((seen for seen in status.srs if seen.sr_uuid == uuid), None) if status is not None else None,
        pending_since=around.since.pending,
        garbage_since=around.since.garbage,
        flags_since=around.since.flags,
        host_keys_since=around.since.host_keys,
        host_keyed_refs=around.since.keyed_refs,
        missing_vdis=around.since.missing,
    )


def _open_run(runs: Sequence[RunSeen], gc_log: HostLog | None) -> RunSeen | None:
    """The newest run without an end. Where the GC's host is known, one of that host, and not one that is known gone."""
    for run in reversed(runs):
        if run.running and (gc_log is None or (run.key.host == gc_log.host and gone.gone_at(gc_log, run) is None)):
            return run
    return None


def _key(ref: LineRef | None) -> tuple[datetime, str, int, int]:
    """Between hosts only time tells an order; within one host, position (which its own fold has kept already)."""
    if ref is None:
        return (_NEVER, "", 0, 0)
    return (ref.at or _NEVER, ref.host, ref.ordinal, ref.offset)


def _latest(refs: Iterable[LineRef | None]) -> LineRef | None:
    return max((ref for ref in refs if ref is not None), key=_key, default=None)


def _newest_part(parts: Sequence[Part], gc_host: str | None) -> Part | None:
    """The GC host's own log, else the one with the newest run."""
    for part in parts:
        if part.host == gc_host and part.log.started is not None:
            return part
    started = [part for part in parts if part.log.started is not None]
    return max(started, key=lambda part: _key(part.log.started), default=None)


def _runs(parts: Sequence[Part], gc_log: HostLog | None) -> list[RunSeen]:
    found = [gone.as_known(gc_log, run) for part in parts for run in part.log.runs.in_order()]
    return sorted(found, key=lambda run: _key(run.start))


def _tree(parts: Sequence[Part]) -> LoggedTrees | None:
    trees = [part.log.trees for part in parts if part.log.trees.ref is not None]
    newest = max(trees, key=lambda tree: _key(tree.ref), default=None)
    return newest.lent() if newest is not None else None


def _switches(parts: Sequence[Part]) -> dict[Switch, GcSwitchedOff]:
    """A later full run on another host has passed the switch."""
    found: dict[Switch, GcSwitchedOff] = {}
    for part in parts:
        for switch, off in part.log.switches.items():
            passed = any(
                other is not part and other.log.full_run is not None and _key(other.log.full_run) > _key(off.ref)
                for other in parts
            )
            if not passed and (switch not in found or _key(off.ref) > _key(found[switch].ref)):
                found[switch] = off
    return found


def _incidents(parts: Sequence[Part], around: Around) -> tuple[Incident, ...]:
    if not any(part.log.incidents.found for part in parts):
        return ()
    known = around.picture.vdis(around.record.ref) if around.picture and around.record else {}
    names, images = Names.of(known or _printed_in_full(parts)), healing.Images(known)
    found: list[Incident] = []
    for part in parts:
        others = [other.log for other in parts if other is not part]
        for incident in part.log.incidents:
            named = replace(incident, vdi=_resolved(names, incident.vdi), parent=names.resolve(incident.parent))
            if healing.elsewhere(named, others):
                continue
            if not healing.by_inventory(named, around.record, around.forest, around.picture, images):
                found.append(named)
    return tuple(sorted(found, key=lambda incident: (*_key(incident.first), incident.kind, incident.key)))


def _printed_in_full(parts: Sequence[Part]) -> set[str]:
    named = {node.vdi for part in parts for node in part.log.trees.nodes.values()}
    for incident in (one for part in parts for one in part.log.incidents):
        named |= {*incident.vdi.split(","), incident.parent}
    return {name for name in named if len(name) == _UUID_LENGTH}


def _resolved(names: Names, vdi: str) -> str:
    return ",".join(names.resolve(one) for one in vdi.split(","))

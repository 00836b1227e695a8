"""Which host is which: log labels and inventory records, and where the GC of an SR runs (smlog.md 3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chainwatch_collector.chains.gc_host import gc_host_among
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Host
from chainwatch_collector.track.crowding import Crowd
from chainwatch_collector.track.host_log import HostLog
from chainwatch_collector.track.observations import AgentFaults, Revocation
from chainwatch_collector.track.state import HostState


def by_name(records: Iterable[Host]) -> dict[str, Host]:
    """hostname or name-label → host, absent where two share one: offline logs know hosts by name only."""
    found: dict[str, Host | None] = {}
    for record in records:
        for name in {record.hostname, record.name} - {""}:
            found[name] = None if name in found else record
    return {name: record for name, record in found.items() if record is not None}


def gc_hosts(picture: Picture) -> dict[str, Host]:
    """SR uuid → the host that runs its GC, for every SR that has one."""
    attached: dict[str, list[str]] = {}
    for pbd in picture.pbds.values():
        if pbd.currently_attached:
            attached.setdefault(pbd.sr_ref, []).append(pbd.host_ref)
    found = {sr.uuid: gc_host_among(picture, sr, attached.get(ref, ())) for ref, sr in picture.srs.items()}
    return {uuid: record for uuid, record in found.items() if record is not None}


def label(record: Host, hosts: Mapping[str, HostLog]) -> str:
    """What its log calls it: its uuid live, a name offline."""
    return next((name for name in (record.uuid, record.hostname, record.name) if name in hosts), record.uuid)


@dataclass(frozen=True, slots=True)
class Trust:
    """What speaks against a host's agent."""

    revoked: Revocation | None = None
    faults: AgentFaults | None = None
    crowd: Crowd | None = None


def host_state(key: str, log: HostLog, record: Host | None, trust: Trust) -> HostState:
    """One host as it stands."""
    hostname = log.status.host.hostname if log.status is not None else ""
    return HostState(
        key=record.uuid if record is not None else key,
        name=record.name if record is not None else hostname or key,
        record=record,
        connected=log.connected,
        connection_changed_at=log.connection_changed_at,
        last_seen_at=log.seen_at,
        coverage=log.coverage,
        first_at=log.first_at,
        newest_at=log.newest_at,
        gaps=log.gaps,
        lost_bytes=log.lost_bytes,
        status=log.status,
        log_grew_at=log.grew_at,
        dropped_total=log.dropped_total,
        dropped_at=log.dropped_at,
        clock_ahead_seconds=log.clock_ahead_seconds,
        duplicate=log.duplicate,
        revoked=trust.revoked,
        faults=trust.faults,
        crowd=trust.crowd,
        sampled_at=log.processes.at if log.processes is not None else None,
        incidents=tuple(log.incidents),
        processes=tuple(log.images.running.values()),
    )

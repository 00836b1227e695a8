"""Which host is which: log labels and inventory records, and where the GC of an SR runs (smlog.md 3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Host, Sr
from chainwatch_collector.track.host_log import HostLog
from chainwatch_collector.track.state import HostState


def by_name(records: Iterable[Host]) -> dict[str, Host]:
    """hostname or name-label → host, absent where two share one: offline logs know hosts by name only."""
    found: dict[str, Host | None] = {}
    for record in records:
        for name in {record.hostname, record.name} - {""}:
            found[name] = None if name in found else record
    return {name: record for name, record in found.items() if record is not None}


def gc_host(sr: Sr | None, picture: Picture | None, hosts: Mapping[str, HostLog]) -> str | None:
    """The key of the host that runs this SR's GC: the master's for a shared SR, the only attached one's for a local."""
    if sr is None or picture is None or picture.pool is None:
        return None
    if sr.shared:
        ref = picture.pool.master_ref
    else:
        attached = [pbd.host_ref for pbd in picture.pbds.values() if pbd.sr_ref == sr.ref and pbd.currently_attached]
        ref = attached[0] if len(attached) == 1 else None
    record = picture.hosts.get(ref) if ref is not None else None
    if record is None:
        return None
    if record.uuid in hosts:
        return record.uuid
    return next((name for name in (record.hostname, record.name) if name in hosts), record.uuid)


def host_state(key: str, log: HostLog, record: Host | None) -> HostState:
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
        incidents=tuple(log.incidents),
        processes=tuple(log.images.running.values()),
    )

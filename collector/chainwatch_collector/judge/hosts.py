"""Codes about hosts and what they have attached: down, too old, SRs detached, paths, I/O errors, DRBD."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from chainwatch_collector.inventory.records import Host, Pbd
from chainwatch_collector.judge.agents import of_host
from chainwatch_collector.judge.answer import Severity
from chainwatch_collector.judge.condition import INVENTORY, Condition, host_source, of_sr, sr_words
from chainwatch_collector.judge.registry import family
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.incidents import Incident
from chainwatch_collector.track.state import HostState, PoolState, SrState
from chainwatch_collector.words import duration, plural

OLDEST = (6, 5)
"""Below it a delta backup fails with Parse Error: the host has no export of a disk's changes."""
_BY_INVENTORY = frozenset((INVENTORY,))


def live_hosts(state: PoolState) -> list[HostState]:
    """Hosts that XenAPI has a record of."""
    return [host for host in state.hosts.values() if host.record is not None]


@family("HOST_DOWN")
def host_down(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """XenAPI says that it is not live; planned where it was disabled first."""
    for host in live_hosts(state):
        if host.record is None or host.record.live is not False:
            continue
        # A host that dies stays enabled in XenAPI; one in maintenance was disabled first.
        planned = not host.record.enabled
        yield _by_inventory(
            host,
            "HOST_DOWN",
            "info" if planned else "error",
            f"{host.name} is not live{', after it was disabled' if planned else ''}.",
            now,
        )


def _by_inventory(host: HostState, code: str, severity: Severity, summary: str, now: datetime) -> Condition:
    return replace(of_host(host, code, severity, summary, now), sources=_BY_INVENTORY)


@family("HOST_TOO_OLD")
def too_old(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """XenServer before 6.5."""
    for host in live_hosts(state):
        told = host.record.software.get("product_version", "") if host.record is not None else ""
        numbers = tuple(int(part) for part in re.findall(r"\d+", told)[:2])
        if len(numbers) == len(OLDEST) and numbers < OLDEST:
            yield _by_inventory(
                host,
                "HOST_TOO_OLD",
                "error",
                f"{host.name} runs version {told}, which is too old for delta backups: they end with Parse Error.",
                now,
            )


@family("SR_DETACHED")
def detached(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Not attached where it should be; no news where the host is down, disabled or in maintenance."""
    by_sr: dict[str, list[Pbd]] = {}
    for pbd in state.picture.pbds.values() if state.picture is not None else ():
        if not pbd.currently_attached:
            by_sr.setdefault(pbd.sr_ref, []).append(pbd)
    for sr in state.srs.values() if by_sr else ():
        missing = by_sr.get(sr.ref or "", [])
        if not missing or sr.no_gc:
            continue
        yield _detached(state, sr, missing, now, limits)


def _detached(state: PoolState, sr: SrState, missing: list[Pbd], now: datetime, limits: Thresholds) -> Condition:
    hosts = state.picture.hosts if state.picture is not None else {}
    records = [(pbd, hosts.get(pbd.host_ref)) for pbd in missing]
    bad = [(pbd, host) for pbd, host in records if not _excused(host)]
    names = ", ".join(host.name if host is not None else "a host that is gone" for _, host in (bad or records))
    pbd = (bad or records)[0][0]
    made = of_sr(
        sr,
        "SR_DETACHED",
        "error" if bad else "info",
        f"{sr_words(sr)} is not attached on {names}{'' if bad else ', which is down or in maintenance'}.",
        now=now,
        params={"host": names, "pbd_uuid": pbd.uuid},
        sources=_BY_INVENTORY,
    )
    host_uuid = next((host.uuid for _, host in (bad or records) if host is not None), None)
    return _held(made, limits.sr_detached_seconds, host_uuid)


def _held(made: Condition, seconds: float, host: str | None) -> Condition:
    return replace(made, hold_seconds=seconds, host=host)


def _excused(host: Host | None) -> bool:
    return host is None or not host.enabled or host.live is False


@family("SR_PATHS_DEGRADED")
def paths(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Multipath or iSCSI sessions below their maximum on an attached PBD."""
    for pbd in state.picture.pbds.values() if state.picture is not None else ():
        pairs = [*pbd.paths.values(), *((pbd.iscsi_sessions,) if pbd.iscsi_sessions is not None else ())]
        low = [pair for pair in pairs if pair[0] < pair[1]]
        if not low or not pbd.currently_attached or state.picture is None:
            continue
        record, host = state.picture.srs.get(pbd.sr_ref), state.picture.hosts.get(pbd.host_ref)
        sr = state.srs.get(record.uuid) if record is not None else None
        if sr is None or host is None or _excused(host):
            continue
        worst = min(low)
        yield of_sr(
            sr,
            "SR_PATHS_DEGRADED",
            "error" if worst[0] == 0 else "warning",
            f"{host.name} has {worst[0]} of {worst[1]} paths to {sr_words(sr)}.",
            now=now,
            key=host.uuid,
            params={"host": host.name},
            sources=_BY_INVENTORY,
        )


_IO_WORDS = {
    "io_error": "the kernel logged I/O errors",
    "read_only": "a file system was remounted read-only",
    "nfs_down": "an NFS server does not answer",
}


@family("SR_IO_ERRORS")
def io_errors(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """EIO, "server not responding", a read-only remount: of the SR where its mount tells, else of the host."""
    for host in state.hosts.values():
        mounted, is_told = _mounts(host), False
        for incident in _recent(host, tuple(_IO_WORDS), now, limits.io_error_seconds):
            srs = _mounted_from(state, mounted, incident)
            if not srs and is_told:
                continue
            said = f"{_IO_WORDS[incident.cause]} ({plural(incident.count, 'line')}): {incident.detail[:160]}"
            for sr in srs:
                yield _io_error(sr, host, f"{sr_words(sr)} on {host.name}: {said}", now, incident)
            if not srs:
                # One finding a host, whatever the device.
                is_told = True
                yield of_host(
                    host,
                    "SR_IO_ERRORS",
                    "error",
                    f"On {host.name} {said}",
                    incident.first.at or now,
                    evidence=incident.proofs,
                    count=incident.count,
                )
        for mount in host.status.mounts if host.status is not None else ():
            found = state.srs.get(mount.sr_uuid)
            if mount.read_only and found is not None and found.record is not None and not found.no_gc:
                yield _io_error(found, host, f"{sr_words(found)} is mounted read-only on {host.name}.", now, None)


def _mounts(host: HostState) -> dict[str, dict[str, None]]:
    """Server → uuids of the SRs that this host has mounted from it."""
    found: dict[str, dict[str, None]] = {}
    for mount in host.status.mounts if host.status is not None else ():
        found.setdefault(mount.source.split(":", 1)[0], {})[mount.sr_uuid] = None
    return found


def _mounted_from(state: PoolState, mounted: dict[str, dict[str, None]], incident: Incident) -> list[SrState]:
    """The SRs that are mounted from the server that does not answer."""
    server = _device(incident)
    if incident.cause != "nfs_down" or not server:
        return []
    return [state.srs[uuid] for uuid in mounted.get(server, ()) if uuid in state.srs]


def _io_error(sr: SrState, host: HostState, summary: str, now: datetime, incident: Incident | None) -> Condition:
    return of_sr(
        sr,
        "SR_IO_ERRORS",
        "error",
        summary,
        now=now,
        incidents=(incident,) if incident is not None else (),
        key=f"{incident.cause if incident is not None else 'read_only'}:{host.key}",
        params={"host": host.name},
        sources=frozenset((host_source(host.key),)),
    )


def _device(incident: Incident) -> str:
    """The device or server of a system message."""
    return incident.key.partition(":")[2]


def _recent(host: HostState, causes: tuple[str, ...], now: datetime, seconds: float) -> list[Incident]:
    """System messages of these kinds that are not older than that; a server that came back is healed already."""
    return [
        one
        for one in host.incidents
        if one.cause in causes
        and (
            (one.cause == "nfs_down" and _device(one))
            or one.last.at is None
            or (now - one.last.at).total_seconds() <= seconds
        )
    ]


@family("SR_SLOW")
def slow(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Long LVM calls, long pauses of guest disks, image tools that cannot be reaped: several within the hour."""
    for sr in state.srs.values():
        found = tuple(
            one
            for one in sr.open_incidents("slow")
            if one.cause != "host_check"
            and one.last.at is not None
            and (now - one.last.at).total_seconds() <= limits.storage_slow_seconds
        )
        count = sum(one.count for one in found)
        if count < limits.storage_slow_count:
            continue
        kinds = ", ".join(sorted({one.cause for one in found}))
        yield of_sr(
            sr,
            "SR_SLOW",
            "warning",
            f"{sr_words(sr)} is slow: {plural(count, 'long call')} or pauses ({kinds}), the last"
            f" {duration(min((now - one.last.at).total_seconds() for one in found if one.last.at))} ago.",
            now=now,
            incidents=found,
        )


@family("LINSTOR_DEGRADED")
def linstor(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """DRBD or the LINSTOR controller told of trouble."""
    for host in state.hosts.values():
        for incident in _recent(host, ("drbd",), now, limits.io_error_seconds):
            yield of_host(
                host,
                "LINSTOR_DEGRADED",
                "warning",
                f"DRBD on {host.name} told of trouble: {incident.detail[:160]}",
                incident.first.at or now,
                evidence=incident.proofs,
                count=incident.count,
            )

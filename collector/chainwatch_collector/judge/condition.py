"""A condition of the catalogue that holds now: what the families of codes give and the ledger turns into findings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from chainwatch_collector.judge.answer import FindingSubject, Severity
from chainwatch_collector.read.facts import LineRef
from chainwatch_collector.track.incidents import Incident
from chainwatch_collector.track.state import HostState, PoolState, SrState
from chainwatch_collector.words import short

INVENTORY = "inventory"
JOBS = "jobs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One code that holds for one subject. `key` tells several of one code on one subject apart.

    `sources`: what it was seen through (`host_source(key)`, INVENTORY, JOBS); when one is lost the finding is stale.
    `sr_uuid`, `srs`, `host`, `hosts`, `vdis`: what it touches, for `because`. `variant`, `params`: for the steps.
    `hold_seconds`: it must hold that long before it is told; `clear_seconds`: be absent that long before it clears.
    """

    code: str
    subject: FindingSubject
    severity: Severity
    summary: str
    since: datetime
    count: int = 1
    evidence: tuple[LineRef, ...] = ()
    key: str = ""
    variant: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    sr_uuid: str | None = None
    host: str | None = None
    vdis: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    srs: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    hold_seconds: float = 0.0
    clear_seconds: float = 0.0

    def finding_id(self, pool_uuid: str | None) -> str:
        """Stable as long as pool, code, subject and key are; safe in an address."""
        named = "\0".join((pool_uuid or "", self.subject.kind, self.subject.uuid, self.key))
        return f"{self.code}-{hashlib.sha256(named.encode()).hexdigest()[:12]}"


def host_source(key: str) -> str:
    """The source that one host's agent and log are."""
    return f"host:{key}"


def sr_subject(sr: SrState) -> FindingSubject:
    return FindingSubject("sr", sr.uuid, sr.name)


def vdi_subject(sr: SrState, vdi: str) -> FindingSubject:
    return FindingSubject("vdi", vdi, sr.vdi_name(vdi))


def host_subject(host: HostState, kind: str = "host") -> FindingSubject:
    return FindingSubject(kind, host.key, host.name)


def pool_subject(state: PoolState) -> FindingSubject:
    pool = state.picture.pool if state.picture is not None else None
    return FindingSubject("pool", state.pool_uuid or "", pool.name if pool is not None else "")


def sr_words(sr: SrState) -> str:
    """How a summary names an SR."""
    return f"SR '{sr.name}'" if sr.name else f"SR {short(sr.uuid)}"


def vdi_words(sr: SrState, vdi: str) -> str:
    """How a summary names a VDI: its label where it has one that says something, and 8 characters to search for."""
    name = sr.vdi_name(vdi)
    return f"'{name}' ({short(vdi)})" if name and name != "base copy" else short(vdi)


def chain_of(sr: SrState, vdi: str) -> frozenset[str]:
    """The VDI and every image that it reads through: by the inventory, else by the last tree that SM printed."""
    found: dict[str, None] = {}
    at: str | None = vdi
    while at is not None and at not in found:
        found[at] = None
        if sr.forest is not None and sr.record is not None:
            node = sr.forest.nodes.get(at)
            at = node.parent if node is not None else None
        else:
            printed = sr.tree.nodes.get(at[:8]) if sr.tree is not None else None
            at = printed.parent if printed is not None else None
    return frozenset(found)


def log_sources(sr: SrState) -> frozenset[str]:
    """The logs that a statement about the SR's GC rests on."""
    hosts = (sr.gc_host,) if sr.gc_host is not None else sr.hosts
    return frozenset(host_source(host) for host in hosts if host is not None)


def since_of(incidents: Iterable[Incident], now: datetime) -> datetime:
    """When the first of them began."""
    return min((one.first.at for one in incidents if one.first.at is not None), default=now)


def of_sr(
    sr: SrState,
    code: str,
    severity: Severity,
    summary: str,
    *,
    now: datetime,
    incidents: tuple[Incident, ...] = (),
    since: datetime | None = None,
    count: int | None = None,
    evidence: tuple[LineRef, ...] = (),
    key: str = "",
    variant: str = "",
    params: Mapping[str, str] | None = None,
    vdi: str | None = None,
    of: FindingSubject | None = None,
    vdis: Iterable[str] = (),
    hosts: frozenset[str] = frozenset(),
    sources: frozenset[str] | None = None,
    hold_seconds: float = 0.0,
    clear_seconds: float = 0.0,
) -> Condition:
    """A condition about an SR, about one of its VDIs where `vdi` is given, or about what `of` names."""
    proofs = tuple(ref for one in incidents for ref in one.proofs)
    return Condition(
        code=code,
        subject=of or (sr_subject(sr) if vdi is None else vdi_subject(sr, vdi)),
        severity=severity,
        summary=f"{summary[:1].upper()}{summary[1:]}",
        since=since or since_of(incidents, now),
        count=count if count is not None else max(1, sum(one.count for one in incidents)),
        evidence=evidence or proofs,
        key=key,
        variant=variant,
        params={"sr_uuid": sr.uuid, **({"vdi_uuid": vdi} if vdi else {}), **(params or {})},
        sr_uuid=sr.uuid,
        host=sr.gc_host,
        vdis=frozenset((*vdis, *((vdi,) if vdi else ()))),
        sources=log_sources(sr) if sources is None else sources,
        hosts=hosts,
        hold_seconds=hold_seconds,
        clear_seconds=clear_seconds,
    )

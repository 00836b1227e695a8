"""`why POOL`: can it be asked, do all hosts report, and which SRs are not well."""

from __future__ import annotations

from typing import Final

from chainwatch_collector.judge.checklist import Check, CheckStatus
from chainwatch_collector.judge.known import silent
from chainwatch_collector.judge.why_asked import Asked
from chainwatch_collector.judge.why_sources import pool_reachable
from chainwatch_collector.words import STATE_STATUS, plural

HOSTS: Final = "hosts up"
AGENTS: Final = "agents reporting"
SRS: Final = "SRs coalesce"
NAMES_SHOWN: Final = 5


def checks(asked: Asked) -> tuple[Check, ...]:
    """The lines in their order."""
    return (pool_reachable(asked), _hosts(asked), _agents(asked), *_backups(asked), _srs(asked))


def _hosts(asked: Asked) -> Check:
    judged = asked.judged(HOSTS, "HOST_DOWN", "HOST_TOO_OLD")
    if judged is not None:
        return judged
    known = [host for host in asked.state.hosts.values() if host.record is not None]
    return Check(HOSTS, "ok", f"{plural(len(known), 'host')}") if known else Check(HOSTS, "unknown", "no inventory")


def _agents(asked: Asked) -> Check:
    if asked.state.offline:
        return Check(AGENTS, "skipped", "offline: read from files")
    missing = ("AGENT_SILENT", "AGENT_REVOKED", "AGENT_MISSING", "AGENT_MISBEHAVES", "HOST_DUPLICATE")
    judged = asked.judged(AGENTS, *missing, "AGENT_BEHIND", "LOG_OFF", "EVIDENCE_GAP")
    if judged is not None:
        return judged
    hosts = asked.state.hosts.values()
    said = [host for host in hosts if host.last_seen_at is not None and not silent(host, asked.now, asked.limits)]
    return Check(AGENTS, "ok" if len(said) == len(hosts) else "unknown", f"{len(said)} of {len(hosts)}")


def _backups(asked: Asked) -> list[Check]:
    name = "backups"
    judged = asked.judged(name, "BACKUP_OVERDUE", "BACKUP_STALLED", "BACKUP_PATTERN_EMPTY", "BACKUP_TARGET_FULL")
    return [judged] if judged is not None else []


def _srs(asked: Asked) -> Check:
    words = {one.name or one.uuid: one.state for one in asked.answer.srs}
    bad = sorted((name, word) for name, word in words.items() if STATE_STATUS.get(word) != "ok")
    if not words:
        return Check(SRS, "unknown", "no SR is known")
    if not bad:
        return Check(SRS, "ok", f"{plural(len(words), 'SR')}, all well")
    told = ", ".join(f"{name} {word}" for name, word in bad[:NAMES_SHOWN])
    more = f" and {len(bad) - NAMES_SHOWN} more" if len(bad) > NAMES_SHOWN else ""
    status: CheckStatus = "unknown" if all(word == "unknown" for _, word in bad) else "warning"
    return Check(SRS, status, f"{len(bad)} of {len(words)} not well: {told}{more}")

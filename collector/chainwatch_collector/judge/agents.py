"""Codes about agents and the evidence they bring: silent, missing, late, with gaps, with a log that is off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from chainwatch_collector.judge.answer import Severity
from chainwatch_collector.judge.condition import Condition, host_source, host_subject
from chainwatch_collector.judge.known import revoked, silent
from chainwatch_collector.judge.registry import family
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.read.facts import LineRef
from chainwatch_collector.track.observations import AgentFaults
from chainwatch_collector.track.state import HostState, PoolState
from chainwatch_collector.words import age, clock, duration, percent, plural, size


def of_host(
    host: HostState,
    code: str,
    severity: Severity,
    summary: str,
    since: datetime,
    *,
    evidence: tuple[LineRef, ...] = (),
    seen_through_agent: bool = True,
    hold_seconds: float = 0.0,
    clear_seconds: float = 0.0,
    count: int = 1,
) -> Condition:
    """A condition about a host."""
    return Condition(
        code=code,
        subject=host_subject(host),
        severity=severity,
        summary=summary,
        since=since,
        count=count,
        evidence=evidence,
        params={"host": host.name, "host_uuid": host.key},
        host=host.key,
        sources=frozenset((host_source(host.key),)) if seen_through_agent else frozenset(),
        hold_seconds=hold_seconds,
        clear_seconds=clear_seconds,
    )


def down_on_purpose(host: HostState) -> bool:
    """XenAPI knows that it is not live, so nobody expects its agent: HOST_DOWN says how bad that is."""
    return host.record is not None and host.record.live is False


@family("AGENT_SILENT")
def agent_silent(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """It reported, and stopped; a host in maintenance may, a revoked one must."""
    for host in state.hosts.values():
        if revoked(host) is not None:
            continue
        if state.offline or down_on_purpose(host) or host.last_seen_at is None or not silent(host, now, limits):
            continue
        planned = host.record is not None and not host.record.enabled
        yield of_host(
            host,
            "AGENT_SILENT",
            "info" if planned else "error",
            f"The agent of {host.name} was last heard of {age(host.last_seen_at, now)}; what happens there since is not"
            " known.",
            host.last_seen_at + timedelta(seconds=limits.agent_silent_seconds),
            seen_through_agent=False,
        )


@family("AGENT_REVOKED")
def agent_revoked(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """A host of a configured pool that somebody revoked. Of one of no pool nothing is said: it was sent away."""
    for host in state.hosts.values():
        told = revoked(host)
        if told is None or host.record is None or host.last_seen_at is None or down_on_purpose(host):
            continue
        yield of_host(
            host,
            "AGENT_REVOKED",
            "warning",
            f"The certificate of {host.name} was revoked by {told.by or 'somebody'} {age(told.at, now)}; what happens"
            " there since is not known.",
            told.at,
            seen_through_agent=False,
        )


@family("AGENT_MISSING")
def agent_missing(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """A live host of the pool whose agent was never heard of. Offline there are no agents to miss."""
    if state.offline:
        return
    for host in state.hosts.values():
        if host.record is None or host.last_seen_at is not None or down_on_purpose(host):
            continue
        yield of_host(
            host,
            "AGENT_MISSING",
            "warning",
            f"{host.name} has no agent: GC runs and merges there are not seen.",
            now,
            seen_through_agent=False,
            hold_seconds=limits.agent_missing_seconds,
        )


@family("AGENT_BEHIND")
def agent_behind(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Evidence arrives, but late."""
    for host in state.hosts.values():
        if host.coverage is None or host.last_seen_at is None or silent(host, now, limits):
            continue
        late = (now - host.covered_until).total_seconds() if host.covered_until is not None else 0.0
        behind = host.coverage.behind_bytes
        if late <= limits.agent_behind_seconds and behind < limits.agent_behind_bytes:
            continue
        yield of_host(
            host,
            "AGENT_BEHIND",
            "warning",
            f"The log of {host.name} is known up to {duration(late)} ago; {size(behind)} of it wait to be read.",
            now,
            hold_seconds=limits.agent_behind_seconds,
            clear_seconds=limits.flapping_clear_seconds,
        )


@family("HOST_UNASSIGNED")
def unassigned(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Evidence of a host that is in no configured pool and was not sent away."""
    if state.offline or (state.picture is not None and state.picture.pool is None):
        return
    for host in state.hosts.values():
        if host.record is None and host.last_seen_at is not None and revoked(host) is None:
            yield of_host(
                host,
                "HOST_UNASSIGNED",
                "warning",
                f"{host.name} reports, but no configured pool has a host with this uuid.",
                now,
                seen_through_agent=False,
                hold_seconds=limits.agent_missing_seconds,
            )


@family("HOST_DUPLICATE")
def duplicate(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Two live dom0s came with one host's certificate; told as long as the second one keeps on coming."""
    for host in state.hosts.values():
        refused = host.duplicate
        if refused is None or not _within(refused.at, now, limits.host_duplicate_seconds):
            continue
        named = f" and calls itself {refused.hostname!r}" if refused.hostname else ""
        yield of_host(
            host,
            "HOST_DUPLICATE",
            "error",
            f"A second dom0 uses the certificate of {host.name}: machine-id {refused.machine_id!r} at {refused.peer}"
            f"{named} was refused while {refused.live_machine_id!r} is connected.",
            refused.at,
            seen_through_agent=False,
        )


@family("AGENT_MISBEHAVES")
def misbehaves(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Its streams were ended for its own fault, or its log made up more than is remembered of a host; told as long as
    that goes on.
    """
    for host in state.hosts.values():
        faults, crowd = host.faults, host.crowd
        if faults is not None and _within(faults.at, now, limits.agent_misbehaves_seconds):
            yield _at_fault(host, faults)
        if crowd is not None and _within(crowd.at, now, limits.agent_misbehaves_seconds):
            told = of_host(
                host,
                "AGENT_MISBEHAVES",
                "error",
                f"{host.name} sends what no dom0 logs in good faith: {crowd.text}; what it spoke of longest ago is"
                " forgotten.",
                crowd.since,
                seen_through_agent=False,
            )
            yield replace(told, key="crowd")


def _at_fault(host: HostState, faults: AgentFaults) -> Condition:
    if faults.slowed:
        return of_host(
            host,
            "AGENT_MISBEHAVES",
            "warning",
            f"The agent of {host.name} at {faults.peer} {faults.text} since {clock(faults.since)}: the collector reads"
            " it more slowly, and what it tells is late.",
            faults.since,
            seen_through_agent=False,
        )
    many = f" {faults.times} times since {clock(faults.since)}" if faults.times > 1 else ""
    return of_host(
        host,
        "AGENT_MISBEHAVES",
        "error",
        f"The collector ended the stream of {host.name}{many} for a fault of its agent at {faults.peer}:"
        f" {faults.text}.",
        faults.since,
        seen_through_agent=False,
        count=faults.times,
    )


@family("EVIDENCE_GAP")
def gap(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Log bytes were rotated away unread, or observations lost: what happened in there is not known."""
    for host in state.hosts.values():
        recent = [ref for ref in host.gaps if ref.at is None or _within(ref.at, now, limits.evidence_gap_seconds)]
        dropped = host.dropped_at is not None and _within(host.dropped_at, now, limits.evidence_gap_seconds)
        lost = f" ({size(host.lost_bytes)})" if host.lost_bytes else ""
        told = [f"part of the log of {host.name}{lost} was gone before it was read"] if recent else []
        told += [f"{plural(host.dropped_total, 'observation')} of {host.name} did not fit its ring"] if dropped else []
        if told:
            words = " and ".join(told)
            yield of_host(
                host,
                "EVIDENCE_GAP",
                "warning",
                f"{words[0].upper()}{words[1:]}; what happened meanwhile is not known.",
                (recent[0].at if recent else host.dropped_at) or now,
                evidence=tuple(ref for ref in recent if ref.text),
                count=max(1, len(recent)),
            )


def _within(at: datetime, now: datetime, seconds: float) -> bool:
    return (now - at).total_seconds() <= seconds


@family("LOG_OFF")
def log_off(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """SM logs nothing, the log cannot be read, or it did not grow though SM had to log. Age alone is nothing."""
    for host in state.hosts.values():
        why = _why_off(host, limits)
        if why is not None:
            yield of_host(
                host,
                "LOG_OFF",
                "error",
                f"{host.name} shows nothing of its GC: {why}.",
                now,
                clear_seconds=limits.flapping_clear_seconds,
            )


def _why_off(host: HostState, limits: Thresholds) -> str | None:
    status = host.status
    if status is None:
        return None
    if status.host.no_sm_log:
        return "/etc/xensource/no_sm_log is there, which switches SM's log off"
    for log in status.logs:
        if log.path.endswith("/SMlog") and log.problem:
            return f"{log.path}: {log.problem}"
    started = [found.first_seen_at for found in host.processes if found.copies]
    grew, at = host.log_grew_at, status.at
    if not started or grew is None or at is None:
        return None
    silent_for = (at - max(started)).total_seconds()
    if max(started) - grew > timedelta(seconds=60) and silent_for > limits.log_quiet_seconds:
        return f"a merge has run for {duration(silent_for)} and SMlog did not grow by a byte"
    return None


@family("LOG_PARTITION_FULL")
def log_partition(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Soon nothing can be logged."""
    for host in state.hosts.values():
        seen = host.status.host if host.status is not None else None
        if seen is None or seen.log_total_bytes <= 0:
            continue
        ratio = seen.log_free_bytes / seen.log_total_bytes
        if ratio < limits.log_partition_free_ratio:
            yield of_host(
                host,
                "LOG_PARTITION_FULL",
                "error",
                f"The log partition of {host.name} has {size(seen.log_free_bytes)} ({percent(ratio)}) free.",
                now,
            )


@family("CLOCK_SKEW")
def skew(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """The host's clock is not the collector's: times in findings are off by as much."""
    for host in state.hosts.values():
        ahead = host.clock_ahead_seconds
        if ahead is None or abs(ahead) <= limits.clock_skew_seconds:
            continue
        way = "ahead of" if ahead > 0 else "behind"
        yield of_host(
            host,
            "CLOCK_SKEW",
            "warning",
            f"The clock of {host.name} is {duration(abs(ahead))} {way} the collector's.",
            now,
            clear_seconds=limits.flapping_clear_seconds,
        )

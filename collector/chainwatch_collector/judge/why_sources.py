"""The first lines of every checklist: can the pool be asked, does the host's agent report, is its log known."""

from __future__ import annotations

from chainwatch_collector.judge.checklist import Check
from chainwatch_collector.judge.known import covered, silent
from chainwatch_collector.judge.why_asked import Asked
from chainwatch_collector.track.state import HostState
from chainwatch_collector.words import clock, size

POOL = "pool reachable"
LOG = "log known"


def pool_reachable(asked: Asked) -> Check:
    """XenAPI answers, and how old its picture is."""
    picture = asked.state.picture
    if picture is None:
        word = "not asked: the logs are all there is" if asked.state.offline else "no picture of the pool was taken yet"
        return Check(POOL, "skipped" if asked.state.offline else "unknown", word)
    if asked.state.offline:
        return Check(POOL, "skipped", f"the inventory is a dump of {clock(picture.as_of)}")
    judged = asked.judged(POOL, "POOL_UNREACHABLE")
    if judged is not None:
        return judged
    if not picture.reachable:
        return Check(POOL, "error", f"{picture.problem}; last answer {asked.age(picture.as_of)}")
    return Check(POOL, "ok", f"XenAPI answered {asked.age(picture.as_of)}")


def agent_reports(asked: Asked, host: HostState | None, name: str) -> Check:
    """The host's agent is there and says something."""
    if asked.state.offline:
        return Check(name, "skipped", "offline: read from files")
    if host is None:
        return Check(name, "unknown", "which host that is, is not known")
    judged = asked.judged(
        name,
        *("AGENT_MISSING", "AGENT_SILENT", "AGENT_REVOKED", "AGENT_MISBEHAVES", "HOST_DUPLICATE", "HOST_UNASSIGNED"),
    )
    if judged is not None:
        return judged
    if host.last_seen_at is None:
        return Check(name, "unknown", f"no agent has ever reported from {host.name}")
    said = f"{host.name}: last heard of {asked.age(host.last_seen_at)}"
    return Check(name, "unknown" if silent(host, asked.now, asked.limits) else "ok", said)


def known_now(asked: Asked, host: HostState | None) -> bool:
    """Whether what the host's log does not show did not happen."""
    if asked.state.offline:
        return host is not None and host.covered_until is not None
    return covered(host, asked.now, asked.limits)


def log_known(asked: Asked, host: HostState | None) -> Check:
    """SMlog of the host was read without a gap up to now: what "nothing happened" rests on."""
    judged = asked.judged(LOG, "LOG_OFF", "LOG_PARTITION_FULL", "EVIDENCE_GAP", "AGENT_BEHIND", "CLOCK_SKEW")
    if judged is not None and judged.status != "info":
        return judged
    if host is None or host.covered_until is None:
        return Check(LOG, "unknown", "not a line of this host's SMlog was read")
    since = f", without a gap since {clock(host.covered_since)}" if host.covered_since is not None else ""
    said = f"SMlog of {host.name} is read up to {clock(host.covered_until)}{since}"
    if asked.state.offline:
        return Check(LOG, "ok", said)
    behind = host.coverage.behind_bytes if host.coverage is not None else 0
    left = f"; {size(behind)} not yet read" if behind else ""
    return Check(LOG, "ok" if covered(host, asked.now, asked.limits) else "unknown", said + left)

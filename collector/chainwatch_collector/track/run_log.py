"""Folding the ends of runs: crashes, interruptions, switches, and what a full run proves to be healed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from chainwatch_collector.read.facts import Fact, GcEnded, GcFailureLogged, GcSwitchedOff, MultiAttachSeen
from chainwatch_collector.read.words import RunKey
from chainwatch_collector.track.incidents import Incident
from chainwatch_collector.track.runs_seen import FULL_OUTCOMES

if TYPE_CHECKING:
    from chainwatch_collector.track.sr_log import SrLog

_UNKNOWN: Final = "unknown"
CLEAN_APART: Final = timedelta(minutes=10)
CLEAN_NEWEST: Final = 10
CLEAN_KEPT: Final = 80


def fold(log: SrLog, fact: Fact) -> bool:
    """True where the fact was one of these."""
    match fact:
        case GcEnded():
            _ended(log, fact)
            log.ended(fact)
        case GcSwitchedOff():
            log.switches[fact.switch] = fact
        case GcFailureLogged():
            _failure(log, fact)
        case MultiAttachSeen():
            key = (fact.vdi or "")[:8]
            incident = Incident(kind="multi_attach", key=key, first=fact.ref, last=fact.ref, vdi=fact.vdi or "")
            log.incidents.met(incident, fact.run)
        case _:
            return False
    return True


def _ended(log: SrLog, fact: GcEnded) -> None:
    _forget_correction(log, fact)
    _count_clean(log, fact)
    if fact.outcome == "crashed":
        _crashed(log, fact)
    elif fact.outcome in ("aborted", "killed"):
        _interrupted(log, fact)
    elif fact.outcome in FULL_OUTCOMES:
        _full(log, fact)


def _count_clean(log: SrLog, fact: GcEnded) -> None:
    """Runs that ended well in a row: the newest ones, and of the older ones one in ten minutes (a scan every 30 s)."""
    if fact.outcome in ("failed", "crashed", "aborted", "killed"):
        log.clean_ends = []
        return
    if fact.outcome not in ("idle", "worked") or fact.ref.at is None:
        return
    ends = [*log.clean_ends, fact.ref.at]
    if len(ends) > CLEAN_NEWEST and ends[-CLEAN_NEWEST] - ends[-CLEAN_NEWEST - 1] < CLEAN_APART:
        older = ends[:-CLEAN_NEWEST]
        apart = len(older) < 2 or older[-1] - older[-2] >= CLEAN_APART
        ends = ends if apart else [*older[:-1], *ends[-CLEAN_NEWEST:]]
    log.clean_ends = ends[-CLEAN_KEPT:]


def _forget_correction(log: SrLog, fact: GcEnded) -> None:
    """A run's end may be told twice, the second time better: only the second counts."""
    for incident in log.incidents.of("crashed", "interrupted"):
        if fact.run is None or fact.run not in incident.runs:
            continue
        if incident.count == 1:
            log.incidents.drop(incident)
        else:
            _uncount(log, incident, fact.run)


def _uncount(log: SrLog, incident: Incident, run: RunKey) -> None:
    left = tuple(key for key in incident.runs if key != run)
    log.incidents.put(replace(incident, runs=left, count=incident.count - 1))


def _crashed(log: SrLog, fact: GcEnded) -> None:
    reason: str = fact.reason or _UNKNOWN
    open_ones = log.incidents.of("crashed")
    known = [incident for incident in open_ones if incident.cause != _UNKNOWN]
    if reason == _UNKNOWN and known:
        # 8.3 hides in one run what it shows in the next (smlog.md 3.7): the same cause until a run goes through.
        reason = known[-1].cause
    error = fact.error
    incident = Incident(kind="crashed", key=reason, first=fact.ref, last=fact.ref, cause=reason, detail=error)
    met = log.incidents.met(incident, fact.run, (fact.proof, fact.ref) if fact.proof != fact.ref else (fact.ref,))
    hidden = log.incidents.get("crashed", _UNKNOWN)
    if reason != _UNKNOWN and hidden is not None:
        _join(log, met, hidden)
    if reason == "multi_attach":
        _crash_of_chain(log, fact)
    if reason == "host_unreachable":
        _host_blocked(log, fact)


def _join(log: SrLog, met: Incident, hidden: Incident) -> None:
    log.incidents.drop(hidden)
    log.incidents.put(
        replace(
            met,
            first=hidden.first,
            count=met.count + hidden.count,
            runs=(*hidden.runs, *met.runs)[-16:],
            proofs=(*met.proofs, *hidden.proofs)[:5],
        )
    )


def _crash_of_chain(log: SrLog, fact: GcEnded) -> None:
    for incident in log.incidents.of("multi_attach"):
        if fact.run in incident.runs:
            log.incidents.put(replace(incident, cause="ended_run"))


def _host_blocked(log: SrLog, fact: GcEnded) -> None:
    hosts = (log.step.host_asked,) if log.step is not None and log.step.host_asked else ()
    incident = Incident(
        kind="host_blocked", key="", first=fact.ref, last=fact.ref, detail=fact.error, cause="ended_run", hosts=hosts
    )
    log.incidents.met(incident, fact.run, (fact.proof, fact.ref))


def _failure(log: SrLog, fact: GcFailureLogged) -> None:
    if fact.reason == "host_unreachable":
        incident = Incident(
            kind="host_blocked", key="", first=fact.ref, last=fact.ref, detail=fact.message, hosts=fact.hosts
        )
        log.incidents.met(incident, fact.run)


def _interrupted(log: SrLog, fact: GcEnded) -> None:
    incident = Incident(kind="interrupted", key="", first=fact.ref, last=fact.ref, cause=fact.outcome)
    log.incidents.met(incident, fact.run, (fact.proof, fact.ref))


def _full(log: SrLog, fact: GcEnded) -> None:
    """The run scanned, tried every candidate and went to its end: what it did not meet again is healed."""
    log.full_run = fact.ref
    incidents = log.incidents
    incidents.heal("crashed", "interrupted", "host_blocked", "parent_missing")
    incidents.heal("no_space", "multi_attach", "leaf_skipped", "undone", unless_run=fact.run)
    for incident in incidents.of("stale_flag"):
        if incident.cause == "gc_running" and fact.run not in incident.runs:
            incidents.drop(incident)
    for incident in incidents.of("corrupt"):
        if (not incident.sure and fact.run not in incident.runs) or _vanished(log, incident.vdi):
            incidents.drop(incident)
    for incident in incidents.of("merge_failed"):
        if incident.cause == "multi_attach" and fact.run not in incident.runs:
            incidents.drop(incident)
    for incident in incidents.of("merge_failed", "gave_up"):
        met_now = fact.run in incident.runs
        if _vanished(log, incident.vdi) if met_now else not _still_there(log, incident):
            incidents.drop(incident)
    for switch in [name for name, off in log.switches.items() if off.run != fact.run]:
        del log.switches[switch]


def _still_there(log: SrLog, incident: Incident) -> bool:
    return not log.trees.nodes or log.trees.mergeable(incident.vdi, incident.parent)


def _vanished(log: SrLog, vdi: str) -> bool:
    return bool(log.trees.nodes) and vdi[:8] not in log.trees.nodes

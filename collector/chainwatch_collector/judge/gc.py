"""Codes about GC runs that ended badly, were cut short, or found a switch off."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from chainwatch_collector.judge.answer import Severity
from chainwatch_collector.judge.condition import Condition, log_sources, of_sr, sr_words
from chainwatch_collector.judge.registry import family
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.read.words import Switch
from chainwatch_collector.track.incidents import Incident
from chainwatch_collector.track.state import PoolState, SrState
from chainwatch_collector.words import plural, short

REASONS = {
    "scan_failed": "its scan failed on an image that cannot be read, which stops every merge of the SR",
    "parent_missing": "the parent of an image is not there",
    "xapi": "XenAPI refused or did not answer a call",
    "no_space": "there was no space left",
    "io_error": "the storage gave an I/O error",
    "timed_out": "something timed out",
    "multi_attach": "a chain is active on more than one host",
    "host_unreachable": "a pool member could not be asked",
    "sr_unavailable": "the SR's mount or volume group was not there",
    "lock_timeout": "it could not get the SR lock",
    "corrupt": "an image is damaged",
    "unknown": "SMlog hides the error; the GC unit's journal or daemon.log has it",
}


@family("GC_CRASHED")
def crashed(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """One finding per cause. Until it was met twice in a row, or with a proven error, it is a warning."""
    for sr in state.srs.values():
        for incident in sr.open_incidents("crashed"):
            proven = incident.cause != "unknown"
            severity: Severity = "error" if proven or incident.count >= limits.gc_crashed_runs else "warning"
            yield of_sr(
                sr,
                "GC_CRASHED",
                severity,
                _crash_words(sr, incident),
                now=now,
                incidents=(incident,),
                key=incident.cause,
                variant="hidden" if not proven else incident.cause,
            )


def _crash_words(sr: SrState, incident: Incident) -> str:
    runs = "the last GC run" if incident.count == 1 else f"the last {incident.count} GC runs"
    said = f" ({incident.detail[:160]})" if incident.detail else ""
    verb = "was" if incident.count == 1 else "were"
    return f"{runs} of {sr_words(sr)} {verb} ended by an error: {REASONS.get(incident.cause, incident.cause)}{said}."


@family("GC_INTERRUPTED")
def interrupted(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Cut short again and again with no merge finished in between, or a journal that had to be undone."""
    for sr in state.srs.values():
        cut = [one for one in sr.open_incidents("interrupted") if one.count >= limits.gc_interrupted_runs]
        undone = sr.open_incidents("undone")
        if not cut and not undone:
            continue
        runs = sum(one.count for one in cut)
        told = [f"{plural(runs, 'GC run')} in a row aborted or killed with no merge finished"] if cut else []
        told += [
            f"a leaf merge of {short(one.vdi) or 'a disk'} had to be undone after a GC died in it" for one in undone
        ]
        yield of_sr(
            sr,
            "GC_INTERRUPTED",
            "warning",
            f"{sr_words(sr)}: {'; '.join(told)}.",
            now=now,
            incidents=(*cut, *undone),
            vdis=[one.vdi for one in undone if one.vdi],
        )


@family("GC_BLOCKED_BY_HOST")
def blocked_by_host(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """A pool member that cannot be asked ends or holds up the run."""
    for sr in state.srs.values():
        for incident in sr.open_incidents("host_blocked"):
            names = [_host_words(state, name) for name in incident.hosts]
            who = " and ".join(names) if names else "a pool member"
            yield of_sr(
                sr,
                "GC_BLOCKED_BY_HOST",
                "error",
                f"{plural(incident.count, 'GC run')} of {sr_words(sr)} ended because {who} could not be asked"
                + (f": {incident.detail[:160]}" if incident.detail else "")
                + ".",
                now=now,
                incidents=(incident,),
                params={"host": ", ".join(incident.hosts)},
            )


def _host_words(state: PoolState, name: str) -> str:
    picture = state.picture
    if picture is not None:
        for record in picture.hosts.values():
            if name in (record.ref, record.uuid, record.name, record.hostname):
                alive = {True: "which XenAPI believes alive", False: "which XenAPI knows to be down"}
                return (
                    f"host {record.name}, {alive[record.live]}," if record.live is not None else f"host {record.name}"
                )
    return f"host {name}"


@family("GC_DISABLED")
def disabled(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """A switch of the SR is off while merges are pending."""
    for sr in state.srs.values():
        for switch in _switches_off(sr):
            pending = _held_back(sr, switch)
            if not pending:
                continue
            off = sr.switches.get(switch)
            by_record = _off_in_record(sr, switch)
            yield of_sr(
                sr,
                "GC_DISABLED",
                "warning",
                f"other_config:{switch}=false on {sr_words(sr)} keeps {plural(pending, 'merge')} from being done.",
                now=now,
                since=off.ref.at if off is not None and off.ref.at is not None else now,
                evidence=(off.ref,) if off is not None else (),
                key=switch,
                variant=switch,
                params={"switch": switch},
                sources=frozenset(("inventory",)) if by_record else log_sources(sr),
            )


def _switches_off(sr: SrState) -> list[Switch]:
    switches: tuple[Switch, ...] = ("gc", "coalesce", "leaf-coalesce")
    if sr.record is not None:
        return [switch for switch in switches if _off_in_record(sr, switch)]
    return [switch for switch in switches if switch in sr.switches]


def _off_in_record(sr: SrState, switch: Switch) -> bool:
    """SM compares with the string "false" in lower case (cleanup.py, SR.other_config)."""
    return sr.record is not None and sr.record.other_config.get(switch, "").strip().lower() == "false"


def _held_back(sr: SrState, switch: Switch) -> int:
    """How many merges the switch holds back: by the inventory, else by the last tree that SM printed."""
    if sr.forest is not None and sr.record is not None:
        blocked = sum(1 for node in sr.forest.nodes.values() if node.status == "blocked" and node.reason == switch)
        inner, leaf = sr.forest.inner_pending, sr.forest.leaf_pending
        return blocked + {"gc": inner + leaf, "coalesce": inner, "leaf-coalesce": leaf}[switch]
    if sr.tree is None:
        return 0
    inner, leaf = sr.tree.pending()
    return {"gc": inner + leaf, "coalesce": inner, "leaf-coalesce": leaf}[switch]

"""Codes about GC runs that ended badly, were cut short, or found a switch off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from chainwatch_collector.chains import forest
from chainwatch_collector.inventory.records import Host
from chainwatch_collector.judge.answer import Severity
from chainwatch_collector.judge.condition import Condition, log_sources, of_sr, sr_words, vdi_words
from chainwatch_collector.judge.known import covered, gc_host_state
from chainwatch_collector.judge.registry import family
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.read.words import LineRef, Switch
from chainwatch_collector.track.incidents import Incident
from chainwatch_collector.track.state import PoolState, SrState
from chainwatch_collector.words import duration, plural

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

_UNDONE_SHOWN = 5


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
                _crash_words(state, sr, incident),
                now=now,
                incidents=(incident,),
                key=incident.cause,
                variant="hidden" if not proven else incident.cause,
            )


def _crash_words(state: PoolState, sr: SrState, incident: Incident) -> str:
    runs = "the last GC run" if incident.count == 1 else f"the last {incident.count} GC runs"
    said = f" ({_with_host_names(state, incident.detail)})" if incident.detail else ""
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
        halves = [vdi_words(sr, one.vdi) if one.vdi else "a disk" for one in undone]
        told += [f"a leaf merge of {half} had to be undone after a GC died in it" for half in halves[:_UNDONE_SHOWN]]
        told += [f"{len(halves) - _UNDONE_SHOWN} more of them"] if len(halves) > _UNDONE_SHOWN else []
        yield of_sr(
            sr,
            "GC_INTERRUPTED",
            "warning",
            f"{sr_words(sr)}: {'; '.join(told)}.",
            now=now,
            incidents=(*cut, *undone),
            vdis=[one.vdi for one in undone if one.vdi],
            hosts=frozenset(run.key.host for run in sr.runs if run.outcome in ("killed", "running")),
        )


@family("GC_BLOCKED_BY_HOST")
def blocked_by_host(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """A pool member that cannot be asked ended runs, or holds one up: T17 is asked and nothing follows."""
    for sr in state.srs.values():
        for incident in sr.open_incidents("host_blocked"):
            said = f": {_with_host_names(state, incident.detail)}" if incident.detail else ""
            what = f"{plural(incident.count, 'GC run')} of {sr_words(sr)} ended because"
            yield _blocked(state, sr, what, f"could not be asked{said}.", incident.hosts, "down", now, (incident,))
        step = sr.step
        if step is None or not step.host_asked or step.since.at is None or sr.open_run is None:
            continue
        waited = (now - step.since.at).total_seconds()
        if waited >= limits.host_asked_seconds and (state.offline or covered(gc_host_state(state, sr), now, limits)):
            what = f"the GC run of {sr_words(sr)} waits because"
            answer = f"has not answered for {duration(waited)}."
            yield _blocked(state, sr, what, answer, (step.host_asked,), "hangs", now, (), (step.since,))


def _blocked(
    state: PoolState,
    sr: SrState,
    what: str,
    end: str,
    names: tuple[str, ...],
    variant: str,
    now: datetime,
    incidents: tuple[Incident, ...],
    proofs: tuple[LineRef, ...] = (),
) -> Condition:
    # A line names a host by its label, the error by its reference: each is told once.
    told = {record.uuid if record is not None else name: (name, record) for name, record in _named(state, names)}
    who = " and ".join(_host_words(name, record) for name, record in told.values())
    known = [record for _, record in told.values() if record is not None]
    return of_sr(
        sr,
        "GC_BLOCKED_BY_HOST",
        "error",
        f"{what} {who or 'a pool member'} {end}",
        now=now,
        incidents=incidents,
        since=proofs[0].at if proofs else None,
        evidence=proofs,
        variant=variant,
        params={"host": ", ".join(record.name for record in known) or ", ".join(names)},
        hosts=frozenset(record.uuid for record in known),
    )


def _named(state: PoolState, names: tuple[str, ...]) -> list[tuple[str, Host | None]]:
    return [(name, _host_named(state, name)) for name in names]


def _host_named(state: PoolState, name: str) -> Host | None:
    """By reference, uuid, label or hostname: SM prints whichever it has."""
    records = state.picture.hosts.values() if state.picture is not None else ()
    return next((one for one in records if name in (one.ref, one.uuid, one.name, one.hostname)), None)


def _with_host_names(state: PoolState, error: str) -> str:
    """XenAPI's error without the references of hosts, at most 160 characters."""
    for record in state.picture.hosts.values() if state.picture is not None else ():
        error = error.replace(record.ref, record.name)
    return error[:160]


def _host_words(name: str, record: Host | None) -> str:
    if record is None or record.live is None:
        return f"host {record.name if record is not None else name}"
    return f"host {record.name} ({'alive' if record.live else 'down'}, says XenAPI)"


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
                f"{sr_words(sr)} has {switch} switched off (other_config:{switch}=false), which keeps"
                f" {plural(pending, 'merge')} from being done.",
                now=now,
                since=off.ref.at if off is not None and off.ref.at is not None else now,
                evidence=(off.ref,) if off is not None else (),
                key=switch,
                variant=switch,
                params={"switch": switch},
                sources=frozenset(("inventory",)) if by_record else log_sources(sr),
            )


_REASONS: Mapping[Switch, str] = {
    "gc": forest.GC_OFF,
    "coalesce": forest.COALESCE_OFF,
    "leaf-coalesce": forest.LEAF_COALESCE_OFF_SR,
}


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
        reason = _REASONS[switch]
        return sum(1 for node in sr.forest.nodes.values() if node.status == "blocked" and node.reason == reason)
    if sr.tree is None:
        return 0
    inner, leaf = sr.tree.pending()
    return {"gc": inner + leaf, "coalesce": inner, "leaf-coalesce": leaf}[switch]

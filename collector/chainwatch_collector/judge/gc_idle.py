"""Codes about a GC that is needed and does not run, or runs and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from chainwatch_collector.judge.answer import Severity
from chainwatch_collector.judge.condition import Condition, of_sr, sr_words, vdi_words
from chainwatch_collector.judge.known import covered, gc_host_state, has_chains, latest
from chainwatch_collector.judge.registry import family
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.read.facts import LineRef
from chainwatch_collector.track.runs_seen import RunSeen
from chainwatch_collector.track.state import HostState, PoolState, SrState
from chainwatch_collector.words import duration, plural

_NO_START = frozenset(("superseded", "not_here"))
"""Runs that did not get to work here: no start in the sense of GC_NOT_RUNNING."""


@family("GC_NOT_RUNNING")
def not_running(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Merges that SM would take, and no run started or active on the GC host for half an hour."""
    for sr in state.srs.values():
        host = gc_host_state(state, sr)
        if not has_chains(sr) or sr.forest is None or not sr.forest.pending or sr.open_run is not None:
            continue
        if host is None or not covered(host, now, limits) or not _attached(state, sr):
            continue
        since = _idle_since(state, sr, host)
        if since is None or (now - since).total_seconds() < limits.gc_not_running_seconds:
            continue
        variant, why, proof = _why(sr, host, since)
        severity: Severity = "warning" if variant == "host_disabled" else "error"
        yield of_sr(
            sr,
            "GC_NOT_RUNNING",
            severity,
            f"{plural(sr.forest.pending, 'merge')} pending on {sr_words(sr)} and no GC run started on {host.name} for"
            f" {duration((now - since).total_seconds())}: {why}.",
            now=now,
            since=since + timedelta(seconds=limits.gc_not_running_seconds),
            evidence=(proof,) if proof is not None else (),
            count=1,
            variant=variant,
            params={"host": host.name, "host_uuid": host.key},
        )


def _attached(state: PoolState, sr: SrState) -> bool:
    """Whether the SR is attached where its GC runs; if not, that is the finding."""
    pbds = state.picture.pbds.values() if state.picture is not None else ()
    host = gc_host_state(state, sr)
    ref = host.record.ref if host is not None and host.record is not None else None
    return any(pbd.sr_ref == sr.ref and pbd.host_ref == ref and pbd.currently_attached for pbd in pbds)


def _idle_since(state: PoolState, sr: SrState, host: HostState) -> datetime | None:
    """The latest of: became pending, master change, host enabled, SR attached, coverage of the host, the last run."""
    picture, record = state.picture, host.record
    if picture is None or record is None or sr.record is None or sr.forest is None:
        return None
    waiting = [
        at for uuid, at in sr.pending_since.items() if sr.forest.nodes[uuid].status in ("inner_pending", "leaf_pending")
    ]
    attached = [
        picture.pbd_attached_since.get(pbd.ref)
        for pbd in picture.pbds.values()
        if pbd.sr_ref == sr.ref and pbd.host_ref == record.ref
    ]
    runs = [run.last_at for run in sr.runs if run.outcome not in _NO_START and _on(run, host)]
    return latest(
        min(waiting, default=None),
        picture.master_since if sr.record.shared else None,
        picture.host_enabled_since.get(record.ref),
        *attached,
        host.covered_since,
        *runs,
    )


def _on(run: RunSeen, host: HostState) -> bool:
    return run.key.host in (host.key, host.name) or (host.record is not None and run.key.host == host.record.hostname)


def _why(sr: SrState, host: HostState, since: datetime) -> tuple[str, str, LineRef | None]:
    """(variant, words, the line that shows it)."""
    if host.record is not None and not host.record.enabled:
        return "host_disabled", f"{host.name} is disabled or in maintenance", None
    if sr.runtime is not None and sr.runtime.unit_state == "activating":
        return "unit_waits", "its systemd unit is activating and waits, for xapi or another job", None
    last = sr.runs[-1] if sr.runs else None
    if last is not None and (last.outcome == "killed" or last.running):
        return "killed", "the last run was killed and nothing has asked for another", last.last or last.start
    if sr.kick is not None and sr.kick.at is not None and sr.kick.at >= since:
        return "kicked_not_started", "it was asked for, but did not start", sr.kick
    auto = (sr.record.other_config.get("auto-scan", "") if sr.record is not None else "").lower()
    scans = " and auto-scan is off" if auto == "false" else ""
    return "not_asked", f"nothing has asked for one{scans}", None


@family("GC_INEFFECTIVE")
def ineffective(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Runs end well, again and again for an hour, and the same merges are still pending."""
    for sr in state.srs.values():
        if not has_chains(sr) or sr.forest is None or not sr.forest.pending or sr.open_run is not None:
            continue
        if len(sr.clean_ends) < limits.gc_ineffective_runs:
            continue
        told = sr.open_incidents("merge_failed", "gave_up", "no_space", "leaf_skipped", "multi_attach")
        known = {one.vdi[:8] for one in told}
        left = [uuid for uuid in sr.pending_since if uuid[:8] not in known and _never_taken(sr, uuid, limits)]
        if not left or not covered(gc_host_state(state, sr), now, limits):
            continue
        oldest = min(sr.pending_since[uuid] for uuid in left)
        ends = [at for at in sr.clean_ends if at >= oldest]
        names = ", ".join(vdi_words(sr, uuid) for uuid in left[:3]) + (" and more" if len(left) > 3 else "")
        runs = tuple(run for run in sr.runs if run.outcome in ("idle", "worked"))[-limits.gc_ineffective_runs :]
        raced = any(merge.cause == "busy" for run in runs for merge in run.merges)
        yield of_sr(
            sr,
            "GC_INEFFECTIVE",
            "error",
            f"GC runs of {sr_words(sr)} end well, but {plural(len(left), 'merge')} pending since"
            f" {duration((now - oldest).total_seconds())} ago {'is' if len(left) == 1 else 'are'} never done: {names}.",
            now=now,
            since=ends[-1] if ends else now,
            count=len(ends),
            evidence=tuple(run.end for run in runs if run.end is not None),
            variant="lost_races" if raced else "stale_parent",
            vdis=left,
        )


def _never_taken(sr: SrState, uuid: str, limits: Thresholds) -> bool:
    """Pending over three ends of good runs, an hour apart at least."""
    assert sr.forest is not None
    node = sr.forest.nodes.get(uuid)
    if node is None or node.status not in ("inner_pending", "leaf_pending"):
        return False
    ends = [at for at in sr.clean_ends if at >= sr.pending_since[uuid]]
    if len(ends) < limits.gc_ineffective_runs:
        return False
    return (ends[-1] - sr.pending_since[uuid]).total_seconds() >= limits.gc_ineffective_seconds

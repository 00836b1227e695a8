"""Codes about what is left over on VDIs: flags that nobody takes away, leaves switched off, garbage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from chainwatch_collector.chains import forest
from chainwatch_collector.inventory.records import Host
from chainwatch_collector.judge.answer import Severity
from chainwatch_collector.judge.condition import INVENTORY, Condition, of_sr, sr_words, vdi_words
from chainwatch_collector.judge.known import covered, gc_host_state, has_chains
from chainwatch_collector.judge.registry import family
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.state import PoolState, SrState
from chainwatch_collector.words import duration, plural, short

_BY_INVENTORY = frozenset((INVENTORY,))


@family("VDI_STALE_FLAG")
def stale_flags(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """By the inventory, each flag after its own time; gc_running_* by the log, as only SM sees those files."""
    attached = _attached_refs(state) if any(sr.host_keyed_refs for sr in state.srs.values()) else frozenset()
    for sr in state.srs.values():
        if not sr.no_gc:
            yield from _flagged(sr, now, limits)
            yield from _host_keys(state, sr, attached, now, limits)
        for incident in sr.open_incidents("stale_flag"):
            if incident.cause == "gc_running":
                yield of_sr(
                    sr,
                    "VDI_STALE_FLAG",
                    "error",
                    f"A gc_running_* file of a run that died is left on {sr_words(sr)}; a VM start on that chain waits"
                    " for it without end.",
                    now=now,
                    incidents=(incident,),
                    key="gc_running",
                    variant="gc_running",
                    vdi=incident.vdi or None,
                )


def _attached_refs(state: PoolState) -> frozenset[str]:
    """References of the VDIs that some VM has attached."""
    vbds = state.picture.vbds.values() if state.picture is not None else ()
    return frozenset(vbd.vdi_ref for vbd in vbds if vbd.currently_attached and vbd.vdi_ref is not None)


def _flagged(sr: SrState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    allowed = {
        "relinking": limits.flag_relinking_seconds,
        "activating": limits.flag_activating_seconds,
        "paused": limits.flag_paused_seconds,
    }
    for (uuid, name), since in sr.flags_since.items():
        # A run at work pauses and relinks: those flags are its own.
        if (now - since).total_seconds() >= allowed[name] and (name == "activating" or sr.open_run is None):
            yield _stale(sr, uuid, name, f"'{name}' flag", since, allowed[name], now)


def _host_keys(
    state: PoolState, sr: SrState, attached: frozenset[str], now: datetime, limits: Thresholds
) -> Iterator[Condition]:
    """Keys of a host that is gone from the pool, or of a disk that no VBD has attached."""
    hosts = state.picture.hosts if state.picture is not None else {}
    suspects = sr.host_keyed_refs - attached
    for (uuid, host_ref), since in sr.host_keys_since.items() if suspects or _gone_hosts(sr, hosts) else ():
        node = sr.forest.nodes.get(uuid) if sr.forest is not None else None
        lasted = (now - since).total_seconds()
        if node is None or lasted < limits.flag_host_seconds or (node.vdi.ref not in suspects and host_ref in hosts):
            continue
        name = _host_name(state, host_ref)
        made = _stale(sr, uuid, "host", f"host key of {name}", since, limits.flag_host_seconds, now)
        yield replace(made, key=f"host:{host_ref}", params={**made.params, "host": name})


def _gone_hosts(sr: SrState, hosts: Mapping[str, Host]) -> bool:
    return any(host_ref not in hosts for _, host_ref in sr.host_keys_since)


def _stale(
    sr: SrState, uuid: str, name: str, what: str, since: datetime, allowed_seconds: float, now: datetime
) -> Condition:
    return of_sr(
        sr,
        "VDI_STALE_FLAG",
        "warning",
        f"The {what} on {vdi_words(sr, uuid)} of {sr_words(sr)} is {duration((now - since).total_seconds())} old: it"
        " blocks merges or the start of a VM.",
        now=now,
        since=since + timedelta(seconds=allowed_seconds),
        key=name,
        variant=name,
        vdi=uuid,
        sources=_BY_INVENTORY,
    )


def _host_name(state: PoolState, host_ref: str) -> str:
    record = state.picture.hosts.get(host_ref) if state.picture is not None else None
    return record.name if record is not None else "a host that is gone"


@family("LEAF_COALESCE_BLOCKED")
def leaf_blocked(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """SM skips the leaf by its own settings; a switch that a storage migration left behind is worth a warning."""
    reasons = {
        forest.ON_BOOT_RESET: "on_boot=reset",
        forest.ALLOW_CACHING: "allow_caching=true",
        forest.LEAF_COALESCE_OFF: "other_config:leaf-coalesce=false",
    }
    for sr in state.srs.values():
        if not has_chains(sr) or sr.forest is None or not sr.forest.blocked:
            continue
        for uuid, node in sr.forest.nodes.items():
            if node.status != "blocked" or node.children or node.reason not in reasons:
                continue
            since = sr.pending_since.get(uuid, now)
            lasted = (now - since).total_seconds()
            left = node.reason == forest.LEAF_COALESCE_OFF and lasted >= limits.leaf_blocked_seconds
            severity: Severity = "warning" if left else "info"
            yield of_sr(
                sr,
                "LEAF_COALESCE_BLOCKED",
                severity,
                f"The leaf merge of {vdi_words(sr, uuid)} on {sr_words(sr)} is off by {reasons[node.reason]}"
                + (f" for {duration(lasted)}: probably left by a storage migration." if left else "."),
                now=now,
                since=since,
                variant="migration_left" if left else "",
                vdi=uuid,
                sources=_BY_INVENTORY,
            )


@family("VDI_GARBAGE")
def garbage(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """The same images wait for deletion for two hours; without the GC host's log that is not known."""
    for sr in state.srs.values():
        if not has_chains(sr) or not sr.garbage_since or not covered(gc_host_state(state, sr), now, limits):
            continue
        old = {
            uuid: since
            for uuid, since in sr.garbage_since.items()
            if (now - since).total_seconds() >= limits.garbage_seconds
        }
        if not old:
            continue
        names = ", ".join(short(uuid) for uuid in list(old)[:3]) + (" and more" if len(old) > 3 else "")
        first = min(old.values())
        yield of_sr(
            sr,
            "VDI_GARBAGE",
            "warning",
            f"{plural(len(old), 'image')} on {sr_words(sr)} {'waits' if len(old) == 1 else 'wait'} for deletion since"
            f" {duration((now - first).total_seconds())}: {names}.",
            now=now,
            since=first + timedelta(seconds=limits.garbage_seconds),
            vdis=old,
        )

"""Codes about single merges: failed, refused for space, outrun by the guest, refused because of other hosts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from chainwatch_collector.chains import forest
from chainwatch_collector.judge import keepers
from chainwatch_collector.judge.answer import Severity
from chainwatch_collector.judge.condition import INVENTORY, Condition, of_sr, sr_words, vdi_words
from chainwatch_collector.judge.known import Guests, leaf_params
from chainwatch_collector.judge.registry import family
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.incidents import Incident, seconds_between
from chainwatch_collector.track.state import PoolState, SrState
from chainwatch_collector.words import plural, short, size

PERMANENT = frozenset(("corrupt", "io_error"))
"""Causes that do not go away by themselves: an error at once. The others are transient until they persist."""
CAUSES = {
    "corrupt": "an image of the pair fails its check",
    "io_error": "the storage gave an I/O error",
    "no_space": "the SR ran out of space in the middle of it",
    "killed": "the copying tool was killed",
    "timed_out": "the live merge took longer than SM allows (10 s of a paused disk)",
    "busy": "the disk was busy or changed meanwhile",
    "xapi": "XenAPI refused or did not answer a call",
    "multi_attach": "the chain is active on more than one host",
    "aborted": "it was asked to stop",
    "tool_bug": "vhd-util reports failure after a good copy of more than 1 TiB (fixed in blktap 3.55.5-2.3)",
    "unknown": "SMlog does not say why",
}


@family("COALESCE_FAILED")
def failed(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """One finding per (SR, child, parent, cause)."""
    guests = Guests(state.picture)
    for sr in state.srs.values():
        found = sr.open_incidents("merge_failed")
        room = keepers.of_sr(sr) if found else {}
        for incident in found:
            yield of_sr(
                sr,
                "COALESCE_FAILED",
                _severity(incident, now, limits),
                _failed_words(sr, incident),
                now=now,
                incidents=(incident,),
                key=f"{incident.parent}:{incident.cause}",
                variant=incident.cause,
                params=leaf_params(state, guests, sr, incident.vdi) | room,
                vdi=incident.vdi,
                vdis=(incident.parent,),
            )


def _severity(incident: Incident, now: datetime, limits: Thresholds) -> Severity:
    if incident.cause in PERMANENT:
        return "error"
    lasted = seconds_between(incident.first, incident.last)
    return "warning" if incident.count > 1 and lasted >= limits.merge_transient_seconds else "info"


def _failed_words(sr: SrState, incident: Incident) -> str:
    pair = (
        f"{vdi_words(sr, incident.vdi)} into {vdi_words(sr, incident.parent)}"
        if incident.parent
        else (f"{vdi_words(sr, incident.vdi)} into its parent")
    )
    times = "" if incident.count == 1 else f" in {incident.count} GC runs"
    return f"merging {pair} on {sr_words(sr)} failed{times}: {CAUSES.get(incident.cause, incident.cause)}."


@family("COALESCE_NO_SPACE")
def no_space(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Merges that SM refused, or that died, for lack of space: one finding per SR, with need and free."""
    for sr in state.srs.values():
        found = tuple(sr.open_incidents("no_space"))
        if not found:
            continue
        free = _free_bytes(sr, found)
        needs = [need for one in found if (need := _need_bytes(sr, one.vdi)) is not None]
        numbers = [f"free: {size(free)}"] if free is not None else []
        numbers += [f"the smallest of them needs {size(min(needs))}"] if needs else []
        names = ", ".join(short(one.vdi) for one in found[:3]) + (" and more" if len(found) > 3 else "")
        how = "died" if any(one.cause == "died" for one in found) else "refused"
        yield of_sr(
            sr,
            "COALESCE_NO_SPACE",
            "error",
            f"{plural(len(found), 'merge')} on {sr_words(sr)} ({names}) {how} for lack of space"
            + (f"; {', '.join(numbers)}" if numbers else "")
            + ".",
            now=now,
            incidents=found,
            params=keepers.of_sr(sr),
            variant="leaf_offline" if all(one.detail == "offline_possible" for one in found) else "",
            vdis=[one.vdi for one in found],
        )


def _free_bytes(sr: SrState, found: tuple[Incident, ...]) -> int | None:
    if sr.record is not None and sr.record.physical_size_bytes > 0:
        return max(0, sr.record.physical_size_bytes - sr.record.physical_utilisation_bytes)
    return next((one.free_bytes for one in reversed(found) if one.free_bytes is not None), None)


def _need_bytes(sr: SrState, vdi: str) -> int | None:
    node = sr.forest.nodes.get(vdi) if sr.forest is not None else None
    return node.need_bytes if node is not None else None


@family("LEAF_COALESCE_GAVE_UP")
def gave_up(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """The guest writes faster than the merge; SM tries again by itself, so it warns only when that goes on."""
    guests = Guests(state.picture)
    for sr in state.srs.values():
        for incident in sr.open_incidents("gave_up"):
            lasted = seconds_between(incident.first, incident.last)
            goes_on = incident.count >= limits.leaf_gave_up_runs and lasted >= limits.leaf_gave_up_seconds
            times = "once" if incident.count == 1 else f"in {incident.count} GC runs"
            yield of_sr(
                sr,
                "LEAF_COALESCE_GAVE_UP",
                "warning" if goes_on else "info",
                f"the leaf merge of {vdi_words(sr, incident.vdi)} on {sr_words(sr)} gave up {times}: its guest writes"
                " faster than SM merges.",
                now=now,
                incidents=(incident,),
                params=leaf_params(state, guests, sr, incident.vdi),
                vdi=incident.vdi,
            )


@family("CHAIN_MULTI_HOST")
def multi_host(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """A pending merge refused because the chain is active on several hosts; an error where that ends the SR's run."""
    for sr in state.srs.values():
        for incident in sr.open_incidents("multi_attach"):
            ends_run = incident.cause == "ended_run"
            what = f"the chain of {vdi_words(sr, incident.vdi)}" if incident.vdi else "a chain"
            yield of_sr(
                sr,
                "CHAIN_MULTI_HOST",
                "error" if ends_run else "warning",
                f"{what} on {sr_words(sr)} is active on more than one host, so SM refuses its merge"
                + (" and ends the whole GC run of the SR over it" if ends_run else "")
                + ".",
                now=now,
                incidents=(incident,),
                vdi=incident.vdi or None,
            )
        told = {incident.vdi for incident in sr.open_incidents("multi_attach")}
        yield from _several_hosts(sr, told, now)


def _several_hosts(sr: SrState, told: set[str], now: datetime) -> Iterator[Condition]:
    """By the inventory: the topmost node of each chain that SM would refuse."""
    nodes = sr.forest.nodes if sr.forest is not None and sr.forest.blocked else {}
    for uuid, node in nodes.items():
        above = nodes.get(node.parent or "")
        if node.reason != forest.MULTI_HOST or uuid in told or (above is not None and above.reason == node.reason):
            continue
        yield of_sr(
            sr,
            "CHAIN_MULTI_HOST",
            "warning",
            f"the chain of {vdi_words(sr, uuid)} on {sr_words(sr)} is active on more than one host, so SM will refuse"
            " its merge.",
            now=now,
            since=sr.pending_since.get(uuid),
            vdi=uuid,
            sources=frozenset((INVENTORY,)),
        )

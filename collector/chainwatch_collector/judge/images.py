"""Codes about single images: damaged, without their parent, lost, frozen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from chainwatch_collector.judge.condition import INVENTORY, Condition, of_sr, sr_words, vdi_words
from chainwatch_collector.judge.known import gc_host_named, vhd_path
from chainwatch_collector.judge.registry import family
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.incidents import Incident
from chainwatch_collector.track.state import PoolState, SrState
from chainwatch_collector.words import short


@family("VDI_CORRUPT")
def corrupt(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """An image fails its check: says when that may only mean unavailable, or a merge that was killed."""
    for sr in state.srs.values():
        for incident in sr.open_incidents("corrupt"):
            yield of_sr(
                sr,
                "VDI_CORRUPT",
                "error",
                _corrupt_words(sr, incident),
                now=now,
                incidents=(incident,),
                variant=_variant(incident),
                vdi=incident.vdi,
                params={**gc_host_named(state, sr), "path": vhd_path(sr, incident.vdi)},
            )


def _variant(incident: Incident) -> str:
    if incident.after_kill:
        return "killed_merge"
    return "damaged" if incident.sure else "unavailable"


def _corrupt_words(sr: SrState, incident: Incident) -> str:
    """First of all: is my data safe?"""
    what = f"image {vdi_words(sr, incident.vdi)} of {sr_words(sr)}"
    said = f" ({incident.detail[:160]})" if incident.detail else ""
    if incident.after_kill:
        return f"The data is probably whole: {what} fails its check after a killed merge, which costs its footer{said}."
    if incident.sure:
        return f"Data may be damaged: {what} fails its check{said}, and every disk above it reads through it."
    return f"No damage is proven: {what} cannot be read{said}; it may only be unavailable."


@family("VDI_PARENT_MISSING")
def parent_missing(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """The parent is neither on disk nor in the inventory: SM said so, or both XenAPI's records say so."""
    for sr in state.srs.values():
        told = {incident.vdi: incident for incident in sr.open_incidents("parent_missing")}
        for incident in told.values():
            yield of_sr(
                sr,
                "VDI_PARENT_MISSING",
                "error",
                f"the parent {short(incident.parent)} of {vdi_words(sr, incident.vdi)} on {sr_words(sr)} is not there,"
                " and every GC run of the SR ends over it.",
                now=now,
                incidents=(incident,),
                vdi=incident.vdi,
                vdis=(incident.parent,),
            )
        yield from _missing_in_inventory(sr, set(told), now, limits)


def _missing_in_inventory(sr: SrState, told: set[str], now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """XenAPI has no such parent, and no tree that SM printed has it either: else only XenAPI's picture is stale."""
    missing = sr.forest.missing_parents if sr.forest is not None and not sr.no_gc else {}
    for child, parent in missing.items():
        on_disk = sr.tree is not None and parent[:8] in sr.tree.nodes
        if child in told or on_disk:
            continue
        yield of_sr(
            sr,
            "VDI_PARENT_MISSING",
            "error",
            f"the parent {short(parent)} of {vdi_words(sr, child)} on {sr_words(sr)} is not in the inventory, nor in"
            " any tree that SM has printed.",
            now=now,
            vdi=child,
            vdis=(parent,),
            sources=frozenset((INVENTORY,)),
            hold_seconds=limits.parent_missing_seconds,
        )


@family("VDI_LOST")
def lost(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """A scan forgot an image that nobody deleted."""
    for sr in state.srs.values():
        for incident in sr.open_incidents("lost"):
            yield of_sr(
                sr,
                "VDI_LOST",
                "error",
                f"a scan of {sr_words(sr)} forgot {vdi_words(sr, incident.vdi)}, which nobody deleted and which another"
                " image still needs.",
                now=now,
                incidents=(incident,),
                vdi=incident.vdi,
            )
        yield from _marked_missing(sr, now)


def _marked_missing(sr: SrState, now: datetime) -> Iterator[Condition]:
    """`VDI.missing`: the last scan did not find it on the SR."""
    for uuid in sr.missing_vdis:
        if not sr.no_gc:
            yield of_sr(
                sr,
                "VDI_LOST",
                "error",
                f"the last scan of {sr_words(sr)} did not find {vdi_words(sr, uuid)}, which XenAPI still lists.",
                now=now,
                vdi=uuid,
                sources=frozenset((INVENTORY,)),
            )


@family("DISK_FROZEN")
def frozen(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """tapdisk could not be unpaused: a guest may have lost its disk."""
    oldest = now - timedelta(seconds=limits.disk_frozen_seconds)
    for sr in state.srs.values():
        for incident in sr.open_incidents("frozen"):
            if incident.last.at is not None and incident.last.at < oldest:
                continue
            what = f"disk {vdi_words(sr, incident.vdi)}" if incident.vdi else "a disk"
            yield of_sr(
                sr,
                "DISK_FROZEN",
                "error",
                f"{what} on {sr_words(sr)} could not be unpaused after a merge: its guest may hang on it.",
                now=now,
                incidents=(incident,),
                vdi=incident.vdi or None,
            )

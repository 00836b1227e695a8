"""Codes about single images: damaged, without their parent, lost, frozen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from chainwatch_collector.judge.condition import Condition, of_sr, sr_words, vdi_words
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
            )


def _variant(incident: Incident) -> str:
    if incident.after_kill:
        return "killed_merge"
    return "damaged" if incident.sure else "unavailable"


def _corrupt_words(sr: SrState, incident: Incident) -> str:
    what = f"image {vdi_words(sr, incident.vdi)} of {sr_words(sr)}"
    said = f" ({incident.detail[:160]})" if incident.detail else ""
    if incident.after_kill:
        return f"{what} fails its check after a killed merge; its data may be whole and only its footer lost{said}."
    if incident.sure:
        return f"{what} fails its check{said}; the disks above it may be affected."
    return f"{what} cannot be read{said}: damaged, or only unavailable at that moment."


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

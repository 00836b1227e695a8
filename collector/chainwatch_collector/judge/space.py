"""Codes about space: what SM refused for lack of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from chainwatch_collector.judge.condition import Condition, of_sr, sr_words, vdi_words
from chainwatch_collector.judge.registry import family
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.incidents import Incident
from chainwatch_collector.track.state import PoolState, SrState
from chainwatch_collector.words import plural, size


def recent(found: list[Incident], now: datetime, limits: Thresholds) -> tuple[Incident, ...]:
    """Refusals are told for a while: nothing in the log says when there was room again."""
    oldest = now - timedelta(seconds=limits.space_error_seconds)
    return tuple(one for one in found if one.last.at is None or one.last.at >= oldest)


def numbers(incident: Incident) -> str:
    """`free: 1 GiB, needed: 10 GiB`, as far as SM said."""
    free = f"free: {size(incident.free_bytes)}" if incident.free_bytes is not None else ""
    need = f"needed: {size(incident.need_bytes)}" if incident.need_bytes is not None else ""
    return ", ".join(part for part in (free, need) if part)


@family("SNAPSHOT_NO_SPACE")
def snapshot_refused(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Error 44: SM refused a snapshot for lack of space (A9 has both numbers)."""
    for sr in state.srs.values():
        for incident in recent(sr.open_incidents("snapshot_no_space"), now, limits):
            if _room_again(sr, incident):
                continue
            told = numbers(incident)
            yield of_sr(
                sr,
                "SNAPSHOT_NO_SPACE",
                "error",
                f"{sr_words(sr)} refused {plural(incident.count, 'snapshot')} for lack of space"
                + (f" ({told})" if told else "")
                + ".",
                now=now,
                incidents=(incident,),
            )


def _room_again(sr: SrState, incident: Incident) -> bool:
    """XenAPI now shows more free space than was needed then."""
    if sr.record is None or incident.need_bytes is None or sr.record.physical_size_bytes <= 0:
        return False
    return sr.record.physical_size_bytes - sr.record.physical_utilisation_bytes > incident.need_bytes


@family("ATTACH_NO_SPACE")
def attach_refused(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """180, or 44 at an attach: the leaf cannot be inflated, the VM does not start."""
    for sr in state.srs.values():
        for incident in recent(sr.open_incidents("attach_no_space"), now, limits):
            if _room_again(sr, incident):
                continue
            what = vdi_words(sr, incident.vdi) if incident.vdi else "a disk"
            told = numbers(incident)
            yield of_sr(
                sr,
                "ATTACH_NO_SPACE",
                "error",
                f"{what} on {sr_words(sr)} could not be attached for lack of space"
                + (f" ({told})" if told else "")
                + ".",
                now=now,
                incidents=(incident,),
                vdi=incident.vdi or None,
            )

"""Codes about space: what SM refused for lack of it, and how much is left."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from chainwatch_collector.chains.scope import raises_space_codes
from chainwatch_collector.inventory.records import Sr
from chainwatch_collector.judge import keepers
from chainwatch_collector.judge.condition import INVENTORY, Condition, of_sr, sr_words
from chainwatch_collector.judge.registry import family
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.incidents import Incident
from chainwatch_collector.track.state import PoolState, SrState
from chainwatch_collector.words import percent, plural, size


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
            if room_again(sr, incident):
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
                params=keepers.of_sr(sr),
            )


def room_again(sr: SrState, incident: Incident) -> bool:
    """XenAPI now shows more free space than was needed then."""
    if sr.record is None or incident.need_bytes is None or sr.record.physical_size_bytes <= 0:
        return False
    return sr.record.physical_size_bytes - sr.record.physical_utilisation_bytes > incident.need_bytes


def free_bytes(record: Sr) -> int:
    """Size minus utilisation, as XenAPI has it."""
    return max(0, record.physical_size_bytes - record.physical_utilisation_bytes)


@family("SR_FULL")
def full(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """No useful allocation left by XenAPI's numbers, or ENOSPC from the SR itself (81 with error 28 on file SRs)."""
    for sr in state.srs.values():
        record = sr.record
        said = recent(sr.open_incidents("sr_full"), now, limits)
        by_numbers = record is not None and raises_space_codes(record) and free_bytes(record) <= limits.space_full_bytes
        if not by_numbers and not said:
            continue
        if said and record is not None and raises_space_codes(record) and not by_numbers:
            ratio = free_bytes(record) / record.physical_size_bytes
            if ratio >= limits.space_warning_ratio:
                continue
        free = f" ({size(free_bytes(record))} free)" if record is not None and record.physical_size_bytes > 0 else ""
        yield of_sr(
            sr,
            "SR_FULL",
            "error",
            f"{sr_words(sr)} is full{free}: no snapshot, no merge and no growing disk has room.",
            now=now,
            incidents=said,
            params=keepers.of_sr(sr),
            sources=frozenset((INVENTORY,)) if by_numbers else None,
        )


@family("SR_SPACE_LOW")
def low(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Under 30 % free is worth knowing; it warns under 10 %, or where the largest pending merge has no room."""
    for sr in state.srs.values():
        record = sr.record
        if record is None or not raises_space_codes(record):
            continue
        free = free_bytes(record)
        ratio = free / record.physical_size_bytes
        if ratio >= limits.space_low_ratio or free <= limits.space_full_bytes:
            continue
        need = _largest_need(sr)
        short_of = need is not None and free < need
        why = f"; its largest pending merge needs {size(need)}" if short_of else ""
        yield of_sr(
            sr,
            "SR_SPACE_LOW",
            "warning" if short_of or ratio < limits.space_warning_ratio else "info",
            f"{sr_words(sr)} has {size(free)} ({percent(ratio)}) free{why}.",
            now=now,
            params=keepers.of_sr(sr),
            sources=frozenset((INVENTORY,)),
        )


def _largest_need(sr: SrState) -> int | None:
    """Free space that the largest pending or refused merge needs; None where XenAPI tells none."""
    if sr.forest is None:
        return None
    pending = ("inner_pending", "leaf_pending", "blocked")
    needs = (node.need_bytes for node in sr.forest.nodes.values() if node.status in pending)
    return max((need for need in needs if need is not None), default=None)

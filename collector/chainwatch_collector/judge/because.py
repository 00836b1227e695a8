"""What causes what: the fixed precedence of interfaces.md section 6, so that one incident is one page.

A condition points to those of the strongest rank above its own that reach it: through its pool, its host, its SR or its
VDIs. Equal ranks never cause one another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from chainwatch_collector.judge.condition import Condition

RANKS: Final[tuple[frozenset[str], ...]] = (
    frozenset(("POOL_UNREACHABLE", "AGENT_SILENT", "AGENT_MISSING", "AGENT_BEHIND", "HOST_UNASSIGNED")),
    frozenset(("LOG_OFF", "LOG_PARTITION_FULL", "EVIDENCE_GAP", "CLOCK_SKEW", "CERTIFICATE_EXPIRING")),
    frozenset(("HOST_DOWN", "HOST_TOO_OLD")),
    frozenset(("SR_PATHS_DEGRADED", "SR_IO_ERRORS", "LINSTOR_DEGRADED")),
    frozenset(("SR_DETACHED",)),
    frozenset(("SR_SCAN_FAILED", "VDI_PARENT_MISSING", "VDI_CORRUPT", "VDI_LOST")),
    frozenset(("SR_FULL", "COALESCE_NO_SPACE", "ATTACH_NO_SPACE")),
    frozenset(("GC_DISABLED",)),
    frozenset(("GC_BLOCKED_BY_HOST", "CHAIN_MULTI_HOST")),
    frozenset(("GC_CRASHED", "GC_STUCK", "GC_NOT_RUNNING", "GC_INEFFECTIVE", "GC_INTERRUPTED")),
    frozenset(("COALESCE_FAILED", "LEAF_COALESCE_GAVE_UP", "LEAF_COALESCE_BLOCKED", "DISK_FROZEN", "VDI_STALE_FLAG")),
    frozenset(("COALESCE_BEHIND", "COALESCE_SLOW", "SR_SLOW", "VDI_GARBAGE", "SR_SPACE_LOW", "SR_FULL_SOON")),
    frozenset(("CHAIN_AT_LIMIT", "CHAIN_NEAR_LIMIT")),
    frozenset(("SNAPSHOT_NO_SPACE", "BACKUP_WILL_SKIP", "SNAPSHOT_NOT_SUPPORTED")),
)
"""Strongest first. Codes in no rank stand alone: nothing here causes them."""

RANK_OF: Final[Mapping[str, int]] = {code: rank for rank, codes in enumerate(RANKS) for code in codes}
CAUSES_NOTHING: Final = frozenset(
    (
        "AGENT_MISSING",
        "AGENT_BEHIND",
        "HOST_UNASSIGNED",
        "EVIDENCE_GAP",
        "CLOCK_SKEW",
        "CERTIFICATE_EXPIRING",
        "HOST_TOO_OLD",
    )
)
"""They hide or delay what is known; they do not make storage fail."""
HIDES_ONLY: Final = frozenset(("POOL_UNREACHABLE", "AGENT_SILENT", "LOG_OFF", "LOG_PARTITION_FULL"))
"""They cause only what is said for want of them, never a failure that a line proves."""
ALONE: Final = frozenset(("VM_VENDOR_DEVICE", "HOST_TOO_OLD", "CLOCK_SKEW", "VDI_HELD_BY_CONTROL_DOMAIN"))
_SPACE: Final = frozenset(("SR_FULL", "COALESCE_NO_SPACE", "ATTACH_NO_SPACE", "SR_SPACE_LOW"))
_SPACE_EFFECTS: Final = frozenset(
    ("SNAPSHOT_NO_SPACE", "ATTACH_NO_SPACE", "COALESCE_NO_SPACE", "SR_SPACE_LOW", "SR_FULL_SOON")
)
"""Lack of space has causes of its own: only other words for it explain it."""


def causes(conditions: Sequence[Condition]) -> list[tuple[int, ...]]:
    """For each condition the indexes of those that cause it."""
    by_place: dict[str, list[int]] = {}
    for index, condition in enumerate(conditions):
        for place in _reaches(condition):
            by_place.setdefault(place, []).append(index)
    return [_of(index, conditions, by_place) for index in range(len(conditions))]


def _reaches(condition: Condition) -> list[str]:
    """Where it makes itself felt: its SR, its host, or the whole pool."""
    if condition.code in CAUSES_NOTHING or condition.code not in RANK_OF:
        return []
    if condition.subject.kind == "pool":
        return ["pool"]
    if condition.subject.kind in ("host", "agent"):
        return [f"host:{condition.subject.uuid}"]
    return [f"sr:{condition.sr_uuid}"] if condition.sr_uuid else []


def _feels(condition: Condition) -> list[str]:
    places = ["pool"]
    if condition.sr_uuid:
        places.append(f"sr:{condition.sr_uuid}")
    if condition.host:
        places.append(f"host:{condition.host}")
    if condition.subject.kind in ("host", "agent"):
        places.append(f"host:{condition.subject.uuid}")
    return places


def _of(index: int, conditions: Sequence[Condition], by_place: Mapping[str, list[int]]) -> tuple[int, ...]:
    effect = conditions[index]
    rank = RANK_OF.get(effect.code)
    if rank is None or effect.code in ALONE:
        return ()
    met = {found for place in _feels(effect) for found in by_place.get(place, ()) if found != index}
    above = [found for found in met if RANK_OF[conditions[found].code] < rank and _explains(conditions[found], effect)]
    strongest = min((RANK_OF[conditions[found].code] for found in above), default=0)
    return tuple(sorted(found for found in above if RANK_OF[conditions[found].code] == strongest))


def _explains(cause: Condition, effect: Condition) -> bool:
    if cause.code in HIDES_ONLY:
        return not effect.evidence
    if effect.code in _SPACE_EFFECTS:
        return cause.code in _SPACE
    if cause.subject.kind == "vdi" and effect.subject.kind == "vdi" and cause.vdis and effect.vdis:
        return cause.code in ("VDI_PARENT_MISSING",) or bool(cause.vdis & effect.vdis) or _is_chain(effect)
    if cause.code in _SPACE and effect.code in ("COALESCE_FAILED",):
        return bool(cause.vdis & effect.vdis) or cause.code == "SR_FULL"
    return True


def _is_chain(effect: Condition) -> bool:
    """A chain is longer than the VDI that it is told of."""
    return effect.code in RANKS[12]

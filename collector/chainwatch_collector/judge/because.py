"""What causes what: the fixed precedence of interfaces.md section 6, so that one incident is one page.

A condition points to those of the strongest rank above its own that reach it (through its pool, its host, its SR or its
VDIs) and that can explain it: a switch that is off makes a chain grow, but no image corrupt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from chainwatch_collector.judge.catalogue import CATALOGUE, RANKS
from chainwatch_collector.judge.condition import Condition

_IMAGE_ORDER: Final = ("VDI_LOST", "VDI_PARENT_MISSING", "VDI_CORRUPT", "SR_SCAN_FAILED")
_PLACE_IN_RANK: Final[Mapping[str, int]] = {
    **{code: place for place, code in enumerate(_IMAGE_ORDER)},
    **dict.fromkeys(("COALESCE_NO_SPACE", "ATTACH_NO_SPACE"), 1),
}
"""Within one rank nothing causes another, but for images and space: a lost image is a missing parent, and that fails
the scan; a full SR is why it has no room to merge or to inflate a leaf, and making room is the one remedy of all."""
_IMAGES: Final = frozenset(_IMAGE_ORDER)
_STORAGE: Final = frozenset(("SR_PATHS_DEGRADED", "SR_IO_ERRORS", "LINSTOR_DEGRADED", "SR_DETACHED"))
_SPACE: Final = frozenset(("SR_FULL", "COALESCE_NO_SPACE", "ATTACH_NO_SPACE"))
_FORECASTS: Final = frozenset(("SR_SPACE_LOW", "SR_FULL_SOON"))
"""Listed with space, but they are effects of its lack before they are causes of anything."""

NO_CAUSE: Final = frozenset(
    {"AGENT_MISSING", "AGENT_BEHIND", "HOST_UNASSIGNED", "EVIDENCE_GAP", "CLOCK_SKEW", "CERTIFICATE_EXPIRING"}
    | {"HOST_DUPLICATE", "AGENT_MISBEHAVES", "HOST_TOO_OLD", "SR_SLOW"}
)
"""They delay or hide what is known; they make no storage fail."""
HIDING: Final = frozenset(("POOL_UNREACHABLE", "AGENT_SILENT", "AGENT_REVOKED", "LOG_OFF", "LOG_PARTITION_FULL"))
"""They explain what is said for want of them, never what a line proves."""
_CRASH_CAUSES: Final[Mapping[str, frozenset[str]]] = {
    "scan_failed": _IMAGES | _STORAGE,
    "unknown": _IMAGES | _STORAGE,
    "corrupt": _IMAGES,
    "parent_missing": frozenset(("VDI_LOST", "VDI_PARENT_MISSING")),
    "no_space": _SPACE,
    "multi_attach": frozenset(("CHAIN_MULTI_HOST",)),
    "host_unreachable": frozenset(("HOST_DOWN", "GC_BLOCKED_BY_HOST")),
    "xapi": frozenset(("HOST_DOWN",)),
    "io_error": _STORAGE,
    "timed_out": _STORAGE,
    "sr_unavailable": _STORAGE,
    "lock_timeout": _STORAGE,
}
"""GC_CRASHED's `key` → the codes that can have ended the run so."""
_EFFECTS: Final[Mapping[str, frozenset[str]]] = {
    "COALESCE_FAILED": _STORAGE | _IMAGES | _SPACE | {"CHAIN_MULTI_HOST"},
    "LEAF_COALESCE_GAVE_UP": frozenset(("SR_PATHS_DEGRADED", "SR_IO_ERRORS")),
    "LEAF_COALESCE_BLOCKED": frozenset(),
    "GC_DISABLED": frozenset(),
    "DISK_FROZEN": _STORAGE | {"HOST_DOWN"},
    "VDI_STALE_FLAG": frozenset(("HOST_DOWN",)),
    "VDI_LOST": _STORAGE,
    "VDI_PARENT_MISSING": _STORAGE | {"VDI_LOST"},
    "VDI_CORRUPT": _STORAGE,
    "CHAIN_MULTI_HOST": frozenset(),
    "GC_INTERRUPTED": _STORAGE | {"HOST_DOWN"},
    "COALESCE_NO_SPACE": frozenset(("SR_FULL",)),
    "ATTACH_NO_SPACE": frozenset(("SR_FULL",)),
    "SR_FULL": frozenset(),
    "SR_SPACE_LOW": _SPACE,
    "SR_FULL_SOON": _SPACE,
    "SNAPSHOT_NO_SPACE": _SPACE | {"SR_SPACE_LOW"},
    "SNAPSHOT_NOT_SUPPORTED": frozenset(("SR_DETACHED",)),
    "GC_BLOCKED_BY_HOST": frozenset(("HOST_DOWN",)),
    "SR_IO_ERRORS": frozenset(),
    "GC_NOT_RUNNING": _STORAGE | {"HOST_DOWN", "SR_SCAN_FAILED", "GC_BLOCKED_BY_HOST"},
    "GC_STUCK": _STORAGE | {"HOST_DOWN", "SR_SLOW", "GC_BLOCKED_BY_HOST", "VDI_STALE_FLAG"},
    "GC_INEFFECTIVE": _IMAGES | {"CHAIN_MULTI_HOST", "VDI_STALE_FLAG"},
    "LINSTOR_DEGRADED": frozenset(("HOST_DOWN",)),
}
"""What alone can explain these; everything else is explained by whatever stronger reaches it."""
_OF_ONE_VDI: Final = frozenset(
    {"VDI_CORRUPT", "VDI_LOST", "VDI_PARENT_MISSING", "COALESCE_NO_SPACE", "CHAIN_MULTI_HOST", "COALESCE_FAILED"}
    | {"LEAF_COALESCE_GAVE_UP", "LEAF_COALESCE_BLOCKED", "VDI_STALE_FLAG", "ATTACH_NO_SPACE", "DISK_FROZEN"}
    | {"CHAIN_AT_LIMIT", "CHAIN_NEAR_LIMIT"}
)
"""They reach the finding of a disk or a VM only where they name an image of its chain."""

_OF_IMAGES: Final = frozenset(("vdi", "vm"))


def rank(code: str) -> int | None:
    """Lower is nearer to the cause; None for a code that the catalogue does not have: it stands alone."""
    entry = CATALOGUE.get(code)
    if entry is None:
        return None
    place = RANKS.index("behind") + 1 if code in _FORECASTS else entry.precedence
    return 10 * place + _PLACE_IN_RANK.get(code, 0)


def causes(conditions: Sequence[Condition]) -> list[tuple[int, ...]]:
    """For each condition the indexes of those that cause it."""
    places: dict[str, _Place] = {}
    for index, condition in enumerate(conditions):
        name = _reaches(condition)
        if name:
            places.setdefault(name, _Place()).add(index, condition)
    return [_of(effect, conditions, places) for effect in conditions]


@dataclass(slots=True)
class _Place:
    """What makes itself felt at one place, so that an effect goes through codes, and not through what has them.

    `anybody`: code → those that explain, if their code does, whatever is felt here; `of_images`: code → those that
    explain a disk's or VM's trouble only where they name one of its images; `by_image`: image → all that name it.
    """

    anybody: dict[str, list[int]] = field(default_factory=dict)
    of_images: dict[str, list[int]] = field(default_factory=dict)
    by_image: dict[str, list[int]] = field(default_factory=dict)

    def add(self, index: int, condition: Condition) -> None:
        of_image = condition.code in _OF_ONE_VDI and condition.vdis
        (self.of_images if of_image else self.anybody).setdefault(condition.code, []).append(index)
        for vdi in condition.vdis:
            self.by_image.setdefault(vdi, []).append(index)


def _reaches(condition: Condition) -> str:
    """Where it makes itself felt: its SR, its host, or the whole pool."""
    if condition.code in NO_CAUSE or rank(condition.code) is None:
        return ""
    if condition.subject.kind == "pool":
        return "pool"
    if condition.subject.kind in ("host", "agent"):
        return f"host:{condition.subject.uuid}"
    return f"sr:{condition.sr_uuid}" if condition.sr_uuid else ""


def _feels(condition: Condition) -> list[str]:
    """The places whose troubles are its own."""
    places = ["pool"]
    if condition.sr_uuid:
        places.append(f"sr:{condition.sr_uuid}")
    places += [f"sr:{sr}" for sr in condition.srs]
    places += [f"host:{host}" for host in {condition.host, *condition.hosts} if host]
    if condition.subject.kind in ("host", "agent"):
        places.append(f"host:{condition.subject.uuid}")
    return places


def _of(effect: Condition, conditions: Sequence[Condition], places: Mapping[str, _Place]) -> tuple[int, ...]:
    own = rank(effect.code)
    if own is None:
        return ()
    felt = [places[name] for name in dict.fromkeys(_feels(effect)) if name in places]
    named = {index for place in felt for vdi in effect.vdis for index in place.by_image.get(vdi, ())}
    above = [[index] for index in named if _can_cause(conditions[index], effect, own)]
    if effect.subject.kind != "vdi" or not above:
        for place in felt:
            groups = [place.anybody] if effect.subject.kind in _OF_IMAGES else [place.anybody, place.of_images]
            # Those of one code explain it all, or none of them does.
            above += [
                those for group in groups for those in group.values() if _can_cause(conditions[those[0]], effect, own)
            ]
    ranks = [rank(conditions[those[0]].code) or 0 for those in above]
    strongest = min(ranks, default=0)
    return tuple(
        sorted({index for those, place in zip(above, ranks, strict=True) if place == strongest for index in those})
    )


def _can_cause(cause: Condition, effect: Condition, own: int) -> bool:
    return (rank(cause.code) or 0) < own and explains(cause, effect)


def explains(cause: Condition, effect: Condition) -> bool:
    """Whether the one can be why the other is; both are felt at the same place, and the cause ranks higher."""
    if cause.code in HIDING:
        return not effect.evidence and effect.code not in ("GC_DISABLED",)
    possible = _CRASH_CAUSES.get(effect.key) if effect.code == "GC_CRASHED" else _EFFECTS.get(effect.code)
    if possible is not None and cause.code not in possible:
        return False
    of_one = cause.code in _OF_ONE_VDI and effect.subject.kind in _OF_IMAGES
    return bool(cause.vdis & effect.vdis) if of_one and cause.vdis else True

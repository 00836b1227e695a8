"""What keeps a chain long: the snapshots and clones that branch off it, by name, and whether a backup job made them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from chainwatch_collector.chains.forest import Forest, Node
from chainwatch_collector.inventory.records import Vdi
from chainwatch_collector.track.state import SrState
from chainwatch_collector.words import short

NAMES_SHOWN: Final = 5
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_BACKUP_KEYS: Final = ("xo:backup:", "xo:base_delta", "XO_DELTA_EXPORT")


def up_from(forest: Forest, uuid: str) -> Iterator[Node]:
    """The node and those above it up to the root, each once also where the inventory has a loop."""
    seen: set[str] = set()
    at: str | None = uuid
    while at is not None and at not in seen and at in forest.nodes:
        seen.add(at)
        yield forest.nodes[at]
        at = forest.nodes[at].parent


def of_chain(forest: Forest, leaf: str) -> list[Vdi]:
    """The disks that need nodes of this leaf's chain besides itself: snapshots first, the oldest first."""
    uuids = dict.fromkeys(uuid for node in up_from(forest, leaf) for uuid in node.kept_by if uuid != leaf)
    vdis = [forest.nodes[uuid].vdi for uuid in uuids if uuid in forest.nodes]
    return sorted(vdis, key=_by_age)


def _by_age(vdi: Vdi) -> tuple[bool, datetime, str]:
    return (not vdi.is_a_snapshot, vdi.snapshot_time or _LONG_AGO, vdi.uuid)


def of_sr(sr: SrState) -> dict[str, str]:
    """The parameter of steps that make room on an SR: which snapshots it has, the oldest first."""
    if sr.forest is None or sr.record is None:
        return {}
    found = [node.vdi for node in sr.forest.nodes.values() if node.vdi.is_a_snapshot]
    return {"snapshots": told(sorted(found, key=_by_age)) or "the inventory shows none here"}


def told(vdis: Sequence[Vdi], most: int = NAMES_SHOWN) -> str:
    """Their names in a line; empty for none."""
    more = f" and {len(vdis) - most} more" if len(vdis) > most else ""
    return ", ".join(_name(vdi) for vdi in vdis[:most]) + more


def _name(vdi: Vdi) -> str:
    kind = "snapshot" if vdi.is_a_snapshot else "disk"
    taken = f" of {vdi.snapshot_time:%Y-%m-%d}" if vdi.is_a_snapshot and vdi.snapshot_time is not None else ""
    job = ", a backup job's" if any(key.startswith(_BACKUP_KEYS) for key in vdi.other_config) else ""
    return f"{kind} '{vdi.name}'{taken} ({short(vdi.uuid)}{job})" if vdi.name else f"{kind} {short(vdi.uuid)}"

"""What keeps SM from a merge that its selection rules allow: switches, flags, hosts, a missing parent, space."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from chainwatch_collector.chains import forest
from chainwatch_collector.chains.scope import Family, family, has_gc
from chainwatch_collector.chains.shape import Shape
from chainwatch_collector.inventory.records import Sr, Vdi


@dataclass(frozen=True, slots=True)
class Blocks:
    """Reasons by uuid; `inner_all` and `leaf_all` come from the SR's switches; `free_bytes` None where not known."""

    inner_all: str
    leaf_all: str
    broken: frozenset[str]
    flagged: Mapping[str, str]
    multi_host: frozenset[str]
    free_bytes: int | None

    def inner(self, uuid: str, need_bytes: int | None) -> str:
        """Why this hidden node stays; empty: nothing keeps SM from merging it."""
        return self.inner_all or self._both(uuid) or self._space(need_bytes)

    def leaf(self, vdi: Vdi, need_bytes: int | None) -> str:
        """Why this leaf stays: also what `_gatherLeafCoalesceable` skips (L5 to L8 of smlog.md)."""
        if self.leaf_all:
            return self.leaf_all
        if vdi.on_boot == "reset":
            return forest.ON_BOOT_RESET
        if vdi.allow_caching:
            return forest.ALLOW_CACHING
        if vdi.other_config.get("leaf-coalesce") == "false":
            return forest.LEAF_COALESCE_OFF
        return self._both(vdi.uuid) or self._space(need_bytes)

    def _both(self, uuid: str) -> str:
        if uuid in self.broken:
            return forest.PARENT_MISSING
        if uuid in self.multi_host:
            return forest.MULTI_HOST
        return self.flagged.get(uuid, "")

    def _space(self, need_bytes: int | None) -> str:
        if need_bytes is None or self.free_bytes is None or need_bytes <= self.free_bytes:
            return ""
        return forest.NO_SPACE


def blocks(sr: Sr, vdis: Mapping[str, Vdi], seen: Shape) -> Blocks:
    """What XenAPI alone proves."""
    told = switches(sr)
    return Blocks(
        inner_all=told.inner_off,
        leaf_all=told.leaf_off,
        broken=_broken(vdis, seen),
        flagged=_flagged(vdis, seen),
        multi_host=_multi_host(vdis, seen),
        free_bytes=told.free_bytes,
    )


class Switches(NamedTuple):
    """What of an SR's record decides over all its nodes."""

    kind: Family | None
    inner_off: str
    leaf_off: str
    free_bytes: int | None


def switches(sr: Sr) -> Switches:
    """`other_config` gc (G14), coalesce (C4), leaf-coalesce (L8); free space where it is size minus utilisation.

    LINSTOR's is not (`max_volume_size_allowed`, smlog.md 6.4).
    """
    kind = family(sr) if has_gc(sr) else None
    gc_off = forest.GC_OFF if sr.other_config.get("gc") == "false" else ""
    inner_off = forest.COALESCE_OFF if sr.other_config.get("coalesce") == "false" else ""
    leaf_off = forest.LEAF_COALESCE_OFF_SR if sr.other_config.get("leaf-coalesce") == "false" else ""
    sized = sr.physical_size_bytes > 0 and kind in ("lvm", "file")
    free = max(0, sr.physical_size_bytes - sr.physical_utilisation_bytes) if sized else None
    return Switches(kind, gc_off or inner_off, gc_off or leaf_off, free)


def _broken(vdis: Mapping[str, Vdi], seen: Shape) -> frozenset[str]:
    """Nodes with a parent missing somewhere above: SM's scan ends the GC run of the SR at such a tree (T9)."""
    starts = [*seen.missing, *(uuid for uuid, vdi in vdis.items() if vdi.missing)]
    broken = set(starts)
    for uuid in starts:
        for child in seen.children.get(uuid, ()):
            if child not in broken:
                broken.add(child)
                starts.append(child)
    return frozenset(broken)


def _flagged(vdis: Mapping[str, Vdi], seen: Shape) -> dict[str, str]:
    """A merge pauses and relinks every leaf below it, so a leaf's flag holds up each hidden node above (C35, C46c)."""
    flagged: dict[str, str] = {}
    for uuid, vdi in vdis.items():
        if vdi.paused or vdi.relinking or vdi.activating:
            reason = _flag(vdi)
            at: str | None = uuid
            while at is not None and at not in flagged:
                flagged[at] = reason
                at = seen.parents.get(at)
    return flagged


def _flag(vdi: Vdi) -> str:
    if vdi.relinking:
        return forest.RELINKING
    return forest.PAUSED if vdi.paused else forest.ACTIVATING


def _multi_host(vdis: Mapping[str, Vdi], seen: Shape) -> frozenset[str]:
    """QCOW2 nodes above leaves active on several hosts: "Not coalesceable, chain activated more than once" (C15)."""
    hosts: dict[str, frozenset[str]] = {}
    for uuid, vdi in vdis.items():
        if vdi.attached_hosts and vdi.image_format == "qcow2":
            active = frozenset(vdi.attached_hosts)
            at: str | None = uuid
            while at is not None and not active <= hosts.get(at, frozenset()):
                hosts[at] = hosts.get(at, frozenset()) | active
                at = seen.parents.get(at)
    return frozenset(uuid for uuid, active in hosts.items() if len(active) > 1 and uuid in vdis)

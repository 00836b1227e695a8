"""Xen Orchestra's "VDI chain protection": would its backup job skip this VM now? Exactly its rule, not ours.

Source: @xen-orchestra/xapi/vm.mjs, `assertHealthyVdiChains` and `_assertHealthyVdiChain`. For each VDI on any VBD of
the VM, of whatever type, also CDs: walking up by `vhd-parent`, a node counts when it is unmanaged and has exactly one
child in its SR and that child is unmanaged as well. More than `maxUncoalescedVdis` (1, xo-server/config.toml) on one
disk's path end the job for this VM as "unhealthy VDI chain", status skipped. A VDI or parent that is not there ends
the walk as healthy; pending leaf merges, depth, space and switches are not looked at.
"""

import math
from collections.abc import Mapping
from typing import Final

from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Ref, Vdi

MAX_UNCOALESCED_VDIS: Final = 1
"""Xen Orchestra's default of `maxUncoalescedVdis`."""


class XoChainProtection:
    """The check over one picture. What was counted of a chain is kept, so asking for every VM costs each node once."""

    def __init__(self, picture: Picture, max_uncoalesced_vdis: int = MAX_UNCOALESCED_VDIS) -> None:
        self.max_uncoalesced_vdis = max_uncoalesced_vdis
        self._picture = picture
        self._by_ref: dict[Ref, Vdi] = {}
        self._by_uuid: dict[str, Vdi] = {}
        for vdi in picture.all_vdis():
            self._by_ref[vdi.ref] = vdi
            self._by_uuid[vdi.uuid] = vdi
        self._disks_by_vm: dict[Ref, list[Ref]] = {}
        for vbd in picture.vbds.values():
            if vbd.vdi_ref is not None:
                self._disks_by_vm.setdefault(vbd.vm_ref, []).append(vbd.vdi_ref)
        self._only_children: dict[Ref, Mapping[str, Vdi]] = {}
        self._counted: dict[str, float] = {}

    def would_skip(self, vm_ref: Ref) -> bool:
        """Whether Xen Orchestra would skip this VM's backup now."""
        return any(self.uncoalesced(ref) > self.max_uncoalesced_vdis for ref in self._disks_by_vm.get(vm_ref, ()))

    def uncoalesced(self, vdi_ref: Ref) -> float:
        """How many nodes count on the path from this VDI up; infinite on a loop that counts, which XO keeps walking."""
        path: list[Vdi] = []
        on_path: dict[str, int] = {}
        vdi = self._by_ref.get(vdi_ref)
        while vdi is not None and vdi.uuid not in self._counted and vdi.uuid not in on_path:
            on_path[vdi.uuid] = len(path)
            path.append(vdi)
            vdi = self._parent(vdi)
        count = 0.0
        if vdi is not None and vdi.uuid in on_path:
            loop = path[on_path[vdi.uuid] :]
            count = math.inf if any(self._counts(one) for one in loop) else 0.0
        elif vdi is not None:
            count = self._counted[vdi.uuid]
        for one in reversed(path):
            count += self._counts(one)
            self._counted[one.uuid] = count
        return count

    def _parent(self, vdi: Vdi) -> Vdi | None:
        parent = vdi.vhd_parent
        if parent is None:
            return None
        return self._by_ref.get(parent) if parent.startswith("OpaqueRef:") else self._by_uuid.get(parent)

    def _counts(self, vdi: Vdi) -> bool:
        if vdi.managed:
            return False
        only_child = self._only_children_in(vdi.sr_ref).get(vdi.uuid)
        return only_child is not None and not only_child.managed

    def _only_children_in(self, sr_ref: Ref) -> Mapping[str, Vdi]:
        """Parent uuid → its child, for the parents with exactly one child among the VDIs of this SR."""
        found = self._only_children.get(sr_ref)
        if found is None:
            children: dict[str, list[Vdi]] = {}
            for vdi in self._picture.vdis(sr_ref).values():
                if vdi.vhd_parent is not None:
                    children.setdefault(vdi.vhd_parent, []).append(vdi)
            found = {parent: below[0] for parent, below in children.items() if len(below) == 1}
            self._only_children[sr_ref] = found
        return found


def xo_would_skip(picture: Picture, vm_ref: Ref, max_uncoalesced_vdis: int = MAX_UNCOALESCED_VDIS) -> bool:
    """The verdict for one VM; for many of a picture, ask one `XoChainProtection`."""
    return XoChainProtection(picture, max_uncoalesced_vdis).would_skip(vm_ref)

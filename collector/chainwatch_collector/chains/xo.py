"""Xen Orchestra's "VDI chain protection": would its backup job skip this VM now? Exactly its rule, not ours.

Source: @xen-orchestra/xapi/vm.mjs, `assertHealthyVdiChains` and `_assertHealthyVdiChain`. For each VDI on any VBD of
the VM, of whatever type, also CDs: walking up by `vhd-parent`, a node counts when it is unmanaged and has exactly one
child in its SR and that child is unmanaged as well. More than `maxUncoalescedVdis` (1, xo-server/config.toml) on one
disk's path end the job for this VM as "unhealthy VDI chain", status skipped. A VDI or parent that is not there ends
the walk as healthy; pending leaf merges, depth, space and switches are not looked at.
"""

import math
from typing import Final

from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Ref, Vdi, Vm

MAX_UNCOALESCED_VDIS: Final = 1
"""Xen Orchestra's default of `maxUncoalescedVdis`."""


class XoChainProtection:
    """The check over one picture. What was counted of a chain is kept, so asking for every VM costs each node once."""

    def __init__(self, index: PoolIndex, max_uncoalesced_vdis: int = MAX_UNCOALESCED_VDIS) -> None:
        self.max_uncoalesced_vdis = max_uncoalesced_vdis
        self._index = index
        self._by_uuid = {vdi.uuid: vdi for vdi in index.vdis.values()}
        self._counting = _counting(index.picture)
        self._counted: dict[str, float] = {}

    def would_skip(self, vm: Vm) -> bool:
        """Whether Xen Orchestra would skip this VM's backup now."""
        refs = (vbd.vdi_ref for vbd in self._index.vbds_of_vm(vm))
        return any(ref is not None and self.uncoalesced(ref) > self.max_uncoalesced_vdis for ref in refs)

    def uncoalesced(self, vdi_ref: Ref) -> float:
        """How many nodes count on the path from this VDI up; infinite on a loop that counts, which XO keeps walking."""
        counted, counting = self._counted, self._counting
        path: list[str] = []
        on_path: set[str] = set()
        vdi = self._index.vdis.get(vdi_ref)
        while vdi is not None and vdi.uuid not in counted and vdi.uuid not in on_path:
            on_path.add(vdi.uuid)
            path.append(vdi.uuid)
            vdi = self._parent(vdi)
        count = 0.0
        if vdi is not None and vdi.uuid in on_path:
            loop = path[path.index(vdi.uuid) :]
            count = 0.0 if counting.isdisjoint(loop) else math.inf
        elif vdi is not None:
            count = counted[vdi.uuid]
        for uuid in reversed(path):
            count += uuid in counting
            counted[uuid] = count
        return count

    def _parent(self, vdi: Vdi) -> Vdi | None:
        parent = vdi.vhd_parent
        if parent is None:
            return None
        return self._index.vdis.get(parent) if parent.startswith("OpaqueRef:") else self._by_uuid.get(parent)


def _counting(picture: Picture) -> set[str]:
    """The nodes that count: unmanaged, with exactly one child among the VDIs of their own SR, and that unmanaged."""
    found: set[str] = set()
    for vdis in picture.vdis_by_sr.values():
        hidden_children: dict[str, bool] = {}
        for vdi in vdis.values():
            if vdi.vhd_parent is not None:
                # A second child makes it False for good.
                hidden_children[vdi.vhd_parent] = vdi.vhd_parent not in hidden_children and not vdi.managed
        for parent, only_hidden in hidden_children.items():
            if only_hidden and parent in vdis and not vdis[parent].managed:
                found.add(parent)
    return found


def xo_would_skip(picture: Picture, vm: Vm, max_uncoalesced_vdis: int = MAX_UNCOALESCED_VDIS) -> bool:
    """The verdict for one VM; for many of a picture, ask one `XoChainProtection`."""
    return XoChainProtection(PoolIndex(picture), max_uncoalesced_vdis).would_skip(vm)

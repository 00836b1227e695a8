"""A picture's references followed backwards, made once: disks of a VM, VBDs of a VDI, PBDs of an SR."""

from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Pbd, Ref, Vbd, Vdi, Vm


class PoolIndex:
    """What XenAPI's records point at, by what they point to."""

    __slots__ = ("_vbds_by_vdi", "_vbds_by_vm", "pbds_by_sr", "picture", "vdis")

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.vdis: dict[Ref, Vdi] = {vdi.ref: vdi for vdi in picture.all_vdis()}
        self._vbds_by_vm: dict[Ref, list[Vbd]] = {}
        self._vbds_by_vdi: dict[Ref, list[Vbd]] = {}
        for vbd in picture.vbds.values():
            self._vbds_by_vm.setdefault(vbd.vm_ref, []).append(vbd)
            if vbd.vdi_ref is not None:
                self._vbds_by_vdi.setdefault(vbd.vdi_ref, []).append(vbd)
        self.pbds_by_sr: dict[Ref, list[Pbd]] = {}
        for pbd in picture.pbds.values():
            self.pbds_by_sr.setdefault(pbd.sr_ref, []).append(pbd)

    def vbds_of_vm(self, vm: Vm) -> list[Vbd]:
        """In the order of `userdevice`."""
        return sorted(self._vbds_by_vm.get(vm.ref, ()), key=lambda vbd: (len(vbd.userdevice), vbd.userdevice))

    def vbds_of_vdi(self, vdi: Vdi) -> list[Vbd]:
        """Also those of snapshots and control domains."""
        return self._vbds_by_vdi.get(vdi.ref, [])

    def pbds(self, sr_ref: Ref) -> list[Pbd]:
        """Of every host that knows the SR."""
        return self.pbds_by_sr.get(sr_ref, [])

    def disks(self, vm: Vm) -> list[Vdi]:
        """The VDIs on the VM's Disk VBDs, each once; a VDI that is not in the picture is left out."""
        found: dict[Ref, Vdi] = {}
        for vbd in self.vbds_of_vm(vm):
            vdi = self.vdis.get(vbd.vdi_ref) if vbd.vdi_ref is not None else None
            if vdi is not None and vbd.type == "Disk":
                found[vdi.ref] = vdi
        return list(found.values())

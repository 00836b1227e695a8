"""Guests and hosts going up and down, as XenAPI shows it."""

from lab.xapi.disks import Disks
from lab.xapi.values import NULL


class Guests:
    """Power states of the VMs, and what follows for their disks."""

    def __init__(self, disks: Disks) -> None:
        self.disks = disks
        self.database = disks.database

    def start(self, vm: str, host: str) -> None:
        """Running on `host`: its disks are attached there."""
        self.database.set("VM", vm, power_state="Running", resident_on=host, domid=len(self.database.tables["VM"].rows))
        self._attach_all(vm, attached=True)

    def shut_down(self, vm: str) -> None:
        """Halted, its disks detached."""
        self._attach_all(vm, attached=False)
        self.database.set("VM", vm, power_state="Halted", resident_on=NULL, domid=-1)

    def suspend(self, vm: str, sr: str) -> None:
        """Suspended into a VDI on `sr`, its disks detached."""
        image = self.disks.add_vdi(sr, "Suspend image", 4 << 30, type="suspend")
        self._attach_all(vm, attached=False)
        self.database.set("VM", vm, power_state="Suspended", resident_on=NULL, suspend_VDI=self.disks.ref(image))

    def migrate(self, vm: str, host: str) -> None:
        """To another host of the pool: attached there, then no longer here."""
        old = self.database.get("VM", vm)["resident_on"]
        self.database.set("VM", vm, resident_on=host)
        self._attach_all(vm, attached=True)
        for vdi in self._vdis(vm):
            self.database.remove_from("VDI", vdi, "sm_config", f"host_{old}")

    def _attach_all(self, vm: str, attached: bool) -> None:
        record = self.database.get("VM", vm)
        for ref in record["VBDs"]:
            self.database.set("VBD", ref, currently_attached=attached)
            vbd = self.database.get("VBD", ref)
            if vbd["VDI"] == NULL:
                continue
            key = f"host_{record['resident_on']}"
            if attached:
                self.database.put("VDI", vbd["VDI"], "sm_config", {key: vbd["mode"]})
            else:
                self.database.remove_from("VDI", vbd["VDI"], "sm_config", key)

    def _vdis(self, vm: str) -> list[str]:
        vbds = [self.database.get("VBD", ref) for ref in self.database.get("VM", vm)["VBDs"]]
        return [vbd["VDI"] for vbd in vbds if vbd["VDI"] != NULL]

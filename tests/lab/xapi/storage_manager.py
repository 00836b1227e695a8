"""What SM and xapi do to disks: snapshot, delete, coalesce, flags. Outcomes in XenAPI only; the log is the lab's dom0.

Inner merge: the child's uuid goes and its children point to the parent. Leaf merge: the leaf's uuid stays and the
parent's goes. Both as `cleanup.py` does it and a client of XenAPI sees it.
"""

from lab.xapi.disks import Disks
from lab.xapi.failures import XapiError
from lab.xapi.values import NULL, now

MAX_DEPTH = 30


class StorageManager:
    """SM's work on the images of a pool."""

    def __init__(self, disks: Disks) -> None:
        self.disks = disks
        self.database = disks.database

    def snapshot_vdi(self, uuid: str, name: str = "") -> str:
        """The image becomes a base copy under a new uuid; the disk and its snapshot are new children; snapshot's uuid.

        Raises SR_BACKEND_FAILURE_109 at depth 30.
        """
        if self.disks.depth(uuid) >= MAX_DEPTH:
            raise XapiError("SR_BACKEND_FAILURE_109", "", "The snapshot chain is too long", "")
        record = self.disks.record(uuid)
        sr, size, held = record["SR"], record["virtual_size"], self.disks.blocks[uuid]
        form = record["sm_config"]["image-format"]
        base = self.disks.add_base(sr, size, held, self.disks.parent(uuid), image_format=form)
        self.disks.blocks[uuid] = 0
        self.disks.reparent(uuid, base)
        self.disks.refresh(uuid)
        snapshot = self.disks.add_vdi(
            sr,
            name or record["name_label"],
            size,
            0,
            base,
            image_format=form,
            is_a_snapshot=True,
            snapshot_of=self.disks.ref(uuid),
            snapshot_time=now(),
            other_config=dict(record["other_config"]),
        )
        self._sum(sr)
        return snapshot

    def snapshot_vm(self, vm: str, name: str) -> str:
        """A snapshot of the VM and all its disks; its reference."""
        record = self.database.get("VM", vm)
        disks = [self.database.get("VBD", vbd) for vbd in record["VBDs"]]
        snapshots = [
            self.snapshot_vdi(self.database.get("VDI", disk["VDI"])["uuid"]) for disk in disks if _is_disk(disk)
        ]
        fields = {key: record[key] for key in ("name_description", "platform", "has_vendor_device", "other_config")}
        ref = self.database.create(
            "VM",
            name_label=name,
            is_a_template=True,
            is_a_snapshot=True,
            snapshot_of=vm,
            snapshot_time=now(),
            snapshot_info={"power-state-at-snapshot": record["power_state"], "disk-snapshot-type": "crash_consistent"},
            snapshot_metadata="('struct' (('uuid' '" + record["uuid"] + "')))",
            parent=NULL,
            **fields,
        )
        for position, uuid in enumerate(snapshots):
            self.disks.estate.attach(ref, self.disks.ref(uuid), position)
        return ref

    def delete_vm(self, vm: str, with_disks: bool = True) -> None:
        """A VM or a snapshot of one is destroyed, its disks too."""
        for vbd in list(self.database.get("VM", vm)["VBDs"]):
            vdi = self.database.get("VBD", vbd)["VDI"]
            self.database.destroy("VBD", vbd)
            if with_disks and self.database.exists("VDI", vdi):
                self.delete_vdi(self.database.get("VDI", vdi)["uuid"])
        self.database.destroy("VM", vm)

    def delete_vdi(self, uuid: str) -> None:
        """The leaf goes; base copies stay until a collection."""
        sr = self.disks.record(uuid)["SR"]
        self.disks.forget(uuid)
        self._sum(sr)

    def coalesce_inner(self, uuid: str) -> None:
        """Merge a hidden node that has children into its parent. Raises `ValueError` where SM would not."""
        parent = self.disks.parent(uuid)
        children = self.disks.children(uuid)
        if not parent or not children or self.disks.record(uuid)["managed"]:
            raise ValueError(f"{uuid} is no inner node with children and a parent")
        if self.disks.children(parent) != [uuid]:
            raise ValueError(f"{uuid} has siblings")
        sr = self.disks.record(uuid)["SR"]
        self.disks.blocks[parent] |= self.disks.blocks[uuid]
        for child in children:
            self.disks.reparent(child, parent)
        self.disks.forget(uuid)
        self.disks.refresh(parent)
        self.disks.publish_blocks(sr, [parent])
        self._sum(sr)

    def coalesce_leaf(self, uuid: str) -> None:
        """Merge a leaf into its parent, which takes the leaf's name. Raises `ValueError` where SM would not."""
        parent = self.disks.parent(uuid)
        if not parent or self.disks.children(uuid) or self.disks.children(parent) != [uuid]:
            raise ValueError(f"{uuid} is no only child and leaf")
        sr, grandparent = self.disks.record(uuid)["SR"], self.disks.parent(parent)
        self.disks.blocks[uuid] |= self.disks.blocks[parent]
        self.disks.reparent(uuid, grandparent)
        self.disks.forget(parent)
        self.disks.refresh(uuid)
        self._sum(sr)

    def pending_inner(self, sr: str) -> list[str]:
        """uuids that the next runs would merge into their parents, SM's rule."""
        return [uuid for uuid in self.disks.of_sr(sr) if self._only_child(uuid) and self.disks.children(uuid)]

    def pending_leaf(self, sr: str) -> list[str]:
        """Visible leaves that are only children, SM's rule without its exceptions."""
        return [uuid for uuid in self.disks.of_sr(sr) if self._only_child(uuid) and not self.disks.children(uuid)]

    def delete_garbage(self, sr: str) -> list[str]:
        """Hidden images without children go, and then their parents in turn; their uuids."""
        gone: list[str] = []
        while found := [u for u in self.disks.of_sr(sr) if self._hidden(u) and not self.disks.children(u)]:
            for uuid in found:
                self.disks.forget(uuid)
            gone += found
        self._sum(sr)
        return gone

    def _only_child(self, uuid: str) -> bool:
        parent = self.disks.parent(uuid)
        hidden_with_children = self._hidden(uuid) == bool(self.disks.children(uuid))
        return bool(parent) and hidden_with_children and self.disks.children(parent) == [uuid]

    def _hidden(self, uuid: str) -> bool:
        return not self.disks.record(uuid)["managed"]

    def _sum(self, sr: str) -> None:
        """The SR's own figures after a change."""
        records = [self.database.get("VDI", ref) for ref in self.database.get("SR", sr)["VDIs"]]
        used = sum(record["physical_utilisation"] for record in records)
        virtual = sum(record["virtual_size"] for record in records if record["managed"])
        self.database.set("SR", sr, physical_utilisation=used, virtual_allocation=virtual)


def _is_disk(vbd: dict[str, object]) -> bool:
    return vbd["type"] == "Disk" and vbd["VDI"] != NULL

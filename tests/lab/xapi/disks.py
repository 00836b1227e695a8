"""VDIs as SM shows them in XenAPI: trees of VHD or QCOW2 images by `vhd-parent`, raw ones beside them.

What an image holds is known here for every node; XenAPI shows it (`vhd-blocks`) for nodes with children only, and only
after a garbage collection wrote it.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from lab.xapi import images
from lab.xapi.estate import Estate
from lab.xapi.images import GIB
from lab.xapi.values import Record, new_uuid

Format = Literal["vhd", "qcow2", "raw"]
BASE_COPY = "base copy"
THICK_TYPES = frozenset({"lvm", "lvmoiscsi", "lvmohba", "lvmofcoe"})
SKIPPED = "skipped"
"""What SM writes for `vhd-blocks` when the bitmap of a QCOW2 is too large for XenAPI."""
QCOW2_BITMAP_MAX_BYTES = 4 << 40


class Disks:
    """All images of a pool. uuids name VDIs here, since `vhd-parent` does too."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.database = estate.database
        self.blocks: dict[str, int] = {}
        self._children: defaultdict[str, dict[str, None]] = defaultdict(dict)

    def add_vdi(
        self,
        sr: str,
        name: str,
        size_bytes: int = 20 * GIB,
        blocks: int = 0,
        parent: str = "",
        image_format: Format = "vhd",
        **fields: Any,
    ) -> str:
        """A VDI that holds the bitmap `blocks`, child of the uuid `parent`; its uuid. `fields` go into the record."""
        uuid: str = fields.pop("uuid", "") or new_uuid()
        sm_config = {**self._sm_config(image_format), **fields.pop("sm_config", {})}
        if parent:
            sm_config["vhd-parent"] = parent
            self._children[parent][uuid] = None
        self.blocks[uuid] = blocks
        known = {"allowed_operations": ["snapshot", "clone", "copy", "destroy", "resize", "update"], **fields}
        self.database.create(
            "VDI",
            uuid=uuid,
            location=uuid,
            name_label=name,
            SR=sr,
            virtual_size=size_bytes,
            physical_utilisation=self._size(sr, size_bytes, blocks, image_format, not fields.get("managed", True)),
            sm_config=sm_config,
            **known,
        )
        return uuid

    def add_base(self, sr: str, size_bytes: int, blocks: int, parent: str = "", **fields: Any) -> str:
        """A hidden base copy; its uuid."""
        return self.add_vdi(
            sr, BASE_COPY, size_bytes, blocks, parent, managed=False, allowed_operations=[], read_only=True, **fields
        )

    def add_chain(
        self, sr: str, name: str, depth: int, size_bytes: int = 20 * GIB, blocks_each: int = 64, **leaf_fields: Any
    ) -> list[str]:
        """A straight chain of `depth` nodes, all hidden but the leaf, all merges pending; uuids from root to leaf."""
        chain: list[str] = []
        for level in range(depth - 1):
            blocks = images.run_of_blocks(level * (blocks_each // 2), blocks_each)
            chain.append(self.add_base(sr, size_bytes, blocks, chain[-1] if chain else ""))
        blocks = images.run_of_blocks(0, blocks_each // 4)
        chain.append(self.add_vdi(sr, name, size_bytes, blocks, chain[-1] if chain else "", **leaf_fields))
        self.publish_blocks(sr, chain)
        return chain

    def ref(self, uuid: str) -> str:
        """Raises UUID_INVALID."""
        return self.database.by_uuid("VDI", uuid)

    def record(self, uuid: str) -> Record:
        """The live record. Raises UUID_INVALID."""
        return self.database.get("VDI", self.ref(uuid))

    def parent(self, uuid: str) -> str:
        """The parent's uuid, empty for a root."""
        parent: str = self.record(uuid)["sm_config"].get("vhd-parent", "")
        return parent

    def children(self, uuid: str) -> list[str]:
        """uuids of the images whose parent it is."""
        return list(self._children.get(uuid, ()))

    def depth(self, uuid: str) -> int:
        """Nodes from here to the root, both counted."""
        count, node = 1, self.parent(uuid)
        while node:
            count, node = count + 1, self.parent(node)
        return count

    def of_sr(self, sr: str) -> Iterator[str]:
        """uuids of its VDIs."""
        for ref in self.database.get("SR", sr)["VDIs"]:
            yield self.database.get("VDI", ref)["uuid"]

    def reparent(self, uuid: str, parent: str) -> None:
        """SM rewrites `vhd-parent`; an empty `parent` removes it."""
        old = self.parent(uuid)
        self._children[old].pop(uuid, None)
        sm_config = {key: value for key, value in self.record(uuid)["sm_config"].items() if key != "vhd-parent"}
        if parent:
            self._children[parent][uuid] = None
            sm_config["vhd-parent"] = parent
        self.database.set("VDI", self.ref(uuid), sm_config=sm_config)

    def forget(self, uuid: str) -> None:
        """The VDI is gone; its children, if any, keep pointing at it."""
        ref = self.ref(uuid)
        self._children[self.parent(uuid)].pop(uuid, None)
        for vbd in list(self.database.get("VDI", ref)["VBDs"]):
            self.database.destroy("VBD", vbd)
        self.database.destroy("VDI", ref)
        self.blocks.pop(uuid, None)

    def publish_blocks(self, sr: str, uuids: Sequence[str] = ()) -> None:
        """As a collection does: `vhd-blocks` on every image with children, gone from the others."""
        for uuid in uuids or list(self.of_sr(sr)):
            record = self.record(uuid)
            if self._format(record) == "raw":
                continue
            if self._children.get(uuid):
                big = self._format(record) == "qcow2" and record["virtual_size"] > QCOW2_BITMAP_MAX_BYTES
                text = SKIPPED if big else images.encode_blocks(self.blocks[uuid], record["virtual_size"])
                self.database.put("VDI", self.ref(uuid), "sm_config", {"vhd-blocks": text})
            else:
                self.database.remove_from("VDI", self.ref(uuid), "sm_config", "vhd-blocks")

    def write(self, uuid: str, blocks: int) -> None:
        """A guest writes these blocks; sizes follow with the next scan."""
        self.blocks[uuid] |= blocks

    def refresh(self, uuid: str) -> None:
        """What vdi_update does: the size as it is now."""
        record = self.record(uuid)
        size = self._size(
            record["SR"], record["virtual_size"], self.blocks[uuid], self._format(record), not record["managed"]
        )
        self.database.set("VDI", self.ref(uuid), physical_utilisation=size)

    def refresh_sr(self, sr: str) -> None:
        """What a scan does: sizes of all VDIs, and the SR's sums."""
        used = virtual = 0
        for uuid in list(self.of_sr(sr)):
            self.refresh(uuid)
            record = self.record(uuid)
            used += record["physical_utilisation"]
            virtual += record["virtual_size"] if record["managed"] else 0
        self.database.set("SR", sr, physical_utilisation=used, virtual_allocation=virtual)

    def _sm_config(self, image_format: Format) -> dict[str, str]:
        """`vdi_type` as LVM SRs write it, `image-format` as newer SM does."""
        kind = {"vhd": "vhd", "qcow2": "qcow2", "raw": "aio"}[image_format]
        return {"vdi_type": kind, "image-format": image_format}

    def _format(self, record: Record) -> Format:
        found: Format = record["sm_config"].get("image-format", "vhd")
        return found

    def _size(self, sr: str, size_bytes: int, blocks: int, image_format: Format, hidden: bool) -> int:
        thick = self.database.get("SR", sr)["type"] in THICK_TYPES
        if image_format == "raw":
            return size_bytes
        if thick:
            return images.deflated_bytes(blocks) if hidden else images.inflated_bytes(size_bytes)
        return images.file_bytes(blocks, size_bytes)

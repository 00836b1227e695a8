"""`vhd-blocks`: which 2 MiB blocks an image has allocated, as SM's GC leaves it in `VDI.sm_config` of every inner node.

base64 of zlib of one bit per block (cleanup.py `VDI.getVHDBlocks`); `skipped` where the bitmap is too large for XAPI.
A bitmap is up to 100 times its record, so it lives only while numbers are made of it.
"""

import binascii
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from chainwatch_collector.inventory.records import Vdi

MAX_BITMAP_BYTES = 8 * 1024 * 1024
"""128 TiB at one bit a block; what inflates beyond is no bitmap."""


@dataclass(slots=True)
class BlockMaps:
    """Deflated bitmaps by VDI uuid, for as long as a batch of records is put together."""

    _deflated: dict[str, bytes] = field(default_factory=dict)

    def add(self, uuid: str, deflated: bytes | None) -> None:
        """Take a bitmap, or forget that of an image without one."""
        if deflated is None:
            self._deflated.pop(uuid, None)
        else:
            self._deflated[uuid] = deflated

    def __contains__(self, uuid: str) -> bool:
        return uuid in self._deflated

    def merged(self, child: str, parent: str) -> int | None:
        """Blocks that either has: SM's own size of the merged image (cleanup.py `_getCoalescedSizeData`)."""
        maps = [inflate(self._deflated[uuid]) for uuid in (child, parent) if uuid in self._deflated]
        if len(maps) < 2 or maps[0] is None or maps[1] is None:
            return None
        # The shorter one is padded: a parent may be smaller than its child after a resize.
        return (int.from_bytes(maps[0], "little") | int.from_bytes(maps[1], "little")).bit_count()


def deflated_bitmap(vhd_blocks: object) -> bytes | None:
    """The zlib stream in a `vhd-blocks` value, None where there is none or it is `skipped` or no base64."""
    if not isinstance(vhd_blocks, str) or not vhd_blocks or vhd_blocks == "skipped":
        return None
    try:
        return binascii.a2b_base64(vhd_blocks, strict_mode=False)
    except (binascii.Error, ValueError):
        return None


def inflate(deflated: bytes) -> bytes | None:
    """The bitmap, None where it is damaged, cut, or beyond `MAX_BITMAP_BYTES`."""
    inflater = zlib.decompressobj()
    try:
        bitmap = inflater.decompress(deflated, MAX_BITMAP_BYTES)
    except zlib.error:
        return None
    return bitmap if inflater.eof else None


def count_blocks(deflated: bytes | None) -> int | None:
    """Allocated blocks, None where the bitmap is absent or damaged."""
    bitmap = None if deflated is None else inflate(deflated)
    return None if bitmap is None else int.from_bytes(bitmap, "little").bit_count()


def digest(deflated: bytes) -> int:
    """64 bits that tell one bitmap from another."""
    return int.from_bytes(blake2b(deflated, digest_size=8).digest(), "little")


def with_merged_blocks(vdis: Mapping[str, Vdi], maps: BlockMaps) -> dict[str, Vdi]:
    """The VDIs of one SR with `merged_blocks` of every only child: no other node can be merged into its parent."""
    children: dict[str, int] = {}
    for vdi in vdis.values():
        if vdi.vhd_parent is not None:
            children[vdi.vhd_parent] = children.get(vdi.vhd_parent, 0) + 1
    joined = dict(vdis)
    for uuid, vdi in vdis.items():
        parent = vdi.vhd_parent
        if parent is None or children[parent] > 1 or uuid not in maps or parent not in maps or parent not in vdis:
            continue
        joined[uuid] = replace(vdi, merged_blocks=maps.merged(uuid, parent))
    return joined

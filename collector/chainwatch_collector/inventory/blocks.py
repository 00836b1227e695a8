"""`vhd-blocks`: which 2 MiB blocks an image has allocated, as SM's GC leaves it in `VDI.sm_config` of every inner node.

base64 of zlib of one bit per block (cleanup.py `VDI.getVHDBlocks`); `skipped` where the bitmap is too large for XAPI.
A bitmap is up to 100 times its record, so it lives only while numbers are made of it.
"""

import binascii
import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple

from chainwatch_collector.inventory.records import Vdi

MAX_BITMAP_BYTES: Final = 8 * 1024 * 1024
"""128 TiB at one bit a block; what inflates beyond is no bitmap."""
MOST_INFLATED_BYTES: Final = 32 * 1024 * 1024
"""Of all bitmaps of a batch together; those beyond are inflated again when they are needed."""


class Bitmap(NamedTuple):
    """`deflated`: as it came; `bits`: one bit a block, as a number."""

    deflated: bytes
    bits: int

    @property
    def blocks(self) -> int:
        """Allocated blocks."""
        return self.bits.bit_count()


class BlockMaps:
    """Bitmaps by VDI uuid, for as long as a batch of records is put together: deflated, and inflated within limits."""

    def __init__(self) -> None:
        self._deflated: dict[str, bytes] = {}
        self._bits: dict[str, int] = {}
        self._room_bytes = MOST_INFLATED_BYTES

    def add(self, uuid: str, bitmap: Bitmap | None) -> None:
        """Take a bitmap, or forget that of an image without one."""
        self._bits.pop(uuid, None)
        if bitmap is None:
            self._deflated.pop(uuid, None)
            return
        self._deflated[uuid] = bitmap.deflated
        self._room_bytes -= bitmap.bits.bit_length() // 8
        if self._room_bytes > 0:
            self._bits[uuid] = bitmap.bits

    def __contains__(self, uuid: str) -> bool:
        return uuid in self._deflated

    def merged(self, child: str, parent: str) -> int | None:
        """Blocks that either has: SM's own size of the merged image (cleanup.py `_getCoalescedSizeData`)."""
        ours, theirs = self._bits_of(child), self._bits_of(parent)
        return None if ours is None or theirs is None else (ours | theirs).bit_count()

    def _bits_of(self, uuid: str) -> int | None:
        bits = self._bits.get(uuid)
        if bits is None and uuid in self._deflated:
            bits = inflate(self._deflated[uuid])
        return bits


def parse_bitmap(vhd_blocks: object) -> Bitmap | None:
    """A `vhd-blocks` value; None where there is none, it is `skipped`, no base64, damaged, cut or too large."""
    if not isinstance(vhd_blocks, str) or not vhd_blocks or vhd_blocks == "skipped":
        return None
    try:
        deflated = binascii.a2b_base64(vhd_blocks)
    except ValueError:
        return None
    bits = inflate(deflated)
    return None if bits is None else Bitmap(deflated, bits)


def inflate(deflated: bytes) -> int | None:
    """The bits, None where the stream is damaged, cut, or beyond `MAX_BITMAP_BYTES`."""
    inflater = zlib.decompressobj()
    try:
        bitmap = inflater.decompress(deflated, MAX_BITMAP_BYTES)
    except zlib.error:
        return None
    return int.from_bytes(bitmap, "little") if inflater.eof else None


def digest(deflated: bytes) -> int:
    """64 bits that tell one bitmap from another, in this process."""
    return hash(deflated)


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
        joined[uuid] = vdi.with_merged(maps.merged(uuid, parent))
    return joined

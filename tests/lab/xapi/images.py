"""Sizes and bitmaps of VHDs as SM computes them. A bitmap is an int: bit n is the 2 MiB block n.

Sources: `vhdutil.py` calcOverheadEmpty, calcOverheadBitmap; `lvutil.py` calcSizeLV; `cleanup.py` setting `vhd-blocks`.
"""

import base64
import functools
import re
import zlib

MIB = 1 << 20
GIB = 1 << 30
BLOCK_BYTES = 2 * MIB
EXTENT_BYTES = 4 * MIB
LVM_HEADER_BYTES = 2 << 40
"""SM makes the header of a VHD on LVM as large as a 2 TiB disk needs."""


@functools.lru_cache(maxsize=256)
def encode_blocks(bitmap: int, virtual_size_bytes: int) -> str:
    """`sm_config["vhd-blocks"]`: base64 of zlib of one bit for each 2 MiB."""
    blocks = -(-virtual_size_bytes // BLOCK_BYTES)
    return base64.b64encode(zlib.compress(bitmap.to_bytes(-(-blocks // 8), "little"))).decode()


def decode_blocks(text: str) -> int:
    """The bitmap in `vhd-blocks`."""
    return int.from_bytes(zlib.decompress(base64.b64decode(text)), "little")


def run_of_blocks(first: int, count: int) -> int:
    """A bitmap with `count` blocks from `first` set."""
    return ((1 << count) - 1) << first


def runs_of_blocks(bitmap: int) -> list[tuple[int, int]]:
    """Its runs: first block and the one behind the last."""
    return [found.span() for found in re.finditer("1+", bin(bitmap)[:1:-1])]


def metadata_bytes(virtual_size_bytes: int) -> int:
    """Footer, header and block allocation table of an empty VHD."""
    blocks = virtual_size_bytes // BLOCK_BYTES
    table = _up(3 * 1024 + 4 * blocks, 512)
    return _up(table, 4096) + blocks // 8


def block_bitmaps_bytes(data_bytes: int) -> int:
    """The sector bitmaps before each block."""
    return -(-data_bytes // BLOCK_BYTES) * 4096


def file_bytes(bitmap: int, virtual_size_bytes: int) -> int:
    """A VHD file with these blocks."""
    data = bitmap.bit_count() * BLOCK_BYTES
    return data + block_bitmaps_bytes(data) + metadata_bytes(virtual_size_bytes)


def deflated_bytes(bitmap: int) -> int:
    """The LV of a VHD that nobody writes to: as small as its data allows."""
    data = bitmap.bit_count() * BLOCK_BYTES
    return _up(data + block_bitmaps_bytes(data) + metadata_bytes(LVM_HEADER_BYTES), EXTENT_BYTES)


def inflated_bytes(virtual_size_bytes: int) -> int:
    """The LV of a VHD that a guest may fill."""
    overhead = block_bitmaps_bytes(virtual_size_bytes) + metadata_bytes(LVM_HEADER_BYTES)
    return _up(virtual_size_bytes + overhead, EXTENT_BYTES)


def _up(value: int, unit: int) -> int:
    return -(-value // unit) * unit

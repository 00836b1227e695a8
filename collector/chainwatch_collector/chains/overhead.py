"""Sizes of images as SM reckons them: what an empty image, its bitmaps and a logical volume take, in bytes."""

from functools import lru_cache
from typing import Final

from chainwatch_collector.inventory.records import ImageFormat

KIB: Final = 1024
MIB: Final = 1024 * KIB
TIB: Final = 1024 * 1024 * MIB

VHD_BLOCK_BYTES: Final = 2 * MIB
QCOW2_CLUSTER_BYTES: Final = 64 * KIB
"""qcow2util.py `QCOW_CLUSTER_SIZE`: a bit of a QCOW2's `vhd-blocks` is a cluster."""
LVM_EXTENT_BYTES: Final = 4 * MIB
LVM_VHD_PREALLOCATED_BYTES: Final = 2 * TIB
"""lvhdutil.py `MSIZE_MB`: metadata of every LVM VHD is laid out for this virtual size, so that it can grow online."""


def round_up(value: int, unit: int) -> int:
    """The next multiple of `unit`."""
    return -(-value // unit) * unit


def block_bytes(image_format: ImageFormat | None) -> int:
    """What one bit of `vhd-blocks` stands for: 2 MiB in a VHD, a cluster in a QCOW2 (`getBlockSize`)."""
    return QCOW2_CLUSTER_BYTES if image_format == "qcow2" else VHD_BLOCK_BYTES


@lru_cache(maxsize=4096)
def empty_bytes(virtual_bytes: int, image_format: ImageFormat | None = None) -> int:
    """Metadata of an image without data: `calcOverheadEmpty`.

    VHD (vhdutil.py:67 [82], :65 [83a], :79 [83b]): header, 4 bytes a block rounded to a sector, a bit a block, rounded
    to a page. QCOW2 (qcow2util.py): a cluster each for header and L1, 8 bytes a cluster for L2, rounded to a cluster.
    """
    if image_format == "qcow2":
        l2_bytes = -(-virtual_bytes * 8 // QCOW2_CLUSTER_BYTES)
        return round_up(2 * QCOW2_CLUSTER_BYTES + l2_bytes, QCOW2_CLUSTER_BYTES)
    blocks = virtual_bytes // MIB // 2
    return round_up(round_up(3 * KIB + 4 * blocks, 512) + blocks // 8, 4 * KIB)


def bitmap_bytes(data_bytes: int, image_format: ImageFormat | None = None) -> int:
    """Sector bitmaps of a VHD's blocks, a page each: `calcOverheadBitmap`. A QCOW2 has none."""
    return 0 if image_format == "qcow2" else round_up(data_bytes, VHD_BLOCK_BYTES) // VHD_BLOCK_BYTES * 4 * KIB


def lvm_volume_bytes(virtual_bytes: int, image_format: ImageFormat | None = None) -> int:
    """The logical volume of a full image: `calcVolumeSize` (lvhdutil.py:98 [82], lvmcowutil.py [83b]).

    20 GiB become 20.047G in field logs, 500 GiB 500.984G. SM takes a QCOW2's
    metadata from `qemu-img measure`, here it is `empty_bytes`.
    """
    if image_format == "raw":
        return round_up(virtual_bytes, LVM_EXTENT_BYTES)
    laid_out = virtual_bytes if image_format == "qcow2" else max(virtual_bytes, LVM_VHD_PREALLOCATED_BYTES)
    metadata = empty_bytes(laid_out, image_format) + bitmap_bytes(virtual_bytes, image_format)
    return round_up(virtual_bytes + metadata, LVM_EXTENT_BYTES)


def lvm_empty_volume_bytes(virtual_bytes: int = 0, image_format: ImageFormat | None = None) -> int:
    """The logical volume of an image without data, as a snapshot gets it: 8 MiB for VHD (smlog.md 6.2)."""
    laid_out = virtual_bytes if image_format == "qcow2" else LVM_VHD_PREALLOCATED_BYTES
    return round_up(empty_bytes(laid_out, image_format), LVM_EXTENT_BYTES)


def linstor_volume_bytes(virtual_bytes: int) -> int:
    """A LINSTOR volume of a full VHD before the storage pool's own rounding (`LinstorVhdUtil.compute_volume_size`)."""
    metadata = empty_bytes(max(virtual_bytes, LVM_VHD_PREALLOCATED_BYTES)) + bitmap_bytes(virtual_bytes)
    return round_up(virtual_bytes + metadata, 512)

"""What a merge copies and the free space it needs, by SM's own formulas (smlog.md 6.4). Pure; bytes."""

from dataclasses import dataclass

from chainwatch_collector.chains.overhead import (
    LVM_EXTENT_BYTES,
    bitmap_bytes,
    block_bytes,
    empty_bytes,
    linstor_volume_bytes,
    lvm_volume_bytes,
    round_up,
)
from chainwatch_collector.chains.scope import Family
from chainwatch_collector.inventory.records import Vdi


@dataclass(frozen=True, slots=True)
class LeafNeed:
    """Free space a leaf merge needs: `live` directly, `snapshot` by way of an internal snapshot first."""

    live_bytes: int
    snapshot_bytes: int


def copy_bytes(vdi: Vdi) -> int | None:
    """What merging this node copies: its allocated blocks (set bits of `vhd-blocks`). None: XenAPI does not tell."""
    return None if vdi.allocated_blocks is None else vdi.allocated_blocks * block_bytes(vdi.image_format)


def merged_data_bytes(child: Vdi, parent: Vdi, leaf_physical_bytes: int | None = None) -> int | None:
    """Data of the merged image: set bits of child or parent (`_getCoalescedSizeData`), bounded by the virtual size.

    A leaf has no bitmap in XenAPI; with its physical size the sum of both is an upper bound.
    """
    if child.merged_blocks is not None:
        return child.merged_blocks * block_bytes(child.image_format)
    if leaf_physical_bytes is None:
        return None
    below = parent.physical_utilisation_bytes if parent.allocated_blocks is None else copy_bytes(parent) or 0
    return min(round_up(leaf_physical_bytes + below, block_bytes(child.image_format)), child.virtual_size_bytes)


def inner_need_bytes(family: Family, child: Vdi, parent: Vdi) -> int | None:
    """Free space to merge `child` into `parent`: `_calcExtraSpaceForCoalescing` (cleanup.py, smlog.md 6.4).

    File: data + bitmaps + metadata − parent's size. LVM: volume of the data − parent's volume; LINSTOR alike; both 0
    into a raw parent. Never negative. None: the bitmaps are not in XenAPI.
    """
    extra = _extra_bytes(family, child, parent, merged_data_bytes(child, parent))
    return None if extra is None else max(0, extra)


def _extra_bytes(family: Family, child: Vdi, parent: Vdi, data_bytes: int | None) -> int | None:
    if parent.raw and family != "file":
        return 0
    if data_bytes is None:
        return None
    return _merged_image_bytes(family, child, data_bytes) - parent.physical_utilisation_bytes


def _merged_image_bytes(family: Family, child: Vdi, data_bytes: int) -> int:
    if family == "file":
        metadata = empty_bytes(child.virtual_size_bytes, child.image_format)
        return data_bytes + bitmap_bytes(data_bytes, child.image_format) + metadata
    if family == "lvm":
        return lvm_volume_bytes(data_bytes, child.image_format)
    return linstor_volume_bytes(data_bytes)


def leaf_need(family: Family, leaf: Vdi, parent: Vdi, leaf_physical_bytes: int) -> LeafNeed | None:
    """Free space to merge a leaf: `_calcExtraSpaceForLeafCoalescing`, `…ForSnapshotCoalescing` (smlog.md 6.4).

    `leaf_physical_bytes`: the image's size as the newest SMlog tree prints it. On LVM and LINSTOR a live merge first
    deflates the leaf's volume, a merge by way of a snapshot leaves one of the leaf's size behind. Upper bounds, since
    the leaf's bitmap is nowhere to be read.
    """
    inner = _extra_bytes(family, leaf, parent, merged_data_bytes(leaf, parent, leaf_physical_bytes))
    if inner is None:
        return None
    if family == "file":
        empty = empty_bytes(leaf.virtual_size_bytes, leaf.image_format)
        return LeafNeed(max(0, inner), max(0, inner + empty))
    deflated = round_up(leaf_physical_bytes, LVM_EXTENT_BYTES)
    live = inner - (leaf.physical_utilisation_bytes - deflated)
    return LeafNeed(max(0, live), max(0, inner + deflated))

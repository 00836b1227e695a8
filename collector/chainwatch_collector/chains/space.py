"""Free space, and what the next snapshot, attach or backup window of a disk needs of it: numbers where SM's are known,
ranges where they hang on the leaf's size, None where nothing is known. Pure; bytes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from chainwatch_collector.chains.overhead import (
    LVM_EXTENT_BYTES,
    bitmap_bytes,
    empty_bytes,
    lvm_empty_volume_bytes,
    lvm_volume_bytes,
    round_up,
)
from chainwatch_collector.chains.scope import Provisioning, family
from chainwatch_collector.inventory.records import Sr, Vdi

THICK_USED_RATIO: Final = 0.5
FREE_RATIO: Final = 0.3
"""The rules of thumb operators know: stay below half on thick SRs; keep 30 % free."""


class Range(NamedTuple):
    """From the least to the most that it can be; both the same where it is known."""

    low: int
    high: int

    def plus(self, other: "Range") -> "Range":
        """The sum of two."""
        return Range(self.low + other.low, self.high + other.high)


NOTHING: Final = Range(0, 0)


class LeafSize(NamedTuple):
    """The physical size of an image as a tree of SMlog printed it, and when: `physical_bytes` of a TreeNode."""

    physical_bytes: int
    at: datetime


Sizes = Mapping[str, LeafSize]
"""VDI uuid → size by the newest tree."""


def free_bytes(sr: Sr) -> int | None:
    """What SM can still allocate: size minus utilisation on LVM (VG) and file SRs (smlog.md 6.4).

    None where that is not free space or not told: LINSTOR places replicas, its own bound is `max_volume_size_allowed`,
    which XenAPI does not show; SRs without a size; types SM's GC does not know.
    """
    if sr.physical_size_bytes <= 0 or family(sr) not in ("lvm", "file"):
        return None
    return max(0, sr.physical_size_bytes - sr.physical_utilisation_bytes)


def free_ratio(sr: Sr) -> float | None:
    """Free of size, 0 to 1."""
    free = free_bytes(sr)
    return None if free is None else free / sr.physical_size_bytes


@dataclass(frozen=True, slots=True)
class RulesOfThumb:
    """What the well-known rules say, beside the exact numbers. `half_kept` None: the rule is for thick SRs only."""

    free_ratio: float
    thirty_percent_free: bool
    half_kept: bool | None


def rules_of_thumb(sr: Sr, provisioned: Provisioning) -> RulesOfThumb | None:
    """30 % free on every SR, at most 50 % used on a thick one; None where free space is not known."""
    ratio = free_ratio(sr)
    if ratio is None:
        return None
    half_kept = ratio >= 1 - THICK_USED_RATIO if provisioned == "thick" else None
    return RulesOfThumb(ratio, ratio >= FREE_RATIO, half_kept)


def physical_range(sr: Sr, vdi: Vdi, size: LeafSize | None = None) -> Range:
    """The image's own size: as SMlog printed it, else on a file SR the utilisation, on LVM all its volume can hold."""
    if size is not None:
        return Range(size.physical_bytes, size.physical_bytes)
    used = max(0, vdi.physical_utilisation_bytes)
    if family(sr) != "lvm":
        return Range(used, used)
    return Range(min(used, lvm_empty_volume_bytes(vdi.virtual_size_bytes, vdi.image_format)), used)


def snapshot_need(sr: Sr, vdi: Vdi, size: LeafSize | None = None) -> Range | None:
    """What `VDI.snapshot` of this disk needs. None: raw (SM refuses it), LINSTOR, types SM's GC does not know.

    LVM (LVHDSR.py:1756-1781 [82], :1742-1767 [83a], LVMSR.py:1780-1804 [83b]): a new volume for the disk, full where it
    is attached or the SR thick, and an empty one for the snapshot, two journals, less what the old volume gives back
    when it shrinks to the image's own size. File: two empty images; there is no check before, it ends in ENOSPC.
    """
    kind = family(sr)
    if vdi.raw or kind is None or kind == "linstor":
        return None
    if kind == "file":
        both = 2 * empty_bytes(vdi.virtual_size_bytes, vdi.image_format)
        return Range(both, both)
    least, most = physical_range(sr, vdi, size)
    return Range(_lvm_snapshot_bytes(sr, vdi, least), _lvm_snapshot_bytes(sr, vdi, most))


def _lvm_snapshot_bytes(sr: Sr, vdi: Vdi, physical_bytes: int) -> int:
    empty = lvm_empty_volume_bytes(vdi.virtual_size_bytes, vdi.image_format)
    thick = sr.sm_config.get("allocation") != "thin"
    full = vdi.attached_hosts or (thick and not vdi.is_a_snapshot)
    disk = lvm_volume_bytes(vdi.virtual_size_bytes, vdi.image_format) if full else empty
    given_back = vdi.physical_utilisation_bytes - round_up(physical_bytes, LVM_EXTENT_BYTES)
    return max(0, disk + empty + 2 * LVM_EXTENT_BYTES - given_back)


def attach_need(sr: Sr, vdi: Vdi) -> int:
    """What attaching this disk read-write takes: a thick LVM volume is inflated to its full size (LVHDSR.py `attach`).

    180 (or 44) where the VG cannot give that. 0 for raw disks, attached ones, thin and file SRs.
    """
    thick_lvm = family(sr) == "lvm" and sr.sm_config.get("allocation") != "thin"
    if vdi.raw or vdi.attached_hosts or not thick_lvm:
        return 0
    return max(0, lvm_volume_bytes(vdi.virtual_size_bytes, vdi.image_format) - vdi.physical_utilisation_bytes)


def leaf_merge_after_snapshot(sr: Sr, vdi: Vdi, size: LeafSize | None = None) -> Range | None:
    """What merging the disk's leaf back needs once the snapshot is gone: `_calcExtraSpaceForSnapshotCoalescing`.

    The snapshot made the old leaf the parent, shrunk to its own size. Least: nothing was written while it was held;
    most: as much again as the leaf holds now, which is what was written since the last merge.
    """
    kind = family(sr)
    if vdi.raw or kind is None or kind == "linstor":
        return None
    least, most = physical_range(sr, vdi, size)
    return Range(_leaf_merge_bytes(sr, vdi, least, 0), _leaf_merge_bytes(sr, vdi, most, most))


def _leaf_merge_bytes(sr: Sr, vdi: Vdi, parent_bytes: int, written_bytes: int) -> int:
    virtual, image_format = vdi.virtual_size_bytes, vdi.image_format
    if family(sr) == "file":
        data = min(virtual, max(0, parent_bytes - empty_bytes(virtual, image_format)) + written_bytes)
        merged = data + bitmap_bytes(data, image_format) + empty_bytes(virtual, image_format)
        return max(0, merged - parent_bytes) + empty_bytes(virtual, image_format)
    empty = lvm_empty_volume_bytes(virtual, image_format)
    data = min(virtual, max(0, parent_bytes - empty) + written_bytes)
    parent_volume = round_up(max(parent_bytes, empty), LVM_EXTENT_BYTES)
    leaf_volume = round_up(max(empty, written_bytes), LVM_EXTENT_BYTES)
    return max(0, lvm_volume_bytes(data, image_format) - parent_volume) + leaf_volume


@dataclass(frozen=True, slots=True)
class WindowNeed:
    """What a backup window needs of one SR: all `snapshots` held together, then the largest `leaf_merge` of them.

    SM merges one image at a time per SR and gives the space back after each, so merges do not add up.
    """

    snapshots: Range
    leaf_merge: Range

    @property
    def total(self) -> Range:
        """What must be free when the window begins."""
        return self.snapshots.plus(self.leaf_merge)


def window_need(sr: Sr, disks: Iterable[Vdi], sizes: Sizes) -> WindowNeed | None:
    """Snapshots of all these disks of one SR held together, and the leaf merges after it; None: nothing is known.

    Disks that cannot be snapshot (raw) take no part. A VM's need is the window of its own disks.
    """
    snapshots, merges, known = NOTHING, [NOTHING], False
    for vdi in disks:
        size = sizes.get(vdi.uuid)
        snapshot, merge = snapshot_need(sr, vdi, size), leaf_merge_after_snapshot(sr, vdi, size)
        if snapshot is not None and merge is not None:
            snapshots, known = snapshots.plus(snapshot), True
            merges.append(merge)
    if not known:
        return None
    return WindowNeed(snapshots, Range(max(one.low for one in merges), max(one.high for one in merges)))

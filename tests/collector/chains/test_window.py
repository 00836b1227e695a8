from __future__ import annotations

from chainwatch_collector.chains.overhead import lvm_volume_bytes
from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.chains.space import LeafSize
from chainwatch_collector.chains.window import start_refusals, windows
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Vdi
from collector.chains.estate import NOW, pool, vbd, vm
from collector.chains.trees import GIB, SR_REF, TIB, sr, vdi

VOLUME = lvm_volume_bytes(100 * GIB)


def thick_disk(uuid: str) -> Vdi:
    return vdi(uuid, virtual_size_bytes=100 * GIB, physical_utilisation_bytes=VOLUME)


def estate(free: int, kind: str = "lvm") -> Picture:
    """Two VMs with a disk each on the same SR, and one disk left out by its name."""
    one, two = vm("one"), vm("two")
    disks = [thick_disk("d1"), thick_disk("d2"), vdi("swap", name="[NOBAK] swap")]
    vbds = [vbd(one, disks[0]), vbd(two, disks[1]), vbd(two, disks[2])]
    store = sr(kind, physical_size_bytes=TIB, physical_utilisation_bytes=TIB - free)
    return pool(disks, [one, two], vbds, store=store)


def test_what_fits_for_one_vm_may_not_fit_for_a_window() -> None:
    sizes = {uuid: LeafSize(10 * GIB, NOW) for uuid in ("d1", "d2")}
    picture = estate(15 * GIB)
    one, two = picture.vms.values()
    alone = windows(PoolIndex(picture), [one], sizes)[SR_REF]
    assert (alone.disks, alone.snapshots) == (1, None)
    both = windows(PoolIndex(picture), [one, two], sizes)[SR_REF]
    assert both.disks == 2
    assert both.snapshots is not None
    assert (both.snapshots.error, both.snapshots.certain) == (44, True)


def test_snapshots_that_fit_may_leave_no_room_for_the_merge_after_them() -> None:
    sizes = {uuid: LeafSize(10 * GIB, NOW) for uuid in ("d1", "d2")}
    picture = estate(25 * GIB)
    window = windows(PoolIndex(picture), picture.vms.values(), sizes)[SR_REF]
    assert window.snapshots is None
    assert window.merges is not None
    assert window.merges.certain is False, "it hangs on what is written while the snapshots are held"
    roomy = estate(60 * GIB)
    assert windows(PoolIndex(roomy), roomy.vms.values(), sizes)[SR_REF].merges is None


def test_without_sizes_a_window_is_a_range() -> None:
    picture = estate(150 * GIB)
    window = windows(PoolIndex(picture), picture.vms.values(), {})[SR_REF]
    assert window.snapshots is not None
    assert (window.snapshots.error, window.snapshots.certain) == (44, False)


def test_where_nothing_is_known_nothing_is_foretold() -> None:
    picture = estate(0, "linstor")
    assert windows(PoolIndex(picture), picture.vms.values(), {}) == {}


def test_a_start_inflates_all_disks_of_the_vm() -> None:
    halted = vm("halted", resident_on_ref=None, power_state="Halted")
    disks = [vdi(f"d{n}", virtual_size_bytes=100 * GIB, physical_utilisation_bytes=8 << 20) for n in range(2)]
    vbds = [vbd(halted, disk, currently_attached=False) for disk in disks]

    def starting(free: int, kind: str = "lvm") -> list[tuple[int, bool]]:
        store = sr(kind, physical_size_bytes=TIB, physical_utilisation_bytes=TIB - free)
        found = start_refusals(PoolIndex(pool(disks, [halted], vbds, store=store)), halted)
        return [(one.error, one.certain) for one in found.values()]

    assert starting(150 * GIB) == [(180, True)], "one fits, both do not"
    assert starting(201 * GIB) == []
    assert starting(0, "nfs") == []
    running = vm("halted")
    assert start_refusals(PoolIndex(pool(disks, [running], vbds, store=sr("lvm"))), running) == {}

"""What XenAPI says of a VM that decides over its snapshots and backups (chains.md 3.6, 3.7, 3.11)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.inventory.records import Host, Pool, Vdi, Vm

ObstacleKind = Literal[
    "raw",
    "no_snapshot_feature",
    "usb",
    "on_boot_reset",
    "blocked_operation",
    "not_allowed",
    "missing",
    "unplugged",
]

EXCLUDING_TAGS: Final = ("[NOBAK]", "[NOSNAP]")
VENDOR_DEVICE_RESTRICTION: Final = "restrict_pci_device_for_auto_update"
OLDEST_FOR_DELTA: Final = (6, 5)
_NUMBERS: Final = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a VM cannot be snapshot. `vdi_uuid` empty: the VM itself. `detail`: the value in XenAPI, for people."""

    kind: ObstacleKind
    vdi_uuid: str = ""
    detail: str = ""


def is_excluded(vdi: Vdi) -> bool:
    """Whether the disk's name takes it out of snapshots and backups: `[NOBAK]`, `[NOSNAP]` (Xen Orchestra's tags)."""
    return any(tag in vdi.name for tag in EXCLUDING_TAGS)


def snapshot_disks(index: PoolIndex, vm: Vm) -> list[Vdi]:
    """The disks that a snapshot for a backup takes."""
    return [vdi for vdi in index.disks(vm) if not is_excluded(vdi)]


def snapshot_obstacles(index: PoolIndex, vm: Vm) -> tuple[Obstacle, ...]:
    """Everything that makes xapi or SM refuse `VM.snapshot`: told before a job finds out."""
    found = list(_of_vm(vm))
    for vdi in snapshot_disks(index, vm):
        found += _of_disk(index, vm, vdi)
    return tuple(found)


def _of_vm(vm: Vm) -> Iterator[Obstacle]:
    if vm.vusb_count:
        yield Obstacle("usb", detail=str(vm.vusb_count))
    if "snapshot" in vm.blocked_operations:
        yield Obstacle("blocked_operation", detail=vm.blocked_operations["snapshot"])
    elif vm.allowed_operations and "snapshot" not in vm.allowed_operations and not vm.current_operations:
        # While another operation runs xapi takes most others out of the list: that says nothing of afterwards.
        yield Obstacle("not_allowed")


def _of_disk(index: PoolIndex, vm: Vm, vdi: Vdi) -> Iterator[Obstacle]:
    sr = index.picture.srs.get(vdi.sr_ref)
    driver = index.picture.sm_types.get(sr.type) if sr is not None else None
    if vdi.raw:
        yield Obstacle("raw", vdi.uuid)
    if driver is not None and driver.features and "VDI_SNAPSHOT" not in driver.features:
        yield Obstacle("no_snapshot_feature", vdi.uuid, driver.type)
    if vdi.on_boot == "reset":
        yield Obstacle("on_boot_reset", vdi.uuid)
    if vdi.missing:
        yield Obstacle("missing", vdi.uuid)
    if _unplugged(index, vm, vdi):
        yield Obstacle("unplugged", vdi.uuid, sr.name if sr is not None else "")


def _unplugged(index: PoolIndex, vm: Vm, vdi: Vdi) -> bool:
    """Not attached where the VM runs; for a halted VM nowhere at all. A picture without PBDs proves nothing."""
    if not index.picture.pbds:
        return False
    attached = {pbd.host_ref for pbd in index.pbds(vdi.sr_ref) if pbd.currently_attached}
    return vm.resident_on_ref not in attached if vm.resident_on_ref is not None else not attached


def vendor_device_forbidden(pool: Pool | None, vm: Vm) -> bool:
    """`has_vendor_device` where the pool's licence forbids it (`restrictions` has it as true): LICENCE_RESTRICTION."""
    return vm.has_vendor_device and pool is not None and VENDOR_DEVICE_RESTRICTION in pool.restrictions


def is_too_old(host: Host) -> bool:
    """Older than 6.5 by `software_version.product_version`: delta backups end in Parse Error. Not told: not too old."""
    version = tuple(int(number) for number in _NUMBERS.findall(host.software.get("product_version", ""))[:2])
    return bool(version) and version < OLDEST_FOR_DELTA

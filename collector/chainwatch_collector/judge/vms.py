"""Codes about VMs and disks that only the inventory shows: vendor device, disks held by a control domain."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Vbd
from chainwatch_collector.judge.answer import FindingSubject
from chainwatch_collector.judge.condition import INVENTORY, Condition, of_sr, sr_words, vdi_words
from chainwatch_collector.judge.registry import family
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.state import PoolState, SrState
from chainwatch_collector.words import duration

_BY_INVENTORY = frozenset((INVENTORY,))
VENDOR_RESTRICTION = "restrict_pci_device_for_auto_update"
"""pool.restrictions: the licence forbids `has_vendor_device`; start and snapshot end with LICENCE_RESTRICTION."""


@family("VM_VENDOR_DEVICE")
def vendor_device(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """A VM with a device that the pool's licence does not allow."""
    picture = state.picture
    if picture is None or picture.pool is None or VENDOR_RESTRICTION not in picture.pool.restrictions:
        return
    for vm in picture.vms.values():
        if vm.has_vendor_device and not (vm.is_a_template or vm.is_a_snapshot or vm.is_control_domain):
            yield Condition(
                code="VM_VENDOR_DEVICE",
                subject=FindingSubject("vm", vm.uuid, vm.name),
                severity="error",
                summary=f"VM '{vm.name}' has has_vendor_device=true, which its pool's licence forbids: it ends with"
                " LICENCE_RESTRICTION.",
                since=now,
                params={"vm_uuid": vm.uuid},
                sources=_BY_INVENTORY,
            )


@family("VDI_HELD_BY_CONTROL_DOMAIN")
def held(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Attached to dom0 for a day with no task: exports, NBD, copies and migrations attach normally, but not so long."""
    picture = state.picture
    if picture is None:
        return
    for vbd_ref, since in state.held_since.items():
        vbd = picture.vbds.get(vbd_ref)
        if vbd is None or (now - since).total_seconds() < limits.control_domain_seconds:
            continue
        found = _sr_of(state, picture, vbd)
        if found is None or _busy(picture):
            continue
        sr, vdi = found
        yield of_sr(
            sr,
            "VDI_HELD_BY_CONTROL_DOMAIN",
            "warning",
            f"Disk {vdi_words(sr, vdi)} of {sr_words(sr)} has been attached to a control domain for"
            f" {duration((now - since).total_seconds())} with no task at work on it.",
            now=now,
            since=since + timedelta(seconds=limits.control_domain_seconds),
            vdi=vdi,
            sources=_BY_INVENTORY,
        )


def _sr_of(state: PoolState, picture: Picture, vbd: Vbd) -> tuple[SrState, str] | None:
    for sr in state.srs.values():
        if sr.ref is None or sr.no_gc:
            continue
        for uuid, vdi in picture.vdis(sr.ref).items():
            if vdi.ref == vbd.vdi_ref:
                return None if vdi.current_operations else (sr, uuid)
    return None


def _busy(picture: Picture) -> bool:
    """Whether a task that may use it is at work: an export, a copy, a migration."""
    words = ("export", "import", "copy", "migrat", "mirror", "backup")
    return any(
        task.status == "pending" and any(word in f"{task.name} {task.description}".lower() for word in words)
        for task in picture.tasks.values()
    )

from __future__ import annotations

from typing import Any

import pytest
from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.chains.vm_facts import (
    is_too_old,
    snapshot_disks,
    snapshot_obstacles,
    vendor_device_forbidden,
)
from chainwatch_collector.inventory.records import SmType
from collector.chains.estate import MASTER, MEMBER, host, pbd, pool, vbd, vm
from collector.chains.trees import vdi

WITH_SNAPSHOTS = SmType(ref="OpaqueRef:nfs", type="nfs", features=frozenset(["VDI_CREATE", "VDI_SNAPSHOT"]))


def obstacles(
    disk: dict[str, Any] | None = None, guest: dict[str, Any] | None = None, **picture: Any
) -> list[tuple[str, str, str]]:
    one, its_disk = vm(**(guest or {})), vdi("disk", **(disk or {}))
    shown = pool([its_disk], [one], [vbd(one, its_disk), vbd(one, None)], **picture)
    return [(found.kind, found.vdi_uuid, found.detail) for found in snapshot_obstacles(PoolIndex(shown), one)]


@pytest.mark.parametrize(
    ("disk", "guest", "expected"),
    [
        ({}, {}, []),
        ({"raw": True}, {}, [("raw", "disk", "")]),
        ({"on_boot": "reset"}, {}, [("on_boot_reset", "disk", "")]),
        ({"missing": True}, {}, [("missing", "disk", "")]),
        ({"raw": True, "name": "data [NOBAK]"}, {}, []),
        ({"on_boot": "reset", "name": "[NOSNAP] scratch"}, {}, []),
        ({}, {"vusb_count": 2}, [("usb", "", "2")]),
        ({}, {"blocked_operations": {"snapshot": "true"}}, [("blocked_operation", "", "true")]),
        ({}, {"allowed_operations": ("start", "clone")}, [("not_allowed", "", "")]),
        ({}, {"allowed_operations": ("start", "snapshot")}, []),
        ({}, {"allowed_operations": ("start",), "current_operations": ("snapshot",)}, []),
    ],
)
def test_what_forbids_a_snapshot(disk: dict[str, Any], guest: dict[str, Any], expected: list[tuple[str, ...]]) -> None:
    assert obstacles(disk, guest, sm_types=[WITH_SNAPSHOTS]) == expected


def test_a_driver_without_snapshots() -> None:
    assert obstacles(sm_types=[SmType(ref="r", type="nfs", features=frozenset(["VDI_CREATE"]))]) == [
        ("no_snapshot_feature", "disk", "nfs")
    ]
    assert obstacles(sm_types=[SmType(ref="r", type="nfs")]) == [], "features not told"
    assert obstacles() == [], "driver not told"


def test_an_sr_that_is_not_attached_where_the_vm_runs() -> None:
    only_master = [pbd(MASTER), pbd(MEMBER, attached=False)]
    assert obstacles(pbds=only_master) == [("unplugged", "disk", "store")]
    halted = {"resident_on_ref": None, "power_state": "Halted"}
    assert obstacles(guest=halted, pbds=only_master) == []
    assert obstacles(guest=halted, pbds=[pbd(MASTER, attached=False)]) == [("unplugged", "disk", "store")]
    assert obstacles(pbds=[]) == [], "a dump without PBDs proves nothing"


def test_disks_are_disk_vbds_each_once_in_the_order_of_their_devices() -> None:
    one = vm()
    disks = [vdi(name) for name in ("tenth", "second", "iso", "twice", "out [NOBAK]")]
    vbds = [vbd(one, disk, userdevice=str(n)) for disk, n in zip(disks, (10, 2, 3, 4, 5), strict=True)]
    vbds[2] = vbd(one, disks[2], userdevice="3", type="CD")
    index = PoolIndex(pool(disks, [one], vbds))
    assert [disk.uuid for disk in index.disks(one)] == ["second", "twice", "out [NOBAK]", "tenth"]
    assert [disk.uuid for disk in snapshot_disks(index, one)] == ["second", "twice", "tenth"]


def test_vendor_device_against_the_licence() -> None:
    forbidding = pool(restrictions=["restrict_pci_device_for_auto_update"]).pool
    assert vendor_device_forbidden(forbidding, vm(has_vendor_device=True)) is True
    assert vendor_device_forbidden(forbidding, vm()) is False
    assert vendor_device_forbidden(pool().pool, vm(has_vendor_device=True)) is False
    assert vendor_device_forbidden(None, vm(has_vendor_device=True)) is False


@pytest.mark.parametrize(
    ("version", "old"),
    [("6.2.0", True), ("6.5.0", False), ("6.10", False), ("8.3.0", False), ("10.1", False), ("5", True), ("", False)],
)
def test_hosts_before_6_5_are_too_old(version: str, old: bool) -> None:
    assert is_too_old(host(MASTER, software={"product_version": version})) is old
    assert is_too_old(host(MASTER, software={})) is False

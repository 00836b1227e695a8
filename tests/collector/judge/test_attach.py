"""VMs that did not start for lack of space, and those that would not."""

from __future__ import annotations

from typing import Any

import pytest
from collector.judge.pages import asked, line
from collector.judge.scene import (
    GIB,
    MASTER,
    SR_REF,
    TIB,
    Scene,
    a_vbd,
    a_vm,
    an_sr,
    disk,
    host_ref,
    offline,
    quiet_pool,
)
from collector.judge.test_space import refused_snapshot
from smlog import SR, C, Smlog

CODE = "ATTACH_NO_SPACE"
VM = "eeeeeee5-0000-4000-8000-000000000005"


def pool(free_gib: int, sr_type: str = "lvmoiscsi", used_bytes: int = 8 << 20, **vm_fields: Any) -> Scene:
    """A VM, off unless told otherwise, with a disk of 10 GiB that is not inflated."""
    guest = a_vm(VM, **vm_fields)
    leaf = disk(C, physical_utilisation_bytes=used_bytes)
    vbd = a_vbd(guest, leaf, currently_attached=False)
    store = an_sr(type=sr_type, physical_utilisation_bytes=TIB - free_gib * GIB)
    return quiet_pool(leaf, vms={guest.ref: guest}, vbds={vbd.ref: vbd}, srs={SR_REF: store})


def test_the_log_names_the_disk_the_inventory_its_vm() -> None:
    scene = pool(200)
    found = scene.log(refused_snapshot(scene.smlog(), command="vdi_attach")).look()
    assert CODE not in found, "XenAPI shows more room than was needed"
    scene = pool(5)
    found = scene.log(refused_snapshot(scene.smlog(), command="vdi_attach")).look()
    assert (found[CODE].severity, found[CODE].subject.kind, found[CODE].subject.uuid) == ("error", "vm", VM)
    assert found[CODE].summary.startswith("VM 'vm e' does not start: disk 'disk c' (ccccccc3) on SR 'store'")
    assert "free: 1.0 GiB, needed: 10.0 GiB" in found[CODE].summary
    assert scene.last is not None
    assert [one.severity for one in scene.last.answer.findings if one.code == CODE] == ["error"], "told once"
    assert CODE not in scene.seen(vms={}, vbds={}).wait(86500).codes(), "told for a day"


def test_without_an_inventory_it_is_the_disk() -> None:
    found = offline(refused_snapshot(Smlog(), command="vdi_attach"))
    assert (found[CODE].subject.kind, found[CODE].subject.uuid) == ("vdi", C)
    assert "SNAPSHOT_NO_SPACE" not in found


def test_a_vm_that_is_off_and_would_not_start_is_information() -> None:
    scene = pool(5)
    found = scene.look()[CODE]
    assert (found.severity, found.subject.uuid, found.sr_uuid) == ("info", VM, SR)
    assert "which is off, would not start" in found.summary
    assert "5.0 GiB is free" in found.summary
    scene.seen(srs={SR_REF: an_sr(type="lvmoiscsi")})
    assert scene.wait(6).codes() == set()


@pytest.mark.parametrize(
    "fields",
    [
        {"resident_on_ref": host_ref(MASTER), "power_state": "Running"},
        {"blocked_operations": {"start": "replica"}},
        {"is_a_template": True},
        {"sr_type": "nfs"},
        {"used_bytes": 11 * GIB},
    ],
)
def test_who_runs_is_a_replica_or_has_its_room_already_is_not_told(fields: dict[str, Any]) -> None:
    assert CODE not in pool(5, **fields).look()


def test_why_vm_answers_whether_it_would_start() -> None:
    def told(scene: Scene) -> tuple[str, str]:
        check = line(asked(scene, "vm", VM, "vm e"), "space to start")
        return check.status, check.detail

    assert told(pool(5))[0] == "info"
    assert told(pool(200))[0] == "ok"
    assert told(pool(5, resident_on_ref=host_ref(MASTER), power_state="Running")) == ("skipped", "it runs")

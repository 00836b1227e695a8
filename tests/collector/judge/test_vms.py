from __future__ import annotations

from chainwatch_collector.inventory.records import Pool, Task
from collector.judge.scene import MASTER, POOL_UUID, a_vbd, a_vm, disk, host_ref, quiet_pool
from smlog import C

VM = a_vm("eeeeeee5-0000-4000-8000-000000000005", has_vendor_device=True)
DOM0 = a_vm("fffffff6-0000-4000-8000-000000000006", is_control_domain=True)


def a_pool(*restrictions: str) -> Pool:
    return Pool(
        ref="OpaqueRef:pool",
        uuid=POOL_UUID,
        name="prod",
        master_ref=host_ref(MASTER),
        restrictions=frozenset(restrictions),
    )


def test_vendor_device_where_the_licence_forbids_it() -> None:
    scene = quiet_pool(vms={VM.ref: VM}, pool=a_pool("restrict_pci_device_for_auto_update"))
    assert scene.look()["VM_VENDOR_DEVICE"].subject.uuid == VM.uuid
    scene.seen(pool=a_pool())
    assert scene.codes() == set()


def test_templates_may_have_it() -> None:
    template = a_vm(VM.uuid, has_vendor_device=True, is_a_template=True)
    scene = quiet_pool(vms={template.ref: template}, pool=a_pool("restrict_pci_device_for_auto_update"))
    assert scene.codes() == set()


def test_disk_held_by_dom0_for_a_day() -> None:
    leaf = disk(C)
    vbd = a_vbd(DOM0, leaf)
    scene = quiet_pool(leaf, vms={DOM0.ref: DOM0}, vbds={vbd.ref: vbd})
    scene.look()
    assert "VDI_HELD_BY_CONTROL_DOMAIN" not in scene.wait(86_300).codes()
    assert scene.wait(200).look()["VDI_HELD_BY_CONTROL_DOMAIN"].subject.uuid == C
    scene.seen(vbds={})
    assert scene.codes() == set()


def test_an_export_at_work_holds_it_normally() -> None:
    leaf = disk(C)
    vbd = a_vbd(DOM0, leaf)
    task = Task(ref="OpaqueRef:task", uuid="task", name="Async.VDI.export_raw")
    scene = quiet_pool(leaf, vms={DOM0.ref: DOM0}, vbds={vbd.ref: vbd}, tasks={task.ref: task})
    scene.look()
    assert scene.wait(90_000).codes() == set()


def test_backups_that_come_and_go_each_night_are_normal() -> None:
    leaf = disk(C)
    vbd = a_vbd(DOM0, leaf)
    scene = quiet_pool(leaf, vms={DOM0.ref: DOM0})
    for _ in range(4):
        scene.seen(vbds={vbd.ref: vbd}).look()
        scene.wait(7200).seen(vbds={}).look()
        scene.wait(79_200)
    assert scene.codes() == set()

from __future__ import annotations

from datetime import timedelta
from typing import Any

from chainwatch_collector.chains.build import build_forest
from chainwatch_collector.chains.keepers import Keeper, keepers
from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.inventory.records import Vdi, Vm
from collector.chains.estate import NOW, pool, vbd, vm
from collector.chains.trees import SR_REF, base, snap, sr, vdi

GUEST = vm("guest")


def found(leaf: Vdi, holder: Vm | None, *others: Vm) -> Keeper:
    """The keeper of a base that `leaf` shares with the guest's disk."""
    disk = vdi("disk", "base")
    vbds = [vbd(GUEST, disk)] + ([vbd(holder, leaf)] if holder is not None else [])
    vms = [GUEST, *others] + ([holder] if holder is not None else [])
    picture = pool([base("base"), leaf, disk], vms, vbds)
    forest = build_forest(sr(), picture.vdis(SR_REF))
    told = keepers(PoolIndex(picture), forest.nodes["base"], picture.vdis(SR_REF))
    (keeper,) = [one for one in told if one.vdi.uuid == leaf.uuid]
    return keeper


def of_guest(name: str, **fields: Any) -> Vm:
    return vm(name, is_a_snapshot=True, snapshot_of_ref=GUEST.ref, **fields)


def test_a_snapshot_of_a_person_and_of_a_backup_job() -> None:
    taken = NOW - timedelta(days=3)
    mine = found(snap("s", "base", snapshot_time=taken), of_guest("before the update"))
    assert (mine.name, mine.taken_at, mine.vm, mine.owner) == ("before the update", taken, GUEST, "person")
    job = found(snap("s", "base"), of_guest("nightly", other_config={"xo:backup:job": "j1"}))
    assert (job.owner, job.job_id) == ("backup", "j1")
    on_the_disk = found(snap("s", "base", other_config={"xo:backup:job": "j2"}), of_guest("nightly"))
    assert (on_the_disk.owner, on_the_disk.job_id) == ("backup", "j2")
    for name in ("[XO Backup nightly] guest", "XO_DELTA_EXPORT: SR (uuid)", "rollingSnapshot_2016"):
        assert found(snap("s", "base"), of_guest(name)).owner == "backup"


def test_clones_and_what_nobody_has() -> None:
    clone = found(vdi("clone", "base"), vm("copy"))
    assert (clone.name, clone.vm and clone.vm.name, clone.owner, clone.taken_at) == ("copy", "copy", "person", None)
    left = found(snap("s", "base", name="disk 0"), None)
    assert (left.name, left.vm, left.owner) == ("disk 0", None, "unknown")
    read_by_dom0 = found(snap("s", "base"), vm("dom0", is_control_domain=True))
    assert read_by_dom0.owner == "unknown"
    of_a_gone_vm = found(snap("s", "base"), vm("old", is_a_snapshot=True, snapshot_of_ref="OpaqueRef:gone"))
    assert (of_a_gone_vm.vm, of_a_gone_vm.owner) == (None, "person")


def test_oldest_first() -> None:
    leaves = [snap(f"s{day}", "base", snapshot_time=NOW - timedelta(days=day)) for day in (1, 9, 3)]
    picture = pool([base("base"), *leaves, vdi("disk", "base")])
    node = build_forest(sr(), picture.vdis(SR_REF)).nodes["base"]
    told = keepers(PoolIndex(picture), node, picture.vdis(SR_REF))
    assert [keeper.vdi.uuid for keeper in told] == ["s9", "s3", "s1"]

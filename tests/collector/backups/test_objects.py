"""Bases, replicas and leftovers in every form that Xen Orchestra writes them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from chainwatch_collector.backups.keys import keys_of
from chainwatch_collector.backups.objects import bases, replicas_of
from chainwatch_collector.backups.seen import BaseSeen
from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Sr, Vbd, Vdi, Vm
from collector.judge.scene import GIB, SR_REF, START, a_picture, an_sr, disk

JOB, TARGET = "10b00000-0000-4000-8000-000000000001", "7a700000-0000-4000-8000-000000000002"
TARGET_REF = "OpaqueRef:target"
VM_UUID = "eeeeeee5-0000-4000-8000-000000000005"
STAMP = "20261121T013000Z"
EXPORTED = {
    "xo:backup:job": JOB,
    "xo:backup:schedule": "sched",
    "xo:backup:vm": VM_UUID,
    "xo:backup:datetime": STAMP,
    "xo:backup:exported": "true",
}


def uuid(number: int) -> str:
    return f"d15c{number:04x}-0000-4000-8000-000000000000"


class Pool:
    """A VM with disks; a job's snapshot of it; a replica on another SR."""

    def __init__(self, disks: int = 1) -> None:
        self.srs = {SR_REF: an_sr(), TARGET_REF: Sr(ref=TARGET_REF, uuid=TARGET, name="replicas", type="nfs")}
        self.vdis: dict[str, Vdi] = {}
        self.vms: dict[str, Vm] = {}
        self.vbds: dict[str, Vbd] = {}
        self.disks = [self.put(disk(uuid(number))) for number in range(disks)]
        self.vm = self.machine("vm", "db", self.disks, uuid=VM_UUID, power_state="Running")

    def put(self, vdi: Vdi) -> Vdi:
        self.vdis[vdi.uuid] = vdi
        return vdi

    def machine(self, ref: str, name: str, disks: list[Vdi], **fields: Any) -> Vm:
        vm = Vm(**{"ref": ref, "uuid": f"{ref}-uuid", "name": name, **fields})
        self.vms[ref] = vm
        for number, vdi in enumerate(disks):
            key = f"{ref}-{number}"
            self.vbds[key] = Vbd(ref=key, uuid=key, vm_ref=ref, vdi_ref=vdi.ref, userdevice=str(number))
        return vm

    def snapshot(self, name: str = "[XO Backup nightly] db", keys: dict[str, str] | None = None, **fields: Any) -> Vm:
        of = EXPORTED if keys is None else keys
        taken = [
            self.put(disk(uuid(100 + len(self.vdis)), is_a_snapshot=True, snapshot_of_ref=one.ref, other_config=of))
            for one in self.disks
        ]
        given = {"snapshot_time": START - timedelta(hours=6), "other_config": of, **fields}
        return self.machine(
            f"snap-{len(self.vms)}", name, taken, is_a_snapshot=True, snapshot_of_ref=self.vm.ref, **given
        )

    def replica(self, of: Vm, **keys: str) -> Vm:
        marks = {**EXPORTED, "xo:backup:sr": TARGET, **keys}
        copies = []
        for vbd in [one for one in self.vbds.values() if one.vm_ref == of.ref]:
            source = next(vdi for vdi in self.vdis.values() if vdi.ref == vbd.vdi_ref)
            copy = disk(uuid(500 + len(self.vdis)), other_config={**marks, "xo:copy_of": source.uuid})
            copies.append(self.put(copy._replace(sr_ref=TARGET_REF)))
        return self.machine(
            f"replica-{len(self.vms)}", "db - nightly", copies, other_config=marks, blocked_operations={"start": "x"}
        )

    def drop(self, *vms: Vm) -> None:
        for vm in vms:
            del self.vms[vm.ref]
            for vbd in [one for one in self.vbds.values() if one.vm_ref == vm.ref]:
                del self.vbds[vbd.ref]
                self.vdis = {key: vdi for key, vdi in self.vdis.items() if vdi.ref != vbd.vdi_ref}

    @property
    def picture(self) -> Picture:
        by_sr: dict[str, dict[str, Vdi]] = {}
        for vdi in self.vdis.values():
            by_sr.setdefault(vdi.sr_ref, {})[vdi.uuid] = vdi
        return a_picture((), srs=self.srs, vdis_by_sr=by_sr, vms=self.vms, vbds=self.vbds)

    def base(self, **declared: str) -> BaseSeen:
        index = PoolIndex(self.picture)
        (found,) = bases(index, replicas_of((index,)), declared)[0]
        return found


def test_a_base_that_is_there_makes_a_delta() -> None:
    pool = Pool(2)
    taken = pool.snapshot()
    base = pool.base()
    assert (base.problem, base.job, base.job_name, base.snapshot_uuid) == ("", JOB, "nightly", taken.uuid)
    assert base.at == base.last_success == datetime(2026, 11, 21, 1, 30, tzinfo=UTC)


def test_a_replica_that_is_there_makes_a_delta_too() -> None:
    pool = Pool()
    pool.replica(pool.snapshot())
    assert (pool.base().problem, pool.base().target_srs) == ("", (TARGET,))


def test_a_deleted_replica_makes_the_next_run_full_by_its_size() -> None:
    pool = Pool()
    old, new = pool.snapshot(), pool.snapshot(keys={**EXPORTED, "xo:backup:datetime": "20261122T013000Z"})
    pool.replica(old)
    base = pool.base()
    assert (base.problem, base.snapshot_uuid, base.full_vdis) == ("replica_gone", new.uuid, (pool.disks[0].uuid,))
    assert base.full_bytes == GIB
    pool.replica(new)
    assert pool.base().problem == ""


def test_a_declared_target_tells_that_the_only_replica_is_gone() -> None:
    pool = Pool()
    pool.snapshot()
    assert pool.base().problem == ""
    assert pool.base(**{JOB: TARGET}).problem == "replica_gone"
    assert pool.base(nightly=TARGET).problem == "replica_gone"


def test_a_target_that_no_pool_shows_proves_nothing() -> None:
    pool = Pool()
    pool.snapshot()
    base = pool.base(nightly="5e550000-0000-4000-8000-00000000000f")
    assert (base.problem, len(base.unseen_srs)) == ("", 1)


def test_a_deleted_base_is_known_by_its_replica() -> None:
    pool = Pool()
    taken = pool.snapshot()
    pool.replica(taken)
    pool.drop(taken)
    assert pool.base().problem == "no_base"


def test_a_base_whose_snapshot_was_purged_is_its_disks_alone() -> None:
    pool = Pool(2)
    taken = pool.snapshot()
    pool.replica(taken)
    del pool.vms[taken.ref]
    pool.vbds = {key: vbd for key, vbd in pool.vbds.items() if vbd.vm_ref != taken.ref}
    base = pool.base()
    assert (base.problem, base.job) == ("", JOB)
    assert base.snapshot_uuid in pool.vdis


def test_a_full_copy_needs_no_base() -> None:
    pool = Pool()
    whole = pool.machine("whole", "db copy", [pool.put(disk(uuid(900)))], other_config={**EXPORTED})
    index = PoolIndex(pool.picture)
    assert bases(index, replicas_of((index,))) == ((), ())
    assert (VM_UUID, JOB) in replicas_of((index,)).whole
    assert whole.other_config["xo:backup:job"] == JOB


def test_a_disk_that_was_added_or_moved_is_exported_whole() -> None:
    pool = Pool()
    pool.snapshot()
    added = pool.put(disk(uuid(40)))
    pool.vbds["new"] = Vbd(ref="new", uuid="new", vm_ref=pool.vm.ref, vdi_ref=added.ref, userdevice="5")
    assert (pool.base().problem, pool.base().full_vdis) == ("disk_added", (added.uuid,))
    moved = Pool()
    moved.snapshot()
    moved.vdis[uuid(0)] = moved.disks[0]._replace(sr_ref=TARGET_REF)
    assert (moved.base().problem, moved.base().full_vdis) == ("disk_moved", (uuid(0),))
    replaced = Pool()
    replaced.snapshot()
    replaced.put(disk(uuid(41)))
    replaced.vbds["vm-0"] = replace(replaced.vbds["vm-0"], vdi_ref=f"OpaqueRef:{uuid(41)}")
    assert replaced.base().problem == "disk_moved"


def test_a_disk_taken_out_by_its_name_needs_no_base() -> None:
    pool = Pool()
    pool.snapshot()
    scratch = pool.put(disk(uuid(40), name="[NOBAK] scratch"))
    pool.vbds["new"] = Vbd(ref="new", uuid="new", vm_ref=pool.vm.ref, vdi_ref=scratch.ref, userdevice="5")
    assert pool.base().problem == ""


def test_a_run_under_way_is_no_problem_and_left_over_a_day_later() -> None:
    pool = Pool()
    under_way = {key: value for key, value in EXPORTED.items() if key != "xo:backup:exported"}
    fresh = pool.snapshot(keys=under_way)
    index = PoolIndex(pool.picture)
    assert bases(index, replicas_of((index,)))[1] == ()
    pool.vms[fresh.ref] = replace(fresh, snapshot_time=START - timedelta(days=2))
    assert pool.base().problem == ""
    index = PoolIndex(pool.picture)
    (left,) = bases(index, replicas_of((index,)))[1]
    assert (left.snapshot_uuid, left.job) == (fresh.uuid, JOB)


def test_a_snapshot_with_its_temporary_name_is_a_dead_runs() -> None:
    pool = Pool()
    pool.snapshot(name="xo-backup-temp-snapshot-name", keys={}, snapshot_time=START - timedelta(days=2))
    index = PoolIndex(pool.picture)
    found, (left,) = bases(index, replicas_of((index,)))
    assert (found, left.snapshot_name) == ((), "xo-backup-temp-snapshot-name")


def test_legacy_names_name_their_target() -> None:
    pool = Pool()
    taken = pool.snapshot(name=f"XO_DELTA_EXPORT: replicas ({TARGET})", keys={})
    base = pool.base()
    assert (base.problem, base.target_srs, base.snapshot_uuid) == ("replica_gone", (TARGET,), taken.uuid)
    copy = pool.put(
        disk(uuid(700), other_config={"xo:copy_of": _snapshot_disk(pool, taken)})._replace(sr_ref=TARGET_REF)
    )
    assert copy.managed
    assert pool.base().problem == ""


def _snapshot_disk(pool: Pool, taken: Vm) -> str:
    refs = {vbd.vdi_ref for vbd in pool.vbds.values() if vbd.vm_ref == taken.ref}
    return next(vdi.uuid for vdi in pool.vdis.values() if vdi.ref in refs)


def test_snapshots_of_people_and_rolling_ones_are_no_bases() -> None:
    pool = Pool()
    for name in ("before the update", "rollingSnapshot_20261122T000000Z_nightly_db"):
        pool.snapshot(name=name, keys={})
    index = PoolIndex(pool.picture)
    assert bases(index, replicas_of((index,))) == ((), ())


def test_tracking_that_the_base_had_and_the_disk_has_not() -> None:
    pool = Pool()
    taken = pool.snapshot()
    old = _snapshot_disk(pool, taken)
    pool.vdis[old] = pool.vdis[old]._replace(cbt_enabled=True)
    pool.vdis[uuid(0)] = pool.disks[0]._replace(cbt_enabled=False)
    assert pool.base().cbt_off == (uuid(0),)
    pool.vdis[uuid(0)] = pool.disks[0]._replace(cbt_enabled=True)
    assert pool.base().cbt_off == ()


@pytest.mark.parametrize(
    ("name", "config", "expected"),
    [
        ("[XO Backup a b] vm [x]", {}, {"job_name": "a b"}),
        ("x", {"xo:base_delta": "old"}, {"base_vdi": "old"}),
        ("x", {"xo:base_delta_vdi": "new"}, {"base_vdi": "new"}),
        ("x", {f"XO_DELTA_EXPORT: replicas ({TARGET})": "base"}, {"sr": TARGET}),
        ("x", {"xo:backup:datetime": "yesterday", "xo:backup:deltaChainLength": "many"}, {"at": None}),
        ("x", {"xo:backup:deltaChainLength": "12"}, {"delta_length": 12}),
        ("XO_DELTA_BASE_VM_SNAPSHOT_db", {}, {"legacy": True}),
    ],
)
def test_every_form_of_a_mark_is_read(name: str, config: dict[str, str], expected: dict[str, Any]) -> None:
    keys = keys_of(name, config)
    assert {key: getattr(keys, key) for key in expected} == expected

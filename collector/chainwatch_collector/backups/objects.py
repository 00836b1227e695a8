"""Bases of the next runs, replicas and leftovers, as XenAPI shows them. Pure.

A base is valid (chains.md 3.4) where its disk's snapshot carries the job, was exported, is no copy itself, and is still
a snapshot of a disk that the VM has; for a replication a managed VDI with `xo:copy_of` = the base is on the target SR.
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from chainwatch_collector.backups.keys import BackupKeys, joined, keys_of
from chainwatch_collector.backups.seen import BaseProblem, BaseSeen, LeftoverSeen
from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.chains.vm_facts import snapshot_disks
from chainwatch_collector.inventory.records import Ref, Vdi, Vm

DEAD_AFTER: Final = timedelta(days=1)
"""A snapshot that was not exported for so long belongs to a run that died."""


@dataclass(frozen=True, slots=True)
class Replicas:
    """Of all pools together. `copies`: uuid of what was copied (or its content key) → SRs of the copies.

    `by_vm`: (source VM uuid, job) → target SR → when its newest replica was made. `whole`: likewise, of full copies,
    which need no base: when the newest was made. `srs`: SRs that some pool shows now.
    """

    copies: Mapping[str, frozenset[str]] = field(default_factory=dict)
    by_vm: Mapping[tuple[str, str], Mapping[str, datetime | None]] = field(default_factory=dict)
    whole: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    srs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Snapshot:
    vm: Vm
    keys: BackupKeys
    disks: tuple[tuple[Vdi, BackupKeys], ...]

    @property
    def at(self) -> datetime | None:
        return self.keys.at or self.vm.snapshot_time

    @property
    def is_base(self) -> bool:
        told = [keys for _, keys in self.disks] or [self.keys]
        return any((keys.exported or keys.legacy) and not keys.temporary for keys in told)


def replicas_of(indexes: Iterable[PoolIndex]) -> Replicas:
    """The replicas in these pools."""
    found = _Found()
    for index in indexes:
        found.add(index)
    copies = {key: frozenset(places) for key, places in found.copies.items()}
    return Replicas(copies, found.by_vm, found.whole, frozenset(found.srs))


class _Found:
    """`Replicas` while they are gathered."""

    def __init__(self) -> None:
        self.copies: dict[str, set[str]] = {}
        self.by_vm: dict[tuple[str, str], dict[str, datetime | None]] = {}
        self.whole: dict[tuple[str, str], datetime] = {}
        self.srs: set[str] = set()

    def add(self, index: PoolIndex) -> None:
        """A pool."""
        uuids = {sr.ref: sr.uuid for sr in index.picture.srs.values()}
        self.srs.update(uuids.values())
        copied: set[Ref] = set()
        for vdi in index.picture.all_vdis():
            keys = keys_of(vdi.name, vdi.other_config) if vdi.other_config else None
            if keys is not None and keys.copy_of and vdi.managed:
                copied.add(vdi.ref)
                for key in filter(None, (keys.copy_of, keys.content_key)):
                    self.copies.setdefault(key, set()).add(uuids.get(vdi.sr_ref, ""))
        for vm in index.picture.vms.values():
            keys = keys_of(vm.name, vm.other_config) if vm.other_config else None
            if keys is not None and not vm.is_a_snapshot and keys.vm and keys.owner:
                self._replica(index, vm, keys, copied)

    def _replica(self, index: PoolIndex, vm: Vm, keys: BackupKeys, copied: set[Ref]) -> None:
        of, disks = (keys.vm, keys.owner), index.disks(vm)
        if not any(disk.ref in copied for disk in disks):
            if keys.at is not None:
                self.whole[of] = max(self.whole.get(of, keys.at), keys.at)
            return
        srs = index.picture.srs
        places = {keys.sr} if keys.sr else {srs[disk.sr_ref].uuid for disk in disks if disk.sr_ref in srs}
        known = self.by_vm.setdefault(of, {})
        for place in places:
            known[place] = max(filter(None, (known.get(place), keys.at)), default=None)


def bases(
    index: PoolIndex, replicas: Replicas, declared: Mapping[str, str] | None = None
) -> tuple[tuple[BaseSeen, ...], tuple[LeftoverSeen, ...]]:
    """(bases by VM and job, snapshots of dead runs). `declared`: id or name of a replication job → its target SR."""
    found: list[BaseSeen] = []
    left: list[LeftoverSeen] = []
    by_source = _snapshots(index)
    replicating: dict[str, list[str]] = {}
    for source, owner in replicas.by_vm:
        replicating.setdefault(source, []).append(owner)
    guests = [vm for vm in index.picture.vms.values() if not (vm.is_a_snapshot or vm.is_control_domain)]
    for vm in guests:
        marked = by_source.get(vm.ref, [])
        jobs: dict[str, list[_Snapshot]] = {}
        for snapshot in marked:
            owner = snapshot.keys.owner or next((keys.owner for _, keys in snapshot.disks if keys.owner), "")
            if owner:
                jobs.setdefault(owner, []).append(snapshot)
        for owner in replicating.get(vm.uuid, ()):
            jobs.setdefault(owner, [])
        found += [_base(index, vm, (job, snapshots), replicas, declared or {}) for job, snapshots in jobs.items()]
        left += _leftovers(index.picture.as_of, vm, marked)
    return tuple(found), tuple(left)


def _snapshots(index: PoolIndex) -> dict[Ref, list[_Snapshot]]:
    """VM ref → its snapshots with marks of a backup, oldest first."""
    found: dict[Ref, list[_Snapshot]] = {}
    held: set[Ref] = set()
    for vm in index.picture.vms.values():
        if not vm.is_a_snapshot or vm.snapshot_of_ref is None:
            continue
        keys = keys_of(vm.name, vm.other_config)
        disks = tuple((vdi, joined(keys_of(vdi.name, vdi.other_config), keys)) for vdi in index.disks(vm))
        held.update(vdi.ref for vdi, _ in disks)
        if keys.marked or any(own.marked for _, own in disks):
            found.setdefault(vm.snapshot_of_ref, []).append(_Snapshot(vm, keys, disks))
    for ref, one in _purged(index, held):
        found.setdefault(ref, []).append(one)
    for snapshots in found.values():
        snapshots.sort(key=lambda one: (one.at is not None, one.at.timestamp() if one.at else 0.0, one.vm.uuid))
    return found


def _purged(index: PoolIndex, held: Set[Ref]) -> Iterator[tuple[Ref, _Snapshot]]:
    """Bases whose VM snapshot is gone: with changed-block tracking Xen Orchestra may purge a snapshot's data and keep
    its disks' metadata alone. Those of one run of one VM belong together."""
    runs: dict[tuple[str, str, datetime | None], list[tuple[Vdi, BackupKeys]]] = {}
    for vdi in index.picture.all_vdis():
        if vdi.is_a_snapshot and vdi.other_config and vdi.ref not in held:
            keys = keys_of(vdi.name, vdi.other_config)
            if keys.job and keys.vm and not keys.copy_of:
                runs.setdefault((keys.vm, keys.job, keys.at), []).append((vdi, keys))
    if not runs:
        return
    refs = {vm.uuid: vm.ref for vm in index.picture.vms.values()}
    for (vm_uuid, _, _), disks in runs.items():
        first, keys = disks[0]
        stand_in = Vm(ref=first.ref, uuid=first.uuid, name=first.name, snapshot_time=first.snapshot_time)
        if vm_uuid in refs:
            yield refs[vm_uuid], _Snapshot(stand_in, keys, tuple(disks))


def _base(
    index: PoolIndex, vm: Vm, job: tuple[str, list[_Snapshot]], replicas: Replicas, declared: Mapping[str, str]
) -> BaseSeen:
    owner, snapshots = job
    held = replicas.by_vm.get((vm.uuid, owner), {})
    base = next((one for one in reversed(snapshots) if one.is_base), None)
    name = next((one.keys.job_name for one in reversed(snapshots) if one.keys.job_name), "")
    targets = dict.fromkeys((*held, *_targets(base), *filter(None, (declared.get(owner), declared.get(name)))))
    known = BaseSeen(
        vm_uuid=vm.uuid,
        vm_name=vm.name,
        job=owner,
        job_name=name,
        target_srs=tuple(targets),
        unseen_srs=tuple(uuid for uuid in targets if uuid not in replicas.srs),
        last_success=max(
            filter(None, (*held.values(), replicas.whole.get((vm.uuid, owner)), base.at if base else None)),
            default=None,
        ),
    )
    disks = snapshot_disks(index, vm)
    if base is None:
        if snapshots and not held:
            return known  # the first run is under way, or died: there never was a base
        return _full(index, known, "no_base", disks)
    known = replace(
        known,
        snapshot_uuid=base.vm.uuid,
        snapshot_name=base.vm.name,
        at=base.at,
        cbt_off=tuple(disk.uuid for disk, old in _pairs(disks, base) if old.cbt_enabled and disk.cbt_enabled is False),
    )
    problem, whole = _problem(disks, base, known, replicas)
    return _full(index, known, problem, whole) if problem else known


def _targets(base: _Snapshot | None) -> list[str]:
    """SRs that the base's own marks name."""
    if base is None:
        return []
    return [keys.sr for keys in (base.keys, *(keys for _, keys in base.disks)) if keys.sr]


def _pairs(disks: Iterable[Vdi], base: _Snapshot) -> Iterator[tuple[Vdi, Vdi]]:
    """(disk, its base)."""
    of = {vdi.snapshot_of_ref: vdi for vdi, keys in base.disks if not keys.copy_of}
    for disk in disks:
        if disk.ref in of:
            yield disk, of[disk.ref]


def _problem(disks: list[Vdi], base: _Snapshot, known: BaseSeen, replicas: Replicas) -> tuple[BaseProblem, list[Vdi]]:
    """(what is wrong, the disks that are exported whole for it)."""
    pairs = {disk.uuid: old for disk, old in _pairs(disks, base)}
    seen = [uuid for uuid in known.target_srs if uuid not in known.unseen_srs]
    keys = {vdi.uuid: own for vdi, own in base.disks}
    for target in seen:
        gone = [disk for disk in disks if disk.uuid in pairs and not _copied(pairs[disk.uuid], keys, target, replicas)]
        if gone:
            return "replica_gone", gone
    moved = [disk for disk in disks if disk.uuid in pairs and pairs[disk.uuid].sr_ref != disk.sr_ref]
    lost = {vdi.snapshot_of_ref for vdi, _ in base.disks} - {disk.ref for disk in disks}
    added = [disk for disk in disks if disk.uuid not in pairs]
    if moved or (added and lost):
        return "disk_moved", moved + added
    return ("disk_added", added) if added else ("", [])


def _copied(base: Vdi, keys: Mapping[str, BackupKeys], target: str, replicas: Replicas) -> bool:
    own = keys[base.uuid]
    return any(target in replicas.copies.get(key, ()) for key in (base.uuid, own.content_key) if key)


def _full(index: PoolIndex, known: BaseSeen, problem: BaseProblem, disks: Iterable[Vdi]) -> BaseSeen:
    chosen = list(disks)
    size = sum(allocated_bytes(index, vdi) for vdi in chosen)
    return replace(known, problem=problem, full_vdis=tuple(vdi.uuid for vdi in chosen), full_bytes=size)


def allocated_bytes(index: PoolIndex, vdi: Vdi) -> int:
    """What a full export of a disk is about: all that its chain holds, no more than its virtual size."""
    of_sr = index.picture.vdis(vdi.sr_ref)
    total, node, seen = 0, vdi, {vdi.uuid}
    while True:
        total += node.physical_utilisation_bytes
        parent = of_sr.get(node.vhd_parent or "")
        if parent is None or parent.uuid in seen:
            break
        seen.add(parent.uuid)
        node = parent
    return min(total, vdi.virtual_size_bytes) if vdi.virtual_size_bytes else total


def _leftovers(now: datetime | None, vm: Vm, snapshots: Iterable[_Snapshot]) -> Iterator[LeftoverSeen]:
    for one in snapshots:
        at = one.vm.snapshot_time or one.keys.at
        dead = one.keys.temporary or not one.is_base
        if dead and at is not None and now is not None and now - at >= DEAD_AFTER:
            yield LeftoverSeen(
                vm_uuid=vm.uuid,
                vm_name=vm.name,
                snapshot_uuid=one.vm.uuid,
                snapshot_name=one.vm.name,
                at=at,
                job=one.keys.owner,
            )

"""Who keeps a node: the snapshots and clones of `Node.kept_by` with names, dates and owners, for people to decide."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from chainwatch_collector.chains.forest import Node
from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.inventory.records import Vdi, Vm

Owner = Literal["backup", "person", "unknown"]

_BACKUP_JOB_KEY: Final = "xo:backup:job"
_LEGACY_BACKUP: Final = re.compile(r"^(XO_DELTA_EXPORT:|XO_DELTA_BASE_VM_SNAPSHOT_|rollingSnapshot_|\[XO )")
"""Names that Xen Orchestra gives (chains.md 3.4): older versions left no key."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """One snapshot or clone. `vm`: the guest that a snapshot was taken of, or that has the clone; None where gone.

    `owner`: `backup` with the job's id in `job_id` where it has one; `person` for a VM's snapshot that no job made;
    `unknown` for a disk that no VM has.
    """

    vdi: Vdi
    name: str
    taken_at: datetime | None
    vm: Vm | None
    owner: Owner
    job_id: str = ""


def keepers(index: PoolIndex, node: Node, vdis: Mapping[str, Vdi]) -> tuple[Keeper, ...]:
    """Those of one kept node, oldest first; `vdis`: uuid → Vdi of its SR."""
    found = [_keeper(index, vdis[uuid]) for uuid in node.kept_by if uuid in vdis]
    return tuple(sorted(found, key=_age))


def _age(keeper: Keeper) -> tuple[bool, float, str]:
    """Snapshots by their time; clones, which have none, after them."""
    at = keeper.taken_at
    return at is None, at.timestamp() if at is not None else 0.0, keeper.name


def _keeper(index: PoolIndex, vdi: Vdi) -> Keeper:
    holder = _holder(index, vdi)
    guest = holder
    if holder is not None and holder.is_a_snapshot:
        guest = index.picture.vms.get(holder.snapshot_of_ref) if holder.snapshot_of_ref is not None else None
    name = holder.name if holder is not None else vdi.name
    job_id = vdi.other_config.get(_BACKUP_JOB_KEY, "")
    if holder is not None and not job_id:
        job_id = holder.other_config.get(_BACKUP_JOB_KEY, "")
    taken_at = vdi.snapshot_time if vdi.is_a_snapshot else None
    return Keeper(vdi, name, taken_at, guest, _owner(holder, name, job_id), job_id)


def _holder(index: PoolIndex, vdi: Vdi) -> Vm | None:
    """The VM, or snapshot of a VM, that the disk belongs to; never a control domain, which only reads it."""
    for vbd in index.vbds_of_vdi(vdi):
        vm = index.picture.vms.get(vbd.vm_ref)
        if vm is not None and not vm.is_control_domain:
            return vm
    return None


def _owner(holder: Vm | None, name: str, job_id: str) -> Owner:
    if job_id or _LEGACY_BACKUP.match(name):
        return "backup"
    return "person" if holder is not None else "unknown"

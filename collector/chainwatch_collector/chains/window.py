"""What several disks need of an SR together: a backup window's snapshots and leaf merges, a VM's start. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chainwatch_collector.chains import refusal
from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.chains.refusal import Refusal
from chainwatch_collector.chains.space import Range, Sizes, WindowNeed, attach_need, window_need
from chainwatch_collector.chains.vm_facts import snapshot_disks
from chainwatch_collector.inventory.records import Ref, Sr, Vdi, Vm


@dataclass(frozen=True, slots=True)
class SrWindow:
    """What a window needs of one SR. `snapshots`: the refusal of one of its snapshots, None where all fit for certain;
    `merges`: they fit, but a leaf merge after it may find no room (`error` is 44: SM says "No space to leaf-coalesce").
    """

    sr: Sr
    disks: int
    need: WindowNeed
    snapshots: Refusal | None
    merges: Refusal | None


def windows(index: PoolIndex, vms: Iterable[Vm], sizes: Sizes) -> Mapping[Ref, SrWindow]:
    """SR ref → what snapshots of all these VMs at once need of it; SRs of which nothing is known are left out.

    Xen Orchestra frees a snapshot only after export and merge, so those of one job are held together (chains.md 1.7).
    """
    disks_by_sr: dict[Ref, dict[str, Vdi]] = {}
    for vm in vms:
        for vdi in snapshot_disks(index, vm):
            disks_by_sr.setdefault(vdi.sr_ref, {})[vdi.uuid] = vdi
    found: dict[Ref, SrWindow] = {}
    for ref, disks in disks_by_sr.items():
        sr = index.picture.srs.get(ref)
        need = window_need(sr, disks.values(), sizes) if sr is not None else None
        if sr is not None and need is not None:
            found[ref] = _window(sr, len(disks), need)
    return found


def _window(sr: Sr, disks: int, need: WindowNeed) -> SrWindow:
    snapshots = refusal.of_space(sr, need.snapshots, refusal.snapshot_error(sr))
    merges = refusal.of_space(sr, need.total, 44) if snapshots is None else None
    return SrWindow(sr, disks, need, snapshots, merges)


def start_refusals(index: PoolIndex, vm: Vm) -> Mapping[Ref, Refusal]:
    """SR ref → why starting this VM would be refused, 180: its thick LVM disks there cannot all be inflated.

    Empty where the VM is on a host already, or everything fits.
    """
    found: dict[Ref, Refusal] = {}
    if vm.resident_on_ref is not None:
        return found
    needs: dict[Ref, int] = {}
    for vdi in index.disks(vm):
        sr = index.picture.srs.get(vdi.sr_ref)
        if sr is not None:
            needs[sr.ref] = needs.get(sr.ref, 0) + attach_need(sr, vdi)
    for ref, need in needs.items():
        refused = refusal.of_space(index.picture.srs[ref], Range(need, need), 180) if need else None
        if refused is not None:
            found[ref] = refused
    return found

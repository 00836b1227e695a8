"""How long it is from one backup of an SR's disks to the next, by the schedules of the jobs that take them. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import pairwise
from statistics import median_low

from chainwatch_collector.backups.seen import CycleSeen, JobSeen
from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.chains.vm_facts import snapshot_disks


def cycles(index: PoolIndex, jobs: Iterable[JobSeen]) -> dict[str, CycleSeen]:
    """SR uuid → the cycle that its merges have to keep; SRs without a disk in a scheduled job are left out.

    A VM's cycle is that of its most frequent job. Of an SR's VMs the most frequent quarter decides: one VM that is
    backed up every hour does not hurry an SR whose other VMs have all night, nor does a weekly job slow it down.
    """
    of_vm = _of_vms(jobs)
    found: dict[str, list[CycleSeen]] = {}
    for vm in index.picture.vms.values():
        cycle = of_vm.get(vm.uuid)
        if cycle is not None:
            for sr_ref in {disk.sr_ref for disk in snapshot_disks(index, vm)}:
                found.setdefault(sr_ref, []).append(cycle)
    srs = index.picture.srs
    return {srs[ref].uuid: _first_quarter(of_sr) for ref, of_sr in found.items() if ref in srs}


def _of_vms(jobs: Iterable[JobSeen]) -> Mapping[str, CycleSeen]:
    found: dict[str, CycleSeen] = {}
    for job in jobs:
        seconds = _between(job.due, job.next_at)
        if seconds is None:
            continue
        for vm in job.vms:
            if vm not in found or seconds < found[vm].seconds:
                found[vm] = CycleSeen(seconds=seconds, job=job.name)
    return found


def _between(due: tuple[datetime, ...], next_at: datetime | None) -> float | None:
    """The usual pause between two of its times: a weekend without a run makes no nightly job a weekly one."""
    times = [*due, *((next_at,) if next_at is not None else ())]
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(times) if later > earlier]
    return median_low(pauses) if pauses else None


def _first_quarter(of_sr: list[CycleSeen]) -> CycleSeen:
    return sorted(of_sr, key=lambda cycle: (cycle.seconds, cycle.job))[(len(of_sr) - 1) // 4]

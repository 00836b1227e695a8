"""Which jobs' next runs find no room on an SR, all their snapshots held together. Pure.

A delta job keeps the snapshot of each VM as the base of its next run. A full one deletes it after the export: only as
many are there at a time as VMs are exported at once, so nothing is foretold of it.
"""

from collections.abc import Iterable, Iterator

from chainwatch_collector.backups.seen import JobSeen, WindowSeen
from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.chains.space import Sizes
from chainwatch_collector.chains.window import windows


def tight(index: PoolIndex, jobs: Iterable[JobSeen], sizes: Sizes) -> Iterator[WindowSeen]:
    """One for each scheduled job and SR where even the least that its snapshots need is more than is free."""
    for job in jobs:
        if job.whole or job.next_at is None or not job.vms:
            continue
        of_job = frozenset(job.vms)
        chosen = [vm for vm in index.picture.vms.values() if vm.uuid in of_job]
        for found in windows(index, chosen, sizes).values():
            refusal = found.snapshots
            if refusal is not None and refusal.certain and refusal.free_bytes is not None:
                yield WindowSeen(
                    job=job.name,
                    next_at=job.next_at,
                    sr_uuid=found.sr.uuid,
                    disks=found.disks,
                    need_bytes=found.need.snapshots.low,
                    free_bytes=refusal.free_bytes,
                )

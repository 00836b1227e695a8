"""Where the GC of an SR runs: recomputed from the picture, for it moves with the master and with attachments."""

from collections.abc import Sequence

from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Host, Ref, Sr


def gc_host(index: PoolIndex, sr: Sr) -> Host | None:
    """`gc_host_among` the SR's PBDs that are attached now."""
    return gc_host_among(index.picture, sr, [pbd.host_ref for pbd in index.pbds(sr.ref) if pbd.currently_attached])


def gc_host_among(picture: Picture, sr: Sr, attached: Sequence[Ref]) -> Host | None:
    """The pool master for a shared SR, the host of the only attached PBD for a local one (smlog.md 3.2).

    `attached`: the hosts that have the SR attached. None: the master is not in the picture; a local SR is attached
    nowhere, or on several hosts.
    """
    if sr.shared:
        master_ref = picture.pool.master_ref if picture.pool is not None else None
        return picture.hosts.get(master_ref) if master_ref is not None else None
    return picture.hosts.get(attached[0]) if len(attached) == 1 else None

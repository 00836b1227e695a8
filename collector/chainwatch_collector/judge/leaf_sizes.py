"""The physical sizes of images as the newest trees of SMlog printed them: what XenAPI does not tell on LVM."""

from collections.abc import Iterable

from chainwatch_collector.chains.space import LeafSize
from chainwatch_collector.track.state import SrState


def leaf_sizes(srs: Iterable[SrState]) -> dict[str, LeafSize]:
    """VDI uuid → size, for the images whose place in the printed tree is the one that XenAPI shows.

    SMlog prints 8 characters of a uuid: they must fit one VDI of the SR alone. Where the parents differ the tree is
    older than the last snapshot or merge of that disk, and its size is that of another image.
    """
    found: dict[str, LeafSize] = {}
    for sr in srs:
        if sr.forest is not None and sr.tree is not None and sr.tree.ref is not None and sr.tree.ref.at is not None:
            for uuid in _unambiguous(sr.forest.nodes):
                printed = sr.tree.nodes.get(uuid[:8])
                shown = sr.forest.nodes[uuid].parent
                if printed is None or printed.physical_bytes is None:
                    continue
                if (printed.parent or "")[:8] == (shown or "")[:8]:
                    found[uuid] = LeafSize(printed.physical_bytes, sr.tree.ref.at)
    return found


def _unambiguous(uuids: Iterable[str]) -> Iterable[str]:
    by_prefix: dict[str, str] = {}
    for uuid in uuids:
        by_prefix[uuid[:8]] = "" if uuid[:8] in by_prefix else uuid
    return (uuid for uuid in by_prefix.values() if uuid)

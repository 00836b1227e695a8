"""Which nodes of an older forest still hold, so that a change costs its tree and not its SR."""

from collections.abc import Iterator, Mapping

from chainwatch_collector.chains.blocked import switches
from chainwatch_collector.chains.forest import Forest, Node
from chainwatch_collector.chains.shape import Shape
from chainwatch_collector.inventory.records import Sr, Vdi


def unchanged(sr: Sr, vdis: Mapping[str, Vdi], seen: Shape, previous: Forest) -> Mapping[str, Node]:
    """uuid → node of `previous` for every tree without a replaced, new or vanished record.

    Nothing holds when the SR's type, switches or free space changed, or where loops were or are.
    """
    if previous.sr is None or switches(previous.sr) != switches(sr) or seen.cycles or previous.cycles:
        return {}
    old = previous.nodes
    dirty = _dirty_roots(vdis, seen, old)
    if not dirty:
        return old
    for uuid in seen.order:
        if seen.parents.get(uuid) in dirty:
            dirty.add(uuid)
    return {uuid: node for uuid, node in old.items() if uuid not in dirty}


def _dirty_roots(vdis: Mapping[str, Vdi], seen: Shape, old: Mapping[str, Node]) -> set[str]:
    dirty: set[str] = set()
    for changed in _changed(vdis, seen, old):
        uuid = changed
        while uuid in seen.parents and uuid not in seen.missing:
            uuid = seen.parents[uuid]
        dirty.add(uuid)
    return dirty


def _changed(vdis: Mapping[str, Vdi], seen: Shape, old: Mapping[str, Node]) -> Iterator[str]:
    """Records that are not the same objects, the parents they had, and what hung below a vanished one."""
    for uuid, vdi in vdis.items():
        before = old.get(uuid)
        if before is None or before.vdi is not vdi:
            yield uuid
            if before is not None and before.parent is not None:
                yield before.parent
    if len(old) != len(vdis) or old.keys() != vdis.keys():
        for uuid in old.keys() - vdis.keys():
            yield from seen.children.get(uuid, ())
            parent = old[uuid].parent
            if parent is not None:
                yield parent

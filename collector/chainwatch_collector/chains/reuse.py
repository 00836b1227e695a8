"""Which nodes of an older forest still hold, so that a change costs its tree and not its SR."""

from collections.abc import Iterator, Mapping

from chainwatch_collector.chains.blocked import switches
from chainwatch_collector.chains.forest import Forest, Node
from chainwatch_collector.chains.shape import Shape
from chainwatch_collector.inventory.records import Sr, Vdi


def unchanged(sr: Sr, vdis: Mapping[str, Vdi], seen: Shape, previous: Forest) -> Mapping[str, Node]:
    """uuid → node of `previous` for every tree without a replaced, new or vanished record.

    Nothing holds when the SR's type or switches changed, or where loops were or are. Free space moves all the time: it
    touches the trees where a merge fits now and did not before, or the other way round.
    """
    if previous.sr is None or seen.cycles or previous.cycles:
        return {}
    then, now = switches(previous.sr), switches(sr)
    if then[:3] != now[:3]:
        return {}
    old = previous.nodes
    dirty = {_root(uuid, seen) for uuid in _changed(vdis, seen, old)}
    if then.free_bytes != now.free_bytes:
        refitted = (uuid for uuid in _refitted(old, then.free_bytes, now.free_bytes) if uuid in vdis)
        dirty.update(_root(uuid, seen) for uuid in refitted)
    if not dirty:
        return old
    for uuid in seen.order:
        if seen.parents.get(uuid) in dirty:
            dirty.add(uuid)
    return {uuid: node for uuid, node in old.items() if uuid not in dirty}


def _root(uuid: str, seen: Shape) -> str:
    while uuid in seen.parents and uuid not in seen.missing:
        uuid = seen.parents[uuid]
    return uuid


def _refitted(old: Mapping[str, Node], then: int | None, now: int | None) -> Iterator[str]:
    """Merges of which the need lies between the free space of then and of now."""
    for uuid, node in old.items():
        need = node.need_bytes
        if need is not None and (then is None or need <= then) is not (now is None or need <= now):
            yield uuid


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

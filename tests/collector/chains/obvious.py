"""SM's selection rules written down the slow and obvious way, to hold `build_forest` against."""

from __future__ import annotations

from collections.abc import Mapping

from chainwatch_collector.chains.forest import Node
from chainwatch_collector.chains.overhead import empty_bytes
from chainwatch_collector.chains.scope import NO_CHAIN_TYPES, family, has_gc
from chainwatch_collector.inventory.records import Sr, Vdi
from collector.chains.trees import MIB, TIB


def judged(node: Node) -> tuple[int, str, int | None]:
    return node.depth, node.status, node.need_bytes


def parent_of(vdis: Mapping[str, Vdi], uuid: str) -> str | None:
    one = vdis[uuid]
    return None if one.raw or one.type in NO_CHAIN_TYPES or not one.vhd_parent else one.vhd_parent


def ancestors(vdis: Mapping[str, Vdi], uuid: str) -> list[str]:
    """From the VDI up to where the chain ends or comes back."""
    path = [uuid]
    while (parent := parent_of(vdis, path[-1])) is not None and parent in vdis and parent not in path:
        path.append(parent)
    return path


def children_of(vdis: Mapping[str, Vdi], uuid: str) -> list[str]:
    return [child for child in vdis if parent_of(vdis, child) == uuid]


def below(vdis: Mapping[str, Vdi], uuid: str) -> list[str]:
    return [one for one in vdis if uuid in ancestors(vdis, one)]


def loops(vdis: Mapping[str, Vdi], uuid: str) -> bool:
    return parent_of(vdis, ancestors(vdis, uuid)[-1]) in ancestors(vdis, uuid)


def prunable(vdis: Mapping[str, Vdi], uuid: str) -> bool:
    children = children_of(vdis, uuid)
    hidden = not vdis[uuid].managed
    if not children:
        return hidden and not vdis[uuid].raw and vdis[uuid].type not in NO_CHAIN_TYPES
    return hidden and all(prunable(vdis, child) for child in children)


def candidate(vdis: Mapping[str, Vdi], uuid: str) -> str:
    parent = parent_of(vdis, uuid)
    if parent is None or parent not in vdis or len(children_of(vdis, parent)) != 1:
        return ""
    if not vdis[uuid].managed and children_of(vdis, uuid):
        return "inner_pending"
    return "leaf_pending" if vdis[uuid].managed and not children_of(vdis, uuid) else ""


def is_blocked(one: Sr, vdis: Mapping[str, Vdi], uuid: str, kind: str, need: int | None) -> bool:
    node, under = vdis[uuid], [vdis[other] for other in below(vdis, uuid)]
    above = ancestors(vdis, uuid)
    hosts = {host for other in under if other.image_format == "qcow2" for host in other.attached_hosts}
    free = one.physical_size_bytes - one.physical_utilisation_bytes
    switched = {"gc"} | ({"coalesce"} if kind == "inner_pending" else {"leaf-coalesce"})
    return (
        any(one.other_config.get(key) == "false" for key in switched)
        or any(vdis[other].missing for other in above)
        or parent_of(vdis, above[-1]) is not None
        or any(other.paused or other.relinking or other.activating for other in under)
        or len(hosts) > 1
        or (kind == "leaf_pending" and (node.on_boot == "reset" or node.allow_caching))
        or (kind == "leaf_pending" and node.other_config.get("leaf-coalesce") == "false")
        or (need is not None and family(one) != "linstor" and one.physical_size_bytes > 0 and need > max(0, free))
    )


def needed(one: Sr, vdis: Mapping[str, Vdi], uuid: str) -> int | None:
    child, parent = vdis[uuid], vdis[parent_of(vdis, uuid) or ""]
    lvm = family(one) == "lvm"
    if parent.raw and family(one) != "file":
        return 0
    if child.merged_blocks is None:
        return None
    qcow2 = child.image_format == "qcow2"
    data = child.merged_blocks * (65536 if qcow2 else 2 * MIB)
    bitmaps = 0 if qcow2 else -(-data // (2 * MIB)) * 4096
    size = child.virtual_size_bytes if family(one) == "file" else data if qcow2 else max(data, 2 * TIB)
    total = data + bitmaps + empty_bytes(size, child.image_format)
    if family(one) == "linstor":
        total = -(-(data + -(-data // (2 * MIB)) * 4096 + empty_bytes(max(data, 2 * TIB))) // 512) * 512
    if lvm and child.image_format == "raw":
        total = data
    if lvm:
        total = -(-total // (4 * MIB)) * 4 * MIB
    return max(0, total - parent.physical_utilisation_bytes)


def survives(vdis: Mapping[str, Vdi], uuid: str) -> str:
    """`kept` when more than one branch is left after all inner merges into this node."""
    while True:
        branches = [child for child in children_of(vdis, uuid) if not prunable(vdis, child)]
        if len(branches) > 1:
            return "kept"
        if not branches or candidate(vdis, branches[0]) != "inner_pending":
            return "base"
        uuid = branches[0]


def obvious(one: Sr, vdis: Mapping[str, Vdi], uuid: str) -> tuple[int, str, int | None]:
    path, node = ancestors(vdis, uuid), vdis[uuid]
    if not has_gc(one) or loops(vdis, uuid):
        return len(path), "unknown", None
    if prunable(vdis, uuid):
        return len(path), "garbage", None
    kind = candidate(vdis, uuid)
    if kind:
        need = needed(one, vdis, uuid)
        return len(path), "blocked" if is_blocked(one, vdis, uuid, kind, need) else kind, need
    service = node.raw or node.type in NO_CHAIN_TYPES
    if node.managed or (service and not children_of(vdis, uuid)):
        return len(path), "leaf", None
    return len(path), survives(vdis, uuid), None

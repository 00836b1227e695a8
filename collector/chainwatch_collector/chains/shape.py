"""Who is whose parent: the edges of one SR's VDIs in an order where parents come first, nonsense survived."""

from collections.abc import Mapping
from dataclasses import dataclass

from chainwatch_collector.chains.scope import NO_CHAIN_TYPES
from chainwatch_collector.inventory.records import Vdi


@dataclass(frozen=True, slots=True)
class Shape:
    """Edges of an SR by uuid.

    `order`: every node once, parents before children, but for those `entangled` (in or below a loop), which come last.
    `missing`: child → the parent that is not there. `cycles`: the nodes that are their own ancestors.
    """

    parents: dict[str, str]
    children: dict[str, list[str]]
    order: list[str]
    depths: dict[str, int]
    roots: list[str]
    missing: dict[str, str]
    cycles: list[str]
    entangled: frozenset[str]


def shape(vdis: Mapping[str, Vdi]) -> Shape:
    """Edges from `sm_config["vhd-parent"]`; raw VDIs and service types (cbt_metadata …) have no parent to SM."""
    parents: dict[str, str] = {}
    children: dict[str, list[str]] = {}
    roots: list[str] = []
    missing: dict[str, str] = {}
    for uuid, vdi in vdis.items():
        parent = vdi.vhd_parent
        if not parent or vdi.raw or vdi.type in NO_CHAIN_TYPES:
            roots.append(uuid)
            continue
        parents[uuid] = parent
        children.setdefault(parent, []).append(uuid)
        if parent not in vdis:
            roots.append(uuid)
            missing[uuid] = parent
    order, depths = _downwards(roots, children)
    cycles: list[str] = []
    entangled: frozenset[str] = frozenset()
    if len(order) < len(vdis):
        entangled = frozenset(vdis.keys() - depths.keys())
        cycles = _loops(parents, [uuid for uuid in vdis if uuid in entangled])
        _add_entangled(order, depths, cycles, children)
    return Shape(parents, children, order, depths, roots, missing, cycles, entangled)


def _downwards(roots: list[str], children: Mapping[str, list[str]]) -> tuple[list[str], dict[str, int]]:
    """Breadth first; the list grows while it is walked."""
    order, depths = list(roots), dict.fromkeys(roots, 1)
    for uuid in order:
        below = children.get(uuid)
        if below is not None:
            order.extend(below)
            depth = depths[uuid] + 1
            for child in below:
                depths[child] = depth
    return order, depths


def _loops(parents: Mapping[str, str], entangled: list[str]) -> list[str]:
    """Nodes that are their own ancestors: each node is walked once."""
    seen: set[str] = set()
    found: list[str] = []
    for start in entangled:
        path: dict[str, None] = {}
        uuid = start
        while uuid not in seen:
            seen.add(uuid)
            path[uuid] = None
            uuid = parents[uuid]
        if uuid in path:
            walked = list(path)
            found += walked[walked.index(uuid) :]
    return found


def _add_entangled(
    order: list[str], depths: dict[str, int], cycles: list[str], children: Mapping[str, list[str]]
) -> None:
    """A loop's nodes count its length; what hangs below counts on from there."""
    in_loop, lengths = set(cycles), _loop_lengths(cycles, children)
    depths.update(lengths)
    walk = list(cycles)
    for uuid in walk:
        for child in children.get(uuid, ()):
            if child not in in_loop:
                depths[child] = depths[uuid] + 1
                walk.append(child)
    order += walk


def _loop_lengths(cycles: list[str], children: Mapping[str, list[str]]) -> dict[str, int]:
    in_loop, lengths = set(cycles), dict[str, int]()
    for start in cycles:
        if start in lengths:
            continue
        members, uuid = [start], start
        while (uuid := next(child for child in children[uuid] if child in in_loop)) != start:
            members.append(uuid)
        lengths.update(dict.fromkeys(members, len(members)))
    return lengths

"""`build_forest`: the VDIs of one SR as trees, each node judged by SM's own selection rules (smlog.md 3.4)."""

from collections.abc import Mapping, Sequence
from typing import Final

from chainwatch_collector.chains.blocked import blocks, switches
from chainwatch_collector.chains.forest import Forest, Node, NodeStatus
from chainwatch_collector.chains.merge_space import copy_bytes, inner_need_bytes
from chainwatch_collector.chains.reuse import unchanged
from chainwatch_collector.chains.scope import Family, raises_chain_codes
from chainwatch_collector.chains.shape import Shape, shape
from chainwatch_collector.inventory.records import Sr, Vdi

_PENDING: Final = ("inner_pending", "leaf_pending")


def build_forest(sr: Sr, vdis: Mapping[str, Vdi], previous: Forest | None = None) -> Forest:
    """The forest of `sr`; `vdis`: uuid → Vdi of this SR. Any nonsense is survived: loops, missing parents, doubles.

    `previous`: an older forest of this SR. Trees in which no record was replaced since keep their nodes, which makes a
    change cost its tree; records are told apart by identity.
    """
    seen = shape(vdis)
    trees = _Trees(sr, vdis, seen)
    kept = unchanged(sr, vdis, seen, previous) if previous is not None else {}
    nodes = {uuid: kept.get(uuid) or trees.node(uuid) for uuid in seen.order}
    return _summed(sr, nodes, seen)


class _Trees:
    """What a node's status needs to know of the nodes above and below it."""

    __slots__ = ("_blocks", "_garbage", "_kind", "_seen", "_vdis", "_visible_below")

    def __init__(self, sr: Sr, vdis: Mapping[str, Vdi], seen: Shape) -> None:
        self._kind: Family | None = switches(sr).kind
        self._vdis = vdis
        self._seen = seen
        self._garbage = _garbage(vdis, seen)
        self._blocks = blocks(sr, vdis, seen)
        self._visible_below: dict[str, str] = {}

    def node(self, uuid: str) -> Node:
        """The node, judged."""
        vdi, seen = self._vdis[uuid], self._seen
        parent, children = seen.parents.get(uuid), seen.children.get(uuid, ())
        status: NodeStatus
        kept_by: tuple[str, ...] = ()
        reason, copies, needs = "", None, None
        if self._kind is None or uuid in seen.entangled:
            status = "unknown"
        elif uuid in self._garbage:
            status = "garbage"
        elif parent is not None and self._merges(vdi, parent, children):
            copies, needs = copy_bytes(vdi), inner_need_bytes(self._kind, vdi, self._vdis[parent])
            reason = self._blocks.inner(uuid, needs) if children else self._blocks.leaf(vdi, needs)
            status = "blocked" if reason else "inner_pending" if children else "leaf_pending"
        elif vdi.managed or not (children or raises_chain_codes(vdi)):
            status = "leaf"
        else:
            kept_by = self._kept_by(uuid)
            status = "kept" if kept_by else "base"
        return Node(
            vdi=vdi,
            parent=parent,
            children=tuple(children),
            depth=seen.depths[uuid],
            status=status,
            reason=reason,
            kept_by=kept_by,
            copy_bytes=copies,
            need_bytes=needs,
        )

    def _merges(self, vdi: Vdi, parent: str, children: Sequence[str]) -> bool:
        """`isCoalesceable`, `isLeafCoalesceable` (cleanup.py): an only child, hidden above others or a visible leaf."""
        return parent in self._vdis and len(self._seen.children[parent]) == 1 and vdi.managed is not bool(children)

    def _kept_by(self, uuid: str) -> tuple[str, ...]:
        """What branches off where this node will end after all merges: snapshots, and clones if there are several."""
        branches = self._branches(uuid)
        while len(branches) == 1 and self._merges_into(uuid, branches[0]):
            uuid = branches[0]
            branches = self._branches(uuid)
        if len(branches) < 2:
            return ()
        snapshots: list[str] = []
        others: list[str] = []
        for child in branches:
            vdi = self._vdis[child]
            (snapshots if vdi.is_a_snapshot and vdi.managed else others).append(child)
        return tuple(snapshots if len(others) < 2 else snapshots + [self._visible(child) for child in others])

    def _branches(self, uuid: str) -> Sequence[str]:
        below = self._seen.children.get(uuid, ())
        return [child for child in below if child not in self._garbage] if self._garbage else below

    def _merges_into(self, parent: str, child: str) -> bool:
        below = self._seen.children.get(child, ())
        return bool(below) and self._merges(self._vdis[child], parent, below)

    def _visible(self, uuid: str) -> str:
        """A visible node below: the disk, clone or snapshot that a hidden branch is there for."""
        path: list[str] = []
        while uuid not in self._visible_below and not self._vdis[uuid].managed:
            path.append(uuid)
            below = self._branches(uuid)
            if not below:
                break
            uuid = below[0]
        found = self._visible_below.get(uuid, uuid)
        self._visible_below.update(dict.fromkeys(path, found))
        return found


def _garbage(vdis: Mapping[str, Vdi], seen: Shape) -> frozenset[str]:
    """Hidden nodes with nothing visible below: `getAllPrunable` (cleanup.py), what a GC run deletes first."""
    garbage: set[str] = set()
    entangled, children = seen.entangled, seen.children
    for uuid in reversed(seen.order):
        vdi = vdis[uuid]
        if vdi.managed or uuid in entangled:
            continue
        below = children.get(uuid)
        if garbage.issuperset(below) if below else raises_chain_codes(vdi):
            garbage.add(uuid)
    return frozenset(garbage)


def _summed(sr: Sr, nodes: dict[str, Node], seen: Shape) -> Forest:
    counts: dict[str, int] = {}
    copied = known = unknown = depth_max = 0
    for node in nodes.values():
        status = node.status
        counts[status] = counts.get(status, 0) + 1
        if node.depth > depth_max:
            depth_max = node.depth
        if status in _PENDING:
            if node.copy_bytes is None:
                unknown += 1
            else:
                copied, known = copied + node.copy_bytes, known + 1
    return Forest(
        sr_uuid=sr.uuid,
        sr=sr,
        nodes=nodes,
        roots=tuple(seen.roots),
        missing_parents=seen.missing,
        cycles=tuple(seen.cycles),
        depth_max=depth_max,
        inner_pending=counts.get("inner_pending", 0),
        leaf_pending=counts.get("leaf_pending", 0),
        kept=counts.get("kept", 0),
        blocked=counts.get("blocked", 0),
        garbage=counts.get("garbage", 0),
        bytes_to_merge=None if unknown and not known else copied,
        bytes_unknown=unknown,
    )

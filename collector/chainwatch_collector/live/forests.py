"""Chains as views: the nodes of an SR or of one tree, parents first, with the VM that each belongs to."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from chainwatch_collector.chains.forest import Forest, Node
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Ref, Vbd, Vm
from chainwatch_collector.show.views import ChainNode, NodeStatus
from chainwatch_collector.show.views import Forest as ForestView
from chainwatch_collector.track.state import SrState

MAX_NODES: Final = 2000
_ATTACHED_FIRST: Final = ("Running", "Paused", "Suspended")


class Owners:
    """VDI ref → the VBD and VM it belongs to, made anew only when a pool's VBDs or VMs changed."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[Mapping[Ref, Vbd], Mapping[Ref, Vm], Mapping[Ref, tuple[Vbd, Vm]]]] = {}

    def of(self, picture: Picture | None) -> Mapping[Ref, tuple[Vbd, Vm]]:
        """Guests go before control domains, running ones before others."""
        if picture is None or picture.pool is None:
            return {}
        kept = self._of.get(picture.pool.uuid)
        if kept is not None and kept[0] is picture.vbds and kept[1] is picture.vms:
            return kept[2]
        made = _owners(picture)
        self._of[picture.pool.uuid] = (picture.vbds, picture.vms, made)
        return made


def sr_forest(picture: Picture | None, sr: SrState, as_of: datetime | None, owners: Owners) -> ForestView:
    """All trees of an SR."""
    forest = sr.forest
    if forest is None:
        return ForestView(sr.uuid, (), as_of)
    return _view(owners.of(picture), sr, _parents_first(forest, forest.roots), as_of)


def vdi_forest(picture: Picture | None, sr: SrState, vdi: str, as_of: datetime | None, owners: Owners) -> ForestView:
    """The tree that a VDI is in."""
    forest = sr.forest
    if forest is None or vdi not in forest.nodes:
        return ForestView(sr.uuid, (), as_of)
    return _view(owners.of(picture), sr, _parents_first(forest, [root_of(forest, vdi)]), as_of)


class ChainEnds:
    """SR uuid → the ends of its chains, made anew only when the SR or the pool's VBDs or VMs changed."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[SrState, Mapping[Ref, tuple[Vbd, Vm]], list[ChainNode]]] = {}

    def of(self, picture: Picture | None, sr: SrState, owners: Owners) -> list[ChainNode]:
        """As `chain_ends`. An SR that did not change is the same object in the next state."""
        owned, kept = owners.of(picture), self._of.get(sr.uuid)
        if kept is None or kept[0] is not sr or kept[1] is not owned:
            kept = self._of[sr.uuid] = (sr, owned, chain_ends(picture, sr, owners))
        return kept[2]


def chain_ends(picture: Picture | None, sr: SrState, owners: Owners) -> list[ChainNode]:
    """The nodes that nothing has as its parent."""
    if sr.forest is None:
        return []
    ends = [node for node in sr.forest.nodes.values() if not node.children]
    return list(_nodes(owners.of(picture), sr, ends))


def root_of(forest: Forest, vdi: str) -> str:
    """The root of a node's tree; in a loop the node that was met first again."""
    seen: set[str] = set()
    while vdi not in seen:
        seen.add(vdi)
        parent = forest.nodes[vdi].parent
        if parent is None or parent not in forest.nodes:
            return vdi
        vdi = parent
    return vdi


def _view(owners: Mapping[Ref, tuple[Vbd, Vm]], sr: SrState, nodes: list[Node], as_of: datetime | None) -> ForestView:
    shown = tuple(_nodes(owners, sr, nodes[:MAX_NODES]))
    return ForestView(sr.uuid, shown, as_of, truncated=len(nodes) - len(shown))


def _parents_first(forest: Forest, roots: Iterable[str]) -> list[Node]:
    """Depth first, so that a tree stands together."""
    found: dict[str, Node] = {}
    waiting = list(reversed(list(roots)))
    while waiting:
        uuid = waiting.pop()
        node = forest.nodes.get(uuid)
        if node is None or uuid in found:
            continue
        found[uuid] = node
        waiting += reversed(node.children)
    return list(found.values())


def _nodes(owners: Mapping[Ref, tuple[Vbd, Vm]], sr: SrState, nodes: list[Node]) -> Iterator[ChainNode]:
    merging = {merge.child for run in sr.runs if run.running for merge in run.merges if merge.end is None}
    for node in nodes:
        vdi = node.vdi
        vbd, vm = owners.get(vdi.ref, (None, None))
        status: NodeStatus = "merging" if merging & {vdi.uuid, vdi.uuid[:8]} else node.status
        yield ChainNode(
            uuid=vdi.uuid,
            name=vdi.name,
            parent=node.parent,
            depth=node.depth,
            status=status,
            virtual_bytes=vdi.virtual_size_bytes,
            physical_bytes=vdi.physical_utilisation_bytes,
            vm_uuid=vm.uuid if vm is not None else None,
            vm_name=vm.name if vm is not None else "",
            device=vbd.device or vbd.userdevice if vbd is not None else "",
            is_snapshot=vdi.is_a_snapshot,
            hidden=not vdi.managed,
            reason=node.reason or _kept_reason(node),
            sr_uuid=sr.uuid,
        )


def _kept_reason(node: Node) -> str:
    return f"needed by {len(node.kept_by)} snapshots or clones" if node.kept_by else ""


def _owners(picture: Picture) -> dict[Ref, tuple[Vbd, Vm]]:
    owners: dict[Ref, tuple[Vbd, Vm]] = {}
    for vbd in picture.vbds.values():
        vm = picture.vms.get(vbd.vm_ref)
        if vm is None or vbd.vdi_ref is None:
            continue
        before = owners.get(vbd.vdi_ref)
        if before is None or _rank(vm) < _rank(before[1]):
            owners[vbd.vdi_ref] = (vbd, vm)
    return owners


def _rank(vm: Vm) -> tuple[bool, bool, bool, str]:
    return (vm.is_control_domain, vm.is_a_snapshot, vm.power_state not in _ATTACHED_FIRST, vm.uuid)

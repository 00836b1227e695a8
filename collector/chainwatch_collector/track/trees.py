"""The last tree that SM printed of an SR: full dumps and the partial ones after them, in order (T1, T1b, T1c)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from chainwatch_collector.read.facts import TreeSeen
from chainwatch_collector.read.words import LineRef, RunKey, TreeNode

NODES_KEPT: Final = 200_000
"""Images of one SR; XenAPI's own limits are far below. Beyond it the trees that were printed first are forgotten."""
_STORED: Final = ("ref", "run", "vdi_count", "tree_count", "roots", "nodes", "children")


@dataclass(frozen=True, slots=True)
class LoggedTrees:
    """Nodes by the 8 characters that SM prints; `ref` is the newest dump's line, `run` whose it is.

    What was `lent` stays as it was; what was not is taken over by the next one, so that a dump costs what it prints.
    """

    ref: LineRef | None = None
    run: RunKey | None = None
    vdi_count: int = 0
    tree_count: int = 0
    roots: dict[str, tuple[TreeNode, ...]] = field(default_factory=dict)
    nodes: dict[str, TreeNode] = field(default_factory=dict)
    children: dict[str, int] = field(default_factory=dict)
    is_lent: bool = field(default=False, compare=False, repr=False)

    def __getstate__(self) -> list[Any]:
        return [getattr(self, name) for name in _STORED]

    def __setstate__(self, state: list[Any]) -> None:
        for name, value in (*zip(_STORED, state, strict=True), ("is_lent", False)):
            object.__setattr__(self, name, value)

    def lent(self) -> LoggedTrees:
        """For somebody who keeps it."""
        object.__setattr__(self, "is_lent", True)
        return self

    def folded(self, fact: TreeSeen) -> LoggedTrees:
        """With a newer dump taken in; a new object, and unless it was lent the end of this one."""
        told = (fact.ref, fact.run, fact.vdi_count, fact.tree_count)
        if fact.complete:
            new = LoggedTrees(*told)
        elif self.is_lent:
            new = LoggedTrees(*told, dict(self.roots), dict(self.nodes), dict(self.children))
        else:
            new = LoggedTrees(*told, self.roots, self.nodes, self.children)
        trees = dict(_by_root(fact.nodes))
        # An image may have moved from one of the trees to another: all of them go before the first comes.
        for root in (*(gone[:8] for gone in fact.gone), *trees):
            new._remove(root)
        for root, tree in trees.items():
            new._add(root, tree)
        new._keep(NODES_KEPT)
        return new

    def newest(self, nodes: int) -> LoggedTrees:
        """Without the trees that were printed first, so that no more nodes than these are left."""
        told = (self.ref, self.run, self.vdi_count, self.tree_count)
        new = LoggedTrees(*told, dict(self.roots), dict(self.nodes), dict(self.children))
        new._keep(nodes)
        return new

    def _keep(self, nodes: int) -> None:
        for root in list(self.roots) if len(self.nodes) > nodes else ():
            self._remove(root)
            if len(self.nodes) <= nodes:
                return

    def _add(self, root: str, tree: tuple[TreeNode, ...]) -> None:
        self.roots[root] = tree
        for node in tree:
            self.nodes[node.vdi[:8]] = node
            if node.parent is not None:
                parent = node.parent[:8]
                self.children[parent] = self.children.get(parent, 0) + 1

    def _remove(self, root: str) -> None:
        for node in self.roots.pop(root, ()):
            if self.nodes.get(node.vdi[:8]) is node:
                del self.nodes[node.vdi[:8]]
            if node.parent is not None:
                parent = node.parent[:8]
                left = self.children.get(parent, 0) - 1
                if left > 0:
                    self.children[parent] = left
                else:
                    self.children.pop(parent, None)

    def mergeable(self, child: str, parent: str) -> bool:
        """Whether this pair is there and the parent has no other child: what SM merges (cleanup.py, candidates)."""
        node = self.nodes.get(child[:8])
        if node is None or node.parent is None:
            return False
        if parent and node.parent[:8] != parent[:8]:
            return False
        return self.children.get(node.parent[:8], 0) == 1

    def pending(self) -> tuple[int, int]:
        """(inner, leaf) merges that SM's rule would do by this tree alone."""
        inner = leaf = 0
        for key, node in self.nodes.items():
            if node.parent is None or self.children.get(node.parent[:8], 0) != 1:
                continue
            if node.hidden and self.children.get(key, 0):
                inner += 1
            elif not node.hidden and not self.children.get(key, 0) and not self._hides(node):
                leaf += 1
        return inner, leaf

    def _hides(self, node: TreeNode) -> bool:
        parent = self.nodes.get(node.parent[:8]) if node.parent else None
        return parent is not None and not parent.hidden

    def kept(self) -> int:
        """Hidden nodes with two children or more: snapshots or clones need them."""
        return sum(1 for key, node in self.nodes.items() if node.hidden and self.children.get(key, 0) > 1)

    def garbage(self) -> tuple[str, ...]:
        """Hidden nodes without children, as printed."""
        return tuple(node.vdi for key, node in self.nodes.items() if node.hidden and not self.children.get(key, 0))

    @property
    def depth_max(self) -> int:
        """The longest chain, every node counted."""
        return max((node.depth + 1 for node in self.nodes.values()), default=0)

    def leaves(self) -> Iterator[TreeNode]:
        """Visible images without children."""
        return (node for key, node in self.nodes.items() if not node.hidden and not self.children.get(key, 0))


def _by_root(nodes: tuple[TreeNode, ...]) -> Iterator[tuple[str, tuple[TreeNode, ...]]]:
    tree: list[TreeNode] = []
    for node in nodes:
        if node.depth == 0 and tree:
            yield tree[0].vdi[:8], tuple(tree)
            tree = []
        tree.append(node)
    if tree:
        yield tree[0].vdi[:8], tuple(tree)

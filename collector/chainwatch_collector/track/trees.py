"""The last tree that SM printed of an SR: full dumps and the partial ones after them, in order (T1, T1b, T1c)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from chainwatch_collector.read.facts import TreeSeen
from chainwatch_collector.read.words import LineRef, RunKey, TreeNode


@dataclass(frozen=True, slots=True)
class LoggedTrees:
    """Nodes by the 8 characters that SM prints; `ref` is the newest dump's line, `run` whose it is."""

    ref: LineRef | None = None
    run: RunKey | None = None
    vdi_count: int = 0
    tree_count: int = 0
    roots: dict[str, tuple[TreeNode, ...]] = field(default_factory=dict)
    nodes: dict[str, TreeNode] = field(default_factory=dict)
    children: dict[str, int] = field(default_factory=dict)

    def folded(self, fact: TreeSeen) -> LoggedTrees:
        """With a newer dump taken in; a new object, so that what was handed out stays as it was."""
        roots = {} if fact.complete else dict(self.roots)
        for gone in fact.gone:
            roots.pop(gone[:8], None)
        roots.update(_by_root(fact.nodes))
        nodes: dict[str, TreeNode] = {}
        children: dict[str, int] = {}
        for node in (node for tree in roots.values() for node in tree):
            nodes[node.vdi[:8]] = node
            if node.parent is not None:
                parent = node.parent[:8]
                children[parent] = children.get(parent, 0) + 1
        return LoggedTrees(fact.ref, fact.run, fact.vdi_count, fact.tree_count, roots, nodes, children)

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

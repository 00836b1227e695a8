"""The chain forest as one drawing: depth goes to the right, every leaf has a row. Pure: nodes in, coordinates out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chainwatch_collector.show.views import ChainNode

STEP_X: Final = 30
STEP_Y: Final = 26
MARGIN: Final = 14
LABEL_WIDTH: Final = 300
MAX_ROWS: Final = 60


@dataclass(frozen=True, slots=True)
class Dot:
    node: ChainNode
    x: int
    y: int
    is_leaf: bool


@dataclass(frozen=True, slots=True)
class Line:
    x1: int
    y1: int
    x2: int
    y2: int
    merging: bool


@dataclass(frozen=True, slots=True)
class Drawing:
    """`left_out` leaves are not drawn; the deepest trees are drawn first."""

    width: int
    height: int
    dots: tuple[Dot, ...]
    lines: tuple[Line, ...]
    limit_x: int | None
    left_out: int


def draw(nodes: Sequence[ChainNode], limit_depth: int, max_rows: int = MAX_ROWS) -> Drawing:
    """Lay out a forest; a parent stands on the row of its first child."""
    children = _children(nodes)
    roots = sorted(children.get(None, []), key=lambda root: -_height(root, children))
    placed: list[Dot] = []
    row = 0
    left_out = 0
    for root in roots:
        leaves = _leaves(root, children)
        if row and row + leaves > max_rows:
            left_out += leaves
            continue
        row = _place(root, row, children, placed)
    by_uuid = {dot.node.uuid: dot for dot in placed}
    lines = tuple(_line(by_uuid[dot.node.parent], dot) for dot in placed if dot.node.parent in by_uuid)
    deepest = max((dot.node.depth for dot in placed), default=0)
    limit_x = _x(limit_depth) + STEP_X // 2 if deepest * 2 >= limit_depth else None
    right = max(_x(deepest), limit_x or 0)
    return Drawing(right + LABEL_WIDTH, max(row, 1) * STEP_Y + MARGIN, tuple(placed), lines, limit_x, left_out)


def _children(nodes: Sequence[ChainNode]) -> dict[str | None, list[ChainNode]]:
    present = {node.uuid for node in nodes}
    children: dict[str | None, list[ChainNode]] = {}
    for node in nodes:
        children.setdefault(node.parent if node.parent in present else None, []).append(node)
    return children


def _place(root: ChainNode, row: int, children: dict[str | None, list[ChainNode]], placed: list[Dot]) -> int:
    """Depth first without recursion (a chain may be long); returns the next free row."""
    stack = [(root, True)]
    while stack:
        node, first = stack.pop()
        if not first:
            row += 1
        below = children.get(node.uuid, [])
        placed.append(Dot(node, _x(node.depth), MARGIN + row * STEP_Y, not below))
        stack.extend((child, index == 0) for index, child in reversed(list(enumerate(below))))
    return row + 1


def _leaves(root: ChainNode, children: dict[str | None, list[ChainNode]]) -> int:
    stack, count = [root], 0
    while stack:
        below = children.get(stack.pop().uuid, [])
        count += not below
        stack.extend(below)
    return count


def _height(root: ChainNode, children: dict[str | None, list[ChainNode]]) -> int:
    stack, deepest = [root], 0
    while stack:
        node = stack.pop()
        deepest = max(deepest, node.depth)
        stack.extend(children.get(node.uuid, []))
    return deepest


def _x(depth: int) -> int:
    return MARGIN + (depth - 1) * STEP_X


def _line(parent: Dot, child: Dot) -> Line:
    return Line(parent.x, parent.y, child.x, child.y, child.node.status == "merging")

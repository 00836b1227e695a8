"""Tables for a terminal: columns appear when they say something, and fit the width; the same rows make TSV. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from click import style, unstyle

Row = Mapping[str, Any]
GAP: Final = "  "
NOTHING: Final = frozenset({"", "–", "-"})


@dataclass(frozen=True, slots=True)
class Column:
    """`show` makes the cell's text; `raw` is the field that TSV prints.

    `always` keeps a column that says nothing; `varies` shows it only where its cells differ. `shrink`: the width to
    which it may be cut with … when the table is too wide. `drop`: left out when that is not enough, the highest first;
    0 is never left out.
    """

    title: str
    show: Callable[[Row], str]
    raw: str = ""
    right: bool = False
    always: bool = False
    varies: bool = False
    shrink: int = 0
    drop: int = 0


def render(columns: Sequence[Column], rows: Sequence[Row], width: int) -> list[str]:
    """Lines of at most `width` visible characters, header first; [] for no rows."""
    if not rows:
        return []
    cells = {column.title: [column.show(row) for row in rows] for column in columns}
    kept = [column for column in columns if _says_something(column, cells[column.title])]
    widths = {c.title: max(len(c.title), *(len(unstyle(cell)) for cell in cells[c.title])) for c in kept}
    kept = _fit(kept, widths, width)
    lines = [_line(kept, widths, {c.title: style(c.title, bold=True) for c in kept})]
    for number in range(len(rows)):
        lines.append(_line(kept, widths, {c.title: cells[c.title][number] for c in kept}))
    return lines


def _says_something(column: Column, cells: Sequence[str]) -> bool:
    plain = {unstyle(cell) for cell in cells}
    if column.varies and len(plain) < 2:
        return False
    return column.always or not plain <= NOTHING


def _fit(kept: list[Column], widths: dict[str, int], width: int) -> list[Column]:
    """Cut what may be cut, from the right; leave out the least of the rest; cut again."""
    while True:
        short = {c.title: min(widths[c.title], max(c.shrink, len(c.title))) for c in kept if c.shrink}
        least = _total(kept, {**widths, **short})
        droppable = [c for c in kept if c.drop]
        if least <= width or not droppable:
            break
        worst = max(droppable, key=lambda c: c.drop)
        kept = [c for c in kept if c is not worst]
    for column in reversed([c for c in kept if c.shrink]):
        excess = _total(kept, widths) - width
        if excess > 0:
            widths[column.title] = max(short[column.title], widths[column.title] - excess)
    return kept


def _total(kept: Sequence[Column], widths: Mapping[str, int]) -> int:
    return sum(widths[c.title] for c in kept) + len(GAP) * (len(kept) - 1)


def _line(kept: Sequence[Column], widths: Mapping[str, int], cells: Mapping[str, str]) -> str:
    return GAP.join(_pad(cells[c.title], widths[c.title], c.right) for c in kept).rstrip()


def _pad(cell: str, width: int, right: bool) -> str:
    plain = unstyle(cell)
    if len(plain) > width:
        return cut(plain, width)
    space = " " * (width - len(plain))
    return space + cell if right else cell + space


def cut(text: str, width: int) -> str:
    """The text, ended with … where it is longer."""
    return text if len(text) <= width else text[: max(1, width - 1)] + "…"


def tsv(columns: Sequence[Column], rows: Sequence[Row]) -> list[str]:
    """Every column that has a raw field, whole; tabs and newlines in values become spaces."""
    chosen = [column for column in columns if column.raw]
    lines = ["\t".join(column.raw for column in chosen)]
    for row in rows:
        lines.append("\t".join(_flat(pick(row, column.raw)) for column in chosen))
    return lines


def pick(row: Row, path: str) -> Any:
    """The value at a dotted path, None where something on the way is missing."""
    value: Any = row
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _flat(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(_flat(one) for one in value)
    return " ".join(str(value).split())

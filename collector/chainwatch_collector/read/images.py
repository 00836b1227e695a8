"""How SM prints an image: `*6fe80091(8.000G/1001.973M?)` and its kin (SMlog catalogue 1.6)."""

from __future__ import annotations

import re

from chainwatch_collector.read.words import TreeNode

_SIZE = r"\d{1,15}(?:\.\d{3})?[GMK]?"
_FILE = rf"\*?[0-9A-Za-z_-]{{8}}\((?:{_SIZE}|\?)(?:/{_SIZE}|\?)?(?:/{_SIZE}|\?)?\)(?:\[(?:RAW|vhd|qcow2|aio)\])?"
_LVM = (
    rf"\*?[0-9A-Za-z_-]{{8}}\[(?:VHD|RAW|vhd|qcow2|aio)\]"
    rf"\({_SIZE}/(?:{_SIZE})?/(?:(?:{_SIZE})?/)?{_SIZE}\|(?:ao|a|no|n)\)"
)
IMAGE = rf"(?:{_FILE}|{_LVM})"

_FIELDS = re.compile(
    rf"(?P<hidden>\*?)(?P<vdi>[0-9A-Za-z_-]{{8}})(?:"
    rf"\[(?P<lformat>VHD|RAW|vhd|qcow2|aio)\]\((?P<lvirt>{_SIZE})/(?P<lphys>(?:{_SIZE})?)/"
    rf"(?:(?P<lalloc>(?:{_SIZE})?)/)?(?P<lv>{_SIZE})\|(?P<active>ao|a|no|n)\)"
    rf"|\((?P<virt>{_SIZE}|\?)(?:/(?P<phys>{_SIZE})|\?)?(?:/(?P<alloc>{_SIZE})|\?)?\)"
    rf"(?:\[(?P<format>RAW|vhd|qcow2|aio)\])?)\Z"
)
_UNIT = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_NODE = re.compile(r" {8}((?: {4})*)(\*?[0-9A-Za-z_-]{8}[(\[].*)\Z")


def size_bytes(text: str | None) -> int | None:
    """`1001.973M` in bytes (rounded as printed), None for nothing or `?`."""
    if not text or text == "?":
        return None
    unit = _UNIT.get(text[-1])
    return round(float(text)) if unit is None else round(float(text[:-1]) * unit)


def image(text: str, depth: int = 0, parent: str | None = None) -> TreeNode | None:
    """One printed image, None when it is not one."""
    match = _FIELDS.match(text)
    if match is None:
        return None
    f = match.groupdict()
    fmt = f["lformat"] or f["format"]
    return TreeNode(
        vdi=f["vdi"],
        parent=parent,
        depth=depth,
        hidden=bool(f["hidden"]),
        format=fmt.lower() if fmt else None,
        virtual_bytes=size_bytes(f["lvirt"] or f["virt"]),
        physical_bytes=size_bytes(f["lphys"] or f["phys"]),
        allocated_bytes=size_bytes(f["lalloc"] or f["alloc"]),
        lv_bytes=size_bytes(f["lv"]),
        active=f["active"],
    )


def name_of(text: str) -> str:
    """The 8 characters of a printed image, without the `*`."""
    return text[1:9] if text.startswith("*") else text[:8]


def tree_line(text: str) -> tuple[int, str] | None:
    """(depth, printed image) of one line of a tree dump (T1d): 8 blanks and 4 per level."""
    match = _NODE.match(text)
    return (len(match[1]) // 4, match[2]) if match else None


def nodes(lines: list[tuple[int, str]]) -> tuple[TreeNode, ...]:
    """The nodes of a dump with their parents. A line that is no image ends the branch it would have begun."""
    path: list[str | None] = []
    found: list[TreeNode] = []
    for depth, text in lines:
        if depth > len(path):
            continue
        parent = path[depth - 1] if depth else None
        node = image(text, depth, parent)
        del path[depth:]
        path.append(node.vdi if node else None)
        if node is not None and (depth == 0 or parent is not None):
            found.append(node)
    return tuple(found)

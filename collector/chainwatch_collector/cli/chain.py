"""`chainwatch chain`: the deepest chains, or one drawn as a tree."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import click

from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.columns import CHAINS
from chainwatch_collector.cli.output import (
    emit,
    limit_option,
    output_option,
    pool_option,
    print_more,
    print_table,
    say,
    terminal_width,
)
from chainwatch_collector.cli.sr import one_name
from chainwatch_collector.cli.table import cut
from chainwatch_collector.words import plural, short, size

MARKS: Final = {
    "inner_pending": "◆ pending",
    "leaf_pending": "◆ pending (leaf)",
    "merging": "▶ merging",
    "blocked": "■ blocked",
    "kept": "○ kept",
    "base": "○ base",
    "garbage": "× garbage",
    "leaf": "●",
    "unknown": "? unknown",
}

LEGEND: Final = "○ base, or kept (snapshot, clone)  ◆ merge pending  ■ blocked  ● leaf (a disk)"


@click.command()
@click.argument("words", nargs=-1, metavar="[list | [tree] VDI|SR]")
@output_option
@pool_option
@limit_option(100)
@click.option("--sr", metavar="SR", help="only chains of this SR")
@click.option("--deeper-than", type=click.IntRange(0, 1000), default=0, metavar="N", help="only longer chains")
def command(words: tuple[str, ...], output: str, pool: str | None, limit: int, sr: str | None, deeper_than: int) -> int:
    """The deepest chains; or the tree of a disk, or of a whole SR.

    \b
    Examples:
      chainwatch chain --deeper-than 20
      chainwatch chain tree 5f1c0004
      chainwatch chain nfs-prod-1
    """
    name = one_name(words, "tree")
    with connect() as client:
        if name is None:
            body = client.get("/chains", {"pool": pool, "limit": limit, "sr": sr, "deeper_than": deeper_than})
            emit(body, output, lambda: _print_list(body), CHAINS, body["items"])
        else:
            body = client.get(f"/chain/{name}", {"pool": pool})
            emit(body, output, lambda: _print_tree(body), CHAINS, body["forest"]["nodes"])
    return 0


def _print_list(body: Mapping[str, Any]) -> None:
    print_table(CHAINS, body["items"], "no chain is that long")
    print_more(body)


def _print_tree(body: Mapping[str, Any]) -> None:
    nodes = body["forest"]["nodes"]
    subject = body["subject"]
    name = click.style(subject["name"], bold=True)
    say(f"{name} ({subject['kind']} {subject['uuid']}): {plural(len(nodes), 'node')}")
    if not nodes:
        say("XenAPI shows no disk here.")
    for line in tree_lines(nodes, terminal_width()):
        say(line)
    if body["forest"]["truncated"]:
        say(f"… and {body['forest']['truncated']} more")
    say(click.style(LEGEND, dim=True))


def tree_lines(nodes: Sequence[Mapping[str, Any]], width: int) -> Iterator[str]:
    """One line a node, parents above their children, an empty line between trees.

    A chain without branches goes straight down, so that 30 links fit 80 columns; only a branch is indented.
    """
    present = {node["uuid"] for node in nodes}
    children: dict[str | None, list[Mapping[str, Any]]] = {}
    for node in nodes:
        children.setdefault(node["parent"] if node["parent"] in present else None, []).append(node)
    for number, root in enumerate(children.get(None, [])):
        if number:
            yield ""
        stack = [(root, "", "")]
        while stack:
            node, joint, lead = stack.pop()
            yield cut(f"{joint}{_label(node)}", width)
            below = children.get(node["uuid"], [])
            if len(below) == 1:
                stack.append((below[0], lead, lead))
            else:
                branches = [(child, *_branch(lead, last)) for child, last in _marked(below)]
                stack.extend(reversed(branches))


def _branch(lead: str, last: bool) -> tuple[str, str]:
    """(what stands before the branch's first node, what stands before those below it)."""
    return (f"{lead}└─", f"{lead}  ") if last else (f"{lead}├─", f"{lead}│ ")


def _marked(nodes: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], bool]]:
    return [(node, index == len(nodes) - 1) for index, node in enumerate(nodes)]


def _label(node: Mapping[str, Any]) -> str:
    owner = " ".join(part for part in (node["vm_name"], node["device"]) if part)
    what = f"{owner}: {node['name']}" if owner else node["name"]
    if node["is_snapshot"]:
        what = f"{what} (snapshot)"
    held = f" {size(node['physical_bytes'])}" if node["physical_bytes"] is not None else ""
    reason = f" — {node['reason']}" if node["reason"] else ""
    return f"{short(node['uuid'])} {node['depth']:>2} {MARKS.get(node['status'], node['status'])} {what}{held}{reason}"

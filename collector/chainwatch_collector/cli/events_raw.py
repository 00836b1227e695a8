"""`chainwatch events --raw`: lines of a host's log as they are on its disk, by way of its agent."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.columns import text
from chainwatch_collector.cli.output import emit, say
from chainwatch_collector.cli.table import Column

# Longer than agent and collectors may take together, so that it is they who say what went wrong.
PATIENCE_SECONDS: Final = 60.0

LINES: Final = (
    Column("OFFSET", text("offset"), "offset"),
    Column("FILE", text("file"), "file"),
    Column("TEXT", text("text"), "text"),
)


def ask(host: str, around: str, literals: Sequence[str], log: str | None, output: str) -> int:
    """Print what the agent sends; 0."""
    content: dict[str, Any] = {"around": around, "literals": list(literals)}
    with connect() as client:
        body = client.post(f"/agent/{host}/evidence", content | ({"log": log} if log else {}), PATIENCE_SECONDS)
    emit(body, output, lambda: _print(body), LINES, body["items"])
    return 0


def _print(body: Mapping[str, Any]) -> None:
    """As in the file, so that it can be searched and kept."""
    for line in body["items"]:
        say(line["text"])
    if not body["items"]:
        say("no such line around that moment")
    if body["truncated"]:
        click.echo("… there is more: name --literal, or another moment", err=True)

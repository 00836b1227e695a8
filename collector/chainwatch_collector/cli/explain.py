"""`chainwatch explain`: a health code or a pasted message."""

import textwrap
from collections.abc import Mapping
from typing import Any

import click

from chainwatch_collector.cli.client import Client, connect
from chainwatch_collector.cli.errors import CliError
from chainwatch_collector.cli.output import badge, emit, output_option, print_table, say, terminal_width
from chainwatch_collector.cli.table import Column

ENTRIES = (
    Column("CODE", lambda row: row["code"], "code"),
    Column("SEVERITY", lambda row: row["severity"], "severity"),
    Column("TITLE", lambda row: row["title"], "title"),
    Column("MEANING", lambda row: row["meaning"], "meaning"),
)
CODES = (
    Column("CODE", lambda row: row["code"], "code"),
    Column("SEVERITY", lambda row: row["severity"], "severity"),
    Column("TITLE", lambda row: row["title"], "title", shrink=20),
)
NOT_FOUND_EXIT = 3


@click.command()
@click.argument("text", nargs=-1, required=True)
@output_option
def command(text: tuple[str, ...], output: str) -> int:
    """What a code or a message from a log or from Xen Orchestra means, what to do, and whether you have it now.

    \b
    Examples:
      chainwatch explain codes
      chainwatch explain COALESCE_NO_SPACE
      chainwatch explain 'SR_BACKEND_FAILURE_44(...)'
    """
    pasted = " ".join(text)
    with connect() as client:
        if pasted == "codes":
            codes = client.get("/codes")
            emit(
                codes,
                output,
                lambda: print_table(CODES, codes["items"], "the catalogue is empty"),
                CODES,
                codes["items"],
            )
            return 0
        body = client.get("/explain", {"text": pasted[:4000]})
    if not body["entries"] and output == "table":
        raise CliError(
            "nothing in the catalogue fits this text", "paste the whole message, or see: chainwatch explain codes"
        )
    emit(body, output, lambda: _print(body), ENTRIES, body["entries"])
    return 0 if body["entries"] else NOT_FOUND_EXIT


def _list_codes(client: Client, output: str) -> int:
    body = client.get("/codes")
    emit(body, output, lambda: print_table(CODES, body["items"], "the catalogue is empty"), CODES, body["items"])
    return 0


def _print(body: Mapping[str, Any]) -> None:
    width = terminal_width()
    for number, entry in enumerate(body["entries"]):
        if number:
            say()
        say(f"{click.style(entry['code'], bold=True)}  {entry['title']}  {badge(entry['severity'])}")
        for title, lines in (
            ("", [entry["meaning"]]),
            ("Impact", [entry["impact"]]),
            ("Causes", entry["causes"]),
            ("Look", entry["checks"]),
            ("Do", entry["remedies"]),
            ("Clears when", [entry["clears_when"]]),
            ("Settings", entry["settings"]),
        ):
            _print_part(title, [line for line in lines if line], width)
        _print_present(body, entry["code"])


def _print_part(title: str, lines: list[str], width: int) -> None:
    if not lines:
        return
    if title:
        say(click.style(title, bold=True))
    for line in lines:
        mark = "- " if len(lines) > 1 else ""
        for part in textwrap.wrap(mark + line, width - 2, subsequent_indent=" " * len(mark)):
            say(f"  {part}")


def _print_present(body: Mapping[str, Any], code: str) -> None:
    found = [one for one in body["findings"] if one["code"] == code]
    say(click.style("You have it now" if found else "You do not have it now.", bold=True))
    for one in found[:10]:
        text = f"{one['subject']['kind']} {one['subject']['name']}: {one['summary']}"
        say(textwrap.fill(text, terminal_width(), initial_indent="  ", subsequent_indent="    "))

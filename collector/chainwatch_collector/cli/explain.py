"""`chainwatch explain`: a health code or a pasted message, with a collector or without."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import click

from chainwatch_collector.cli.client import Client
from chainwatch_collector.cli.config import read_config
from chainwatch_collector.cli.errors import CliError
from chainwatch_collector.cli.output import badge, emit, output_option, print_table, say, terminal_width, wrapped
from chainwatch_collector.cli.table import Column
from chainwatch_collector.judge import explain
from chainwatch_collector.judge.explain import LONGEST_TEXT

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

    Works without a collector too; then nobody can say whether you have it now.

    \b
    Examples:
      chainwatch explain codes
      chainwatch explain COALESCE_NO_SPACE
      chainwatch explain 'SR_BACKEND_FAILURE_44(...)'
    """
    pasted = " ".join(text)
    if pasted == "codes":
        body, _ = _ask("/codes", {}, _codes_offline)
        emit(body, output, lambda: print_table(CODES, body["items"], "the catalogue is empty"), CODES, body["items"])
        return 0
    body, problem = _ask("/explain", {"text": pasted[:LONGEST_TEXT]}, lambda: _explain_offline(pasted))
    if not body["entries"] and output == "table":
        raise CliError(
            "nothing in the catalogue fits this text", "paste the whole message, or see: chainwatch explain codes"
        )
    emit(body, output, lambda: _print(body, problem), ENTRIES, body["entries"])
    return 0 if body["entries"] else NOT_FOUND_EXIT


def _ask(path: str, params: Mapping[str, Any], offline: Callable[[], dict[str, Any]]) -> tuple[Mapping[str, Any], str]:
    """The collector's answer, or this machine's own and why the collector's is not there.

    Raises `CliError` for a configuration that cannot be read: what is asked of the wrong place is no answer.
    """
    config = read_config()
    if not config.configured:
        return offline(), "no collector is configured: chainwatch login URL"
    try:
        with Client(config) as client:
            return client.get(path, params), ""
    except CliError as error:
        return offline(), error.message


def _codes_offline() -> dict[str, Any]:
    return {"items": [_plain(entry) for _, entry in sorted(explain.codes().items())], "next": None}


def _explain_offline(pasted: str) -> dict[str, Any]:
    """The body of `/explain`; `findings` is null, because nobody was asked."""
    return {"text": pasted, "entries": [_plain(entry) for entry in explain.explain(pasted)], "findings": None}


def _plain(entry: explain.Explanation) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(entry).items()}


def _print(body: Mapping[str, Any], problem: str) -> None:
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
            ("See also", entry["see"]),
        ):
            _print_part(title, [line for line in lines if line], width)
        if entry.get("kind", "code") == "code":
            _print_present(body, entry["code"], problem)


def _print_part(title: str, lines: list[str], width: int) -> None:
    if not lines:
        return
    if title:
        say(click.style(title, bold=True))
    for line in lines:
        case = line.startswith("Case ")
        mark = "- " if len(lines) > 1 and not case else ""
        # A command that breaks at one of its hyphens cannot be pasted.
        for part in wrapped(mark + line, width - 2, rest=" " * len(mark)):
            say(click.style(f"  {part}", bold=case))


def _print_present(body: Mapping[str, Any], code: str, problem: str) -> None:
    if body["findings"] is None:
        text = f"Whether you have it now is not known: {problem}"
        say(click.style("\n".join(wrapped(text, terminal_width())), bold=True))
        return
    found = [one for one in body["findings"] if one["code"] == code]
    say(click.style("You have it now" if found else "You do not have it now.", bold=True))
    for one in found[:10]:
        text = f"{one['subject']['kind']} {one['subject']['name']}: {one['summary']}"
        say("\n".join(wrapped(text, terminal_width(), "  ", "    ")))

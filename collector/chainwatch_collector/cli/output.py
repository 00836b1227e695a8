"""What a verb prints: a table for people, or the REST body as JSON, YAML or TSV for everything else."""

import json
import os
import shutil
import textwrap
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import click

from chainwatch_collector.cli.table import Column, Row, render, tsv
from chainwatch_collector.words import EXIT_CODES, SEVERITY_WORDS, SYMBOLS

FORMATS: Final = ("table", "json", "yaml", "tsv")
COLOURS: Final = {"error": "red", "unknown": "magenta", "warning": "yellow", "ok": "green", "info": "cyan"}

F = TypeVar("F", bound=Callable[..., Any])


def output_option(function: F) -> F:
    """`-o table|json|yaml|tsv`, after the verb."""
    option = click.option(
        "-o", "--output", type=click.Choice(FORMATS), default="table", show_default=True, help="how to print it"
    )
    return option(function)


def pool_option(function: F) -> F:
    return click.option("--pool", metavar="POOL", help="only this pool: name or uuid")(function)


def limit_option(default: int) -> Callable[[F], F]:
    return click.option(
        "--limit", type=click.IntRange(1, 1000), default=default, show_default=True, help="rows at most"
    )


def terminal_width() -> int:
    """COLUMNS, the terminal's, or 80."""
    return max(40, shutil.get_terminal_size((80, 24)).columns)


def say(line: str = "") -> None:
    """A line to stdout; colours only for a terminal that did not say NO_COLOR."""
    click.echo(line, color=False if os.environ.get("NO_COLOR") else None)


def badge(status: str, width: int = 0) -> str:
    """Sign and word: colour is never the only difference."""
    word = SEVERITY_WORDS.get(status, status.upper())
    return click.style(f"{SYMBOLS.get(status, '·')} {word}".ljust(width), fg=COLOURS.get(status))


def emit(
    body: Mapping[str, Any],
    output: str,
    people: Callable[[], None],
    columns: Sequence[Column] = (),
    rows: Sequence[Row] = (),
) -> None:
    """Print the body in the wanted form; `people` prints the table form, `columns` and `rows` make the TSV."""
    if output == "json":
        say(json.dumps(body, indent=2, ensure_ascii=False))
    elif output == "yaml":
        import yaml

        say(yaml.safe_dump(dict(body), sort_keys=False, allow_unicode=True).rstrip())
    elif output == "tsv":
        for line in tsv(columns, rows):
            say(line)
    else:
        people()


def wrapped(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """Lines of at most `width` characters. None breaks at a hyphen: uuids, names and commands are copied whole."""
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def print_table(columns: Sequence[Column], rows: Sequence[Row], empty: str) -> None:
    """The table, or what to say instead of an empty one."""
    lines = render(columns, rows, terminal_width())
    for line in lines or [empty]:
        say(line)


def print_more(body: Mapping[str, Any]) -> None:
    if body.get("next"):
        say(click.style("… and more: raise --limit, or -o json and follow `next`", dim=True))


def moment(text: str | None) -> datetime | None:
    """A time of a body."""
    return None if text is None else datetime.fromisoformat(text)


def exit_of(statuses: Sequence[str]) -> int:
    """2 error, 3 unknown, 1 warning, 0: the worst, in that order."""
    for status in ("error", "unknown", "warning"):
        if status in statuses:
            return EXIT_CODES[status]
    return 0

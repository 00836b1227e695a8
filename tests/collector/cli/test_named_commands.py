"""Every `chainwatch` command that the product or its documents tell somebody to type can be typed."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import pytest
from chainwatch_collector.cli.main import chainwatch

ROOT = Path(__file__).parents[3]
DOCS = ("README.md", "docs/operating.md", "docs/backups.md", "CHANGELOG.md", "SECURITY.md")
VERBS = "|".join(chainwatch.list_commands(click.Context(chainwatch)))
IN_A_SENTENCE = rf"(chainwatch (?:{VERBS})(?: (?:--[a-z-]+|[A-Z]{{2,}}|{{[a-z_]+}}))*)"


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)


def of_catalogues() -> Iterator[str]:
    """A command of a step, a line of `look`, or what a sentence names up to its next mark."""
    for name in ("catalogue.toml", "messages.toml"):
        text = (files("chainwatch_collector.judge") / name).read_text(encoding="utf-8")
        for said in strings(tomllib.loads(text)):
            if said.startswith("chainwatch ") and ". " not in said:
                yield from said.split(", and ")[0].split("  ")[:1]
            else:
                yield from re.findall(IN_A_SENTENCE, said)


def of_documents() -> Iterator[str]:
    """Lines of code blocks, and what stands between backticks."""
    for name in DOCS:
        text = (ROOT / name).read_text(encoding="utf-8")
        for block in re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL):
            for line in block.splitlines():
                command = re.sub(r"^\$ ", "", line.strip()).split("  #")[0].split(" # ")[0]
                if command.startswith("chainwatch "):
                    yield command.split(" | ")[0].split(" && ")[0].split(" > ")[0].rstrip("\\ ")
        yield from (one for one in re.findall(r"`(chainwatch [^`]+)`", text) if "|" not in one and "…" not in one)


COMMANDS = sorted({command.strip() for command in (*of_catalogues(), *of_documents())})


def test_there_are_some() -> None:
    assert len(COMMANDS) > 60


@pytest.mark.parametrize("command", COMMANDS)
def test_it_parses(command: str) -> None:
    words = shlex.split(re.sub(r"\{[a-z_]+\}", "x", command))[1:]
    group: click.Command = chainwatch
    context = click.Context(group, info_name="chainwatch")
    while isinstance(group, click.Group) and words and not words[0].startswith("-"):
        found = group.get_command(context, words[0])
        assert found is not None, f"{command}: no such command: {words[0]}"
        group, words = found, words[1:]
    if not isinstance(group, click.Group):
        fault = usage_fault(group, words, context)
        assert fault == "", f"{command}: {fault}"


def usage_fault(command: click.Command, words: list[str], parent: click.Context) -> str:
    """What click has against it. A sentence may name a command without what follows it: that is nothing."""
    try:
        command.make_context("x", words, parent=parent)
    except click.UsageError as error:
        shortened = isinstance(error, click.MissingParameter) or "requires an argument" in error.format_message()
        return "" if shortened else error.format_message()
    return ""

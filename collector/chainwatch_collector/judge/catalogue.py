"""The closed catalogue of health codes: what each means, how to look, what is safe to do. Read from `catalogue.toml`.

The texts stand in one data file beside this one, so that they can be read and reviewed as text. It is read once, at
the first use; a fault in it raises `CatalogueError` that names the entry.
"""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any, Final, get_args

from chainwatch_collector.judge.answer import Risk, Severity, Step

RANKS: Final = (
    "pool and agent",
    "log",
    "host",
    "paths and I/O",
    "detached",
    "scan and corruption",
    "space",
    "disabled",
    "blocked by a host",
    "garbage collection",
    "merge failed",
    "behind",
    "chain",
    "snapshot and backup",
    "outcome of backups",
)
"""What causes what, causes first (interfaces.md section 6): the precedence of a code is its place in here."""

GENERAL_WORDS: Final[Mapping[str, str]] = {"host": "that host", "snapshots": "see chainwatch chain", "sr_uuid": "SR"}
"""What a text says where the finding does not know better. A command has no such words: it is left out."""


class CatalogueError(ValueError):
    """An entry of the catalogue that cannot be used: says which entry and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Variant:
    """What differs for one kind of a code: its meaning and its steps."""

    name: str
    meaning: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One health code. `precedence`: lower is nearer to the cause. `subject`: the usual one of `subjects`.

    `steps`, `variants`: with their placeholders; `steps()` fills them. `patterns`: regular expressions,
    case ignored, of the messages that mean this code.
    """

    code: str
    title: str
    severity: Severity
    subject: str
    subjects: tuple[str, ...]
    precedence: int
    meaning: str
    impact: str
    causes: tuple[str, ...]
    look: tuple[str, ...]
    clears_when: str
    settings: tuple[str, ...]
    patterns: tuple[str, ...]
    see: tuple[str, ...]
    steps: tuple[Step, ...]
    variants: Mapping[str, Variant] = field(default_factory=dict)


class _Catalogue(Mapping[str, Entry]):
    """The entries by code, in the order of the file; the file is read when the first one is asked for."""

    def __getitem__(self, code: str) -> Entry:
        return _entries()[code]

    def __iter__(self) -> Iterator[str]:
        return iter(_entries())

    def __len__(self) -> int:
        return len(_entries())


CATALOGUE: Final[Mapping[str, Entry]] = _Catalogue()


def steps(code: str, variant: str = "", **params: str) -> tuple[Step, ...]:
    """The next steps of a finding, placeholders filled. Raises KeyError for a code that is not in the catalogue.

    A variant that the code does not have takes the code's general steps: a new cause must not cost the remedy.
    A step whose command needs a parameter that is missing loses the command, not the text.
    """
    entry = CATALOGUE[code]
    chosen = entry.variants.get(variant)
    return tuple(_filled(step, params) for step in (chosen.steps if chosen is not None else entry.steps))


def meaning(code: str, variant: str = "") -> str:
    """What the code means, in the words of its variant where it has one. Raises KeyError for an unknown code."""
    entry = CATALOGUE[code]
    chosen = entry.variants.get(variant)
    return chosen.meaning if chosen is not None else entry.meaning


def placeholders(text: str) -> frozenset[str]:
    """The names in braces of a text of the catalogue."""
    return frozenset(name for _, name, _, _ in Formatter().parse(text) if name)


def _filled(step: Step, params: Mapping[str, str]) -> Step:
    given = {name: value for name, value in params.items() if value}
    known = {**GENERAL_WORDS, **given}
    command = step.command
    if command is not None:
        # A host's name is free text, and the command is there to be pasted into a shell.
        quoted = {name: shlex.quote(value) for name, value in given.items()}
        command = command.format_map(quoted) if placeholders(command) <= given.keys() else None
    return Step(
        risk=step.risk,
        text=step.text.format_map(known),
        command=command,
        precheck=step.precheck.format_map(known) if step.precheck else None,
        warning=step.warning.format_map(known) if step.warning else None,
    )


@cache
def _entries() -> dict[str, Entry]:
    data = tomllib.loads(files("chainwatch_collector.judge").joinpath("catalogue.toml").read_text("utf-8"))
    return parse(data)


def parse(data: Mapping[str, Any]) -> dict[str, Entry]:
    """The tables of a catalogue file as entries. Raises CatalogueError."""
    steps_by_name = named_steps(data["step"])
    return {code: _entry(code, table, steps_by_name) for code, table in data["code"].items()}


def named_steps(tables: Mapping[str, Mapping[str, str]]) -> dict[str, Step]:
    """The `[step.*]` tables of a file by name. Raises CatalogueError."""
    return {name: _step(name, table) for name, table in tables.items()}


def _step(name: str, table: Mapping[str, str]) -> Step:
    if table["risk"] not in get_args(Risk):
        raise CatalogueError(f"step.{name}: risk {table['risk']!r} is none of {', '.join(get_args(Risk))}")
    unknown = table.keys() - {"risk", "text", "command", "precheck", "warning"}
    if unknown:
        raise CatalogueError(f"step.{name}: no such field: {', '.join(sorted(unknown))}")
    told = placeholders(" ".join(table.get(part, "") for part in ("text", "precheck", "warning")))
    if not told <= GENERAL_WORDS.keys():
        raise CatalogueError(f"step.{name}: text, precheck and warning may name {', '.join(GENERAL_WORDS)} only")
    return Step(**table)  # type: ignore[arg-type]


def _entry(code: str, table: Mapping[str, Any], steps_by_name: Mapping[str, Step]) -> Entry:
    try:
        return Entry(
            code=code,
            title=table["title"],
            severity=severity_of(table["severity"]),
            subject=table["subjects"][0],
            subjects=tuple(table["subjects"]),
            precedence=RANKS.index(table["rank"]) + 1,
            steps=tuple(steps_by_name[name] for name in table["steps"]),
            variants={
                name: Variant(name, variant["meaning"], tuple(steps_by_name[step] for step in variant["steps"]))
                for name, variant in table.get("variant", {}).items()
            },
            meaning=table["meaning"],
            impact=table["impact"],
            causes=tuple(table["causes"]),
            look=tuple(table["look"]),
            clears_when=table["clears_when"],
            settings=tuple(table["settings"]),
            patterns=tuple(table["patterns"]),
            see=tuple(table["see"]),
        )
    except (KeyError, ValueError) as error:
        raise CatalogueError(f"code.{code}: {error}") from error


def severity_of(text: str) -> Severity:
    """Raises CatalogueError for a word that is no severity."""
    for severity in get_args(Severity):
        if text == severity:
            known: Severity = severity
            return known
    raise CatalogueError(f"severity {text!r} is none of {', '.join(get_args(Severity))}")

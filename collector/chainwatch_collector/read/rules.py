"""The machinery of the grammar: a row is (message id, ident, template, event), and a table of rows is an index.

A template is the catalogue's own: literal text, with `{name:type}` for a field. A new wording is one row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from chainwatch_collector.read.images import IMAGE

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TYPES = {
    "uuid": UUID,
    "vdi": IMAGE,
    "n": r"\d{1,18}",
    "int": r"-?\d{1,18}",
    "float": r"-?\d{1,15}(?:\.\d{1,20})?(?:e-?\d+)?",
    "size": r"\d{1,15}(?:\.\d{3})?[GMK]?",
    "word": r"\S{1,4096}",
    "path": r"/\S{0,4096}",
    "text": r".+",
    "any": r".*",
    "cow": r"(?:VHD|COW|COW image|vhd|cow)",
}
_FIELD = re.compile(r"\{(?:(\w+):)?(\w+)\}")
_KEY = 3


class Row(NamedTuple):
    """One line of the grammar. `event` names a handler; None says "known, and moves nothing"."""

    id: str
    ident: str
    template: str
    event: str | None = None


class Rule:
    """A compiled row."""

    __slots__ = ("event", "head", "id", "ident", "pattern", "tail_free")

    def __init__(self, row: Row) -> None:
        self.id = row.id
        self.ident = row.ident
        self.event = row.event
        self.head = row.template.split("{", 1)[0]
        self.pattern = re.compile(_compile(row.template), re.DOTALL)
        # Where the rest is anything and nobody asks for it, the head alone decides: most of a log is this.
        self.tail_free = row.template == self.head + "{any}" and row.event is None


class Match(NamedTuple):
    """A rule that matched, with its fields."""

    rule: Rule
    fields: dict[str, str]


class Grammar:
    """An index over rows: by the first characters of the literal head, longest head first."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rules = [Rule(row) for row in rows]
        self._by_key: dict[str, list[Rule]] = {}
        self._headless: list[Rule] = []
        for rule in sorted(self.rules, key=lambda r: -len(r.head)):
            if len(rule.head) < _KEY:
                self._headless.append(rule)
            else:
                self._by_key.setdefault(rule.head[:_KEY], []).append(rule)

    def match(self, ident: str, msg: str) -> Match | None:
        """The first rule whose whole template fits the message, None when nothing does."""
        for rule in self._by_key.get(msg[:_KEY], ()):
            if msg.startswith(rule.head) and (not rule.ident or rule.ident == ident):
                if rule.tail_free:
                    return Match(rule, _NO_FIELDS)
                found = rule.pattern.fullmatch(msg)
                if found is not None:
                    return Match(rule, found.groupdict())
        for rule in self._headless:
            if not rule.ident or rule.ident == ident:
                found = rule.pattern.fullmatch(msg)
                if found is not None:
                    return Match(rule, found.groupdict())
        return None


_NO_FIELDS: dict[str, str] = {}


def _compile(template: str) -> str:
    out, last = [], 0
    for field in _FIELD.finditer(template):
        out.append(re.escape(template[last : field.start()]))
        name, kind = field[1], field[2]
        out.append(f"(?P<{name}>{_TYPES[kind]})" if name else f"(?:{_TYPES[kind]})")
        last = field.end()
    out.append(re.escape(template[last:]))
    return "".join(out)

"""The expressions of `get_all_records_where` (db_filter_parse.mly): fields, strings, `=`, not, and, or, true, false."""

import re
from collections.abc import Callable
from typing import Any

from lab.xapi.failures import XapiError
from lab.xapi.values import Record

Predicate = Callable[[Record], bool]
Term = Callable[[Record], str]
_TOKEN = re.compile(r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<word>[a-z]+|[()=]))""")


def compile_expression(text: str) -> Predicate:
    """Raises INTERNAL_ERROR for what does not parse, as xapi does."""
    parser = _Parser(_tokens(text))
    predicate = parser.either()
    if parser.rest:
        raise _error(f"unexpected {parser.rest[0]}")
    return predicate


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _error(f"unexpected character at {position}")
        tokens.append(match["string"] or match["word"])
        position = match.end()
    return tokens


def _error(what: str) -> XapiError:
    return XapiError("INTERNAL_ERROR", f"Db_filter.Expression_error({what})")


class _Parser:
    """Recursive descent; `rest` is what is left."""

    def __init__(self, tokens: list[str]) -> None:
        self.rest = tokens

    def either(self) -> Predicate:
        left = self._both()
        while self._accept("or"):
            left = _or(left, self._both())
        return left

    def _both(self) -> Predicate:
        left = self._single()
        while self._accept("and"):
            left = _and(left, self._single())
        return left

    def _single(self) -> Predicate:
        if self._accept("not"):
            inner = self._single()
            return lambda record: not inner(record)
        if self._accept("("):
            inner = self.either()
            self._expect(")")
            return inner
        for word, value in (("true", True), ("false", False)):
            if self._accept(word):
                return _constant(value)
        left = self._term()
        self._expect("=")
        right = self._term()
        return lambda record: left(record) == right(record)

    def _term(self) -> Term:
        if self._accept("field"):
            name = self._string().replace("__", "_")
            return lambda record: _field(record, name)
        literal = self._string()
        return lambda _record: literal

    def _string(self) -> str:
        if not self.rest or self.rest[0][0] not in "\"'":
            raise _error("a string was expected")
        return re.sub(r"\\(.)", r"\1", self.rest.pop(0)[1:-1])

    def _accept(self, word: str) -> bool:
        if self.rest and self.rest[0] == word:
            self.rest.pop(0)
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise _error(f"{word} was expected")


def _constant(value: bool) -> Predicate:
    return lambda _record: value


def _and(left: Predicate, right: Predicate) -> Predicate:
    return lambda record: left(record) and right(record)


def _or(left: Predicate, right: Predicate) -> Predicate:
    return lambda record: left(record) or right(record)


def _field(record: Record, name: str) -> str:
    """The value as the database stores it: text."""
    if name not in record:
        raise _error(f"no field {name}")
    value: Any = record[name]
    return str(value).lower() if isinstance(value, bool) else str(value)

"""A JSON reply taken apart while it arrives: a record at a time, so that neither memory nor the interpreter's lock is
held for a whole one. A reply of 50,000 VDIs is 130 MB, and parsing that at once stops every other thread for a second.
"""

import codecs
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

Path = tuple[str, ...]
Parse = Callable[[str], dict[str, Any]]
"""An object of JSON to its members. Raises `ValueError`; then they are read one by one by the `json` of Python."""
READ_BYTES: Final = 256 * 1024
_SPACE: Final = " \t\r\n"
_CLOSED: Final = frozenset('}]"')
_BETWEEN_RECORDS: Final = '},"OpaqueRef:'
"""Between two records of a reply; in a string its quote would be escaped."""


class BrokenReplyError(Exception):
    """The reply ended early or is no JSON."""


def walk(
    read: Callable[[int], bytes], descend: frozenset[Path], parse: Parse | None = None
) -> Iterator[tuple[Path, Any]]:
    """(path, value) of the document that `read(size)` gives in pieces, b"" at its end.

    Objects and lists whose path is in `descend` are taken apart, everything else comes whole; an item of a list has
    the path element `*`. `parse` reads records of XenAPI that arrived together, and may leave out what nobody reads.
    Raises `BrokenReplyError`, and what `read` raises.
    """
    source = _Source(read, parse)
    yield from _descend(source, (), descend)
    if source.peek(at_end=True):
        raise BrokenReplyError("more than one JSON value in the reply")


def walk_value(value: Any, descend: frozenset[Path], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The same of a document that was parsed already."""
    if path in descend and isinstance(value, dict):
        for key in list(value):
            yield from walk_value(value.pop(key), descend, (*path, key))
    elif path in descend and isinstance(value, list):
        for item in value:
            yield from walk_value(item, descend, (*path, "*"))
    else:
        yield path, value


def _descend(source: "_Source", path: Path, descend: frozenset[Path]) -> Iterator[tuple[Path, Any]]:
    opening = source.peek()
    if path not in descend or opening not in "{[":
        yield path, source.value()
        return
    source.skip()
    closing = "}" if opening == "{" else "]"
    if source.peek() == closing:
        source.skip()
        return
    whole_records = opening == "{" and not any(len(one) > len(path) and one[: len(path)] == path for one in descend)
    while True:
        if whole_records:
            for key, value in source.records().items():
                yield (*path, key), value
        step = "*"
        if opening == "{":
            step = str(source.value())
            source.expect(":")
        yield from _descend(source, (*path, step), descend)
        if source.peek() == closing:
            source.skip()
            return
        source.expect(",")


class _Source:
    """Text as it arrives, and a place in it."""

    def __init__(self, read: Callable[[int], bytes], parse: Parse | None) -> None:
        self._read = read
        self._parse = parse
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._raw_decode = json.JSONDecoder().raw_decode
        self._text = ""
        self._at = 0
        self._ended = False

    def peek(self, *, at_end: bool = False) -> str:
        """The next character that is no space; empty at the end, which is an error unless `at_end`."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._fill(READ_BYTES):
                if at_end:
                    return ""
                raise BrokenReplyError("the connection ended within a reply")

    def skip(self) -> None:
        """Past the character that `peek` gave."""
        self._at += 1

    def expect(self, character: str) -> None:
        """Past this character. Raises `BrokenReplyError`."""
        if self.peek() != character:
            raise BrokenReplyError(f"the reply is no JSON: {character!r} expected")
        self._at += 1

    def records(self) -> dict[str, Any]:
        """Members of an object, from here on, that arrived whole and are followed by another; often there are none."""
        end = self._text.rfind(_BETWEEN_RECORDS, self._at) + 1 if self._parse is not None else 0
        if self._parse is None or not end:
            return {}
        try:
            found = self._parse("{" + self._text[self._at : end] + "}")
        except ValueError:
            self._parse = None  # what looked like an end was within a record: only balanced text is JSON
            return {}
        self._at = end + 1
        return found

    def value(self) -> Any:
        """The value that starts here."""
        self.peek()
        size = READ_BYTES
        while True:
            try:
                value, end = self._raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if not self._fill(size):
                    raise BrokenReplyError(f"the reply is no JSON or ended early: {error}") from None
            else:
                # A number at the end of what arrived may go on.
                if end < len(self._text) or self._text[end - 1] in _CLOSED or not self._fill(size):
                    self._at = end
                    return value
            size *= 2

    def _fill(self, size: int) -> bool:
        """Append about `size` bytes; False at the end."""
        pieces = [self._text[self._at :]]
        while size > 0 and not self._ended:
            piece = self._read(min(size, READ_BYTES))
            self._ended = not piece
            pieces.append(self._decode(piece, final=self._ended))
            size -= len(piece)
        grown = len(pieces) > 2 or bool(pieces[1:] and pieces[-1])
        self._text, self._at = "".join(pieces), 0
        return grown

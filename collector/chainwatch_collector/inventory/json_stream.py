"""A JSON reply taken apart while it arrives: a record at a time, so that neither memory nor the interpreter's lock is
held for a whole one. A reply of 50,000 VDIs is 130 MB, and parsing that at once stops every other thread for a second.
"""

import codecs
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

Path = tuple[str, ...]
READ_BYTES: Final = 256 * 1024
_SPACE: Final = " \t\r\n"
_CLOSED: Final = frozenset('}]"')


class BrokenReplyError(Exception):
    """The reply ended early or is no JSON."""


def walk(read: Callable[[int], bytes], descend: frozenset[Path]) -> Iterator[tuple[Path, Any]]:
    """(path, value) of the document that `read(size)` gives in pieces, b"" at its end.

    Objects and lists whose path is in `descend` are taken apart, everything else comes whole; an item of a list has
    the path element `*`. Raises `BrokenReplyError`, and what `read` raises.
    """
    source = _Source(read)
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
    while True:
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

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
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

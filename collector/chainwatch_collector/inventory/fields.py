"""One XenAPI record, read field by field: every field optional, in any of the forms that XML-RPC and JSON-RPC use.

Integers come as numbers or strings, booleans as such, as 0 and 1 or as words, times in basic or extended ISO form or as
`xmlrpc.client.DateTime`, no reference as `OpaqueRef:NULL` or an empty string.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from sys import intern
from typing import Any, Final, TypeVar
from xmlrpc.client import DateTime

from chainwatch_collector.inventory.records import EMPTY, Ref

NO_REF: Final = frozenset({"", "NULL", "OpaqueRef:NULL", "Ref:NULL"})
T = TypeVar("T")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER: Final = "19700101T00:00:00Z"
_BOOLEANS: Final[Mapping[object, bool]] = {"true": True, "false": False, "1": True, "0": False, 1: True, 0: False}
_PAIR: Final = re.compile(r"\[?\s*(\d{1,9})\s*,\s*(\d{1,9})\s*\]?")


class InventoryError(Exception):
    """`class ref field: what it is; what it should be`."""


class Fields:
    """The record `ref` of `kind` (SR, VDI, ...). `strict`: nonsense raises `InventoryError`, else it is absent.

    A field that is missing or None gives the default, never an error.
    """

    __slots__ = ("_get", "kind", "ref", "strict")

    def __init__(self, kind: str, ref: Ref, raw: Mapping[str, Any], *, strict: bool = False) -> None:
        # The method itself: this is read some thirty times a record, and there are many records.
        self.kind, self.ref, self._get, self.strict = kind, ref, raw.get, strict

    def text(self, name: str, default: str = "") -> str:
        """A string; a number is one too."""
        value = self._get(name)
        if type(value) is str:
            return value
        if value is None:
            return default
        if isinstance(value, int | float):
            return str(value)
        return self._nonsense(name, value, "a string", default)

    def word(self, name: str, default: str = "") -> str:
        """A string of few values, shared in memory."""
        value = self._get(name)
        return intern(value if type(value) is str else self.text(name, default)) or default

    def integer(self, name: str, default: int = 0) -> int:
        """A number or its decimal digits."""
        value = self._get(name)
        if type(value) is int:
            return value
        if value is None or value == "":
            return default
        try:
            return int(value)
        except (TypeError, ValueError, OverflowError):
            return self._nonsense(name, value, "an integer", default)

    def number(self, name: str, default: float = 0.0) -> float:
        """A number or its digits."""
        value = self._get(name)
        if value is None or value == "":
            return default
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            return self._nonsense(name, value, "a number", default)

    def flag(self, name: str, default: bool = False) -> bool:
        """true or false."""
        value = self._get(name)
        if value is True or value is False:
            return value
        return self._flag(name, value, default)

    def optional_flag(self, name: str) -> bool | None:
        """true or false, None where this version has no such field."""
        return self.flag(name) if self._get(name) is not None else None

    def _flag(self, name: str, value: object, default: bool) -> bool:
        if value is None or value == "":
            return default
        key = value.lower() if isinstance(value, str) else value
        if isinstance(key, str | int) and key in _BOOLEANS:
            return _BOOLEANS[key]
        return self._nonsense(name, value, "true or false", default)

    def reference(self, name: str) -> Ref | None:
        """A reference, shared in memory; None for NULL."""
        value = self._get(name)
        if value is None:
            return None
        if type(value) is str or isinstance(value, str):
            return None if value in NO_REF else intern(value)
        return self._nonsense(name, value, "a reference", None)

    def time(self, name: str) -> datetime | None:
        """Aware UTC; None for the epoch, XenAPI's "never"."""
        value = self._get(name)
        if value is None or value == "" or value == 0 or value == _NEVER:
            return None
        at = parse_time(value)
        if at is None:
            return self._nonsense(name, value, "a time", None)
        return at if at > _EPOCH else None

    def texts(self, name: str) -> tuple[str, ...]:
        """A set of strings, in the order given, shared in memory."""
        value = self._get(name)
        if not value:
            return ()
        if isinstance(value, (list, tuple)):
            return tuple(intern(str(item)) for item in value)
        if isinstance(value, Mapping):  # current_operations is a map task -> operation
            return tuple(sorted(intern(str(item)) for item in value.values()))
        return self._nonsense(name, value, "a list", ())

    def map(self, name: str) -> Mapping[str, Any]:
        """A map of strings; the record's own, not a copy."""
        value = self._get(name)
        if not value:
            return EMPTY
        if type(value) is dict or isinstance(value, Mapping):
            return value
        return self._nonsense(name, value, "a map", EMPTY)

    def _nonsense(self, name: str, value: object, wanted: str, default: T) -> T:
        if self.strict:
            raise InventoryError(f"{self.kind} {self.ref} {name}: {_shown(value)} is not {wanted}")
        return default


def parse_time(value: object) -> datetime | None:
    """`20261125T10:00:00Z`, `2026-11-25T10:00:00Z`, with fractions or an offset, an epoch, or an XML-RPC DateTime."""
    if isinstance(value, DateTime):
        value = value.value
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        if not isinstance(value, str):
            return None
        at = datetime.fromisoformat(value.strip())
        if at.tzinfo is UTC:
            return at
        # XenAPI's times are UTC, also where the Z is missing.
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def parse_pair(value: object) -> tuple[int, int] | None:
    """`[current, maximum]`, as multipath and iSCSI counts are written."""
    found = _PAIR.fullmatch(value.strip()) if isinstance(value, str) else None
    return (int(found[1]), int(found[2])) if found else None


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."

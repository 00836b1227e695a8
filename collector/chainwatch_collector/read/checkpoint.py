"""A reader's state as bytes, so that the collector can store it beside its cursor and go on after a restart.

The bytes are this project's own and come back from its own database; still, loading builds nothing but the types of
`read` and plain values. A state of another grammar version is refused: then the evidence is read again.
"""

from __future__ import annotations

import io
import pickle
import zlib

from chainwatch_collector.read.reader import GRAMMAR_VERSION, HostReader

_MAGIC = b"CWR"
_MODULES = ("chainwatch_collector.read.",)
_PLAIN = frozenset(
    {
        ("datetime", "datetime"),
        ("datetime", "timezone"),
        ("datetime", "timedelta"),
        ("zoneinfo", "ZoneInfo"),
        ("zoneinfo", "ZoneInfo._unpickle"),
        ("builtins", "set"),
        ("builtins", "frozenset"),
        ("builtins", "getattr"),
        ("collections", "Counter"),
        ("copyreg", "_reconstructor"),
        ("builtins", "object"),
    }
)


class StateRefusedError(Exception):
    """The stored state is not one this grammar can go on from: read the host's evidence again."""


class _Loader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) == ("builtins", "getattr"):
            return _zone_method
        if (module, name) in _PLAIN or module.startswith(_MODULES):
            return super().find_class(module, name)
        raise StateRefusedError(f"the stored reader state names {module}.{name}, which is none of its own types")


def _zone_method(owner: object, name: str) -> object:
    """Zones pickle themselves as `getattr(ZoneInfo, "_unpickle")`; nothing else may be reached so."""
    from zoneinfo import ZoneInfo

    if owner is ZoneInfo and name == "_unpickle":
        return getattr(owner, name)
    raise StateRefusedError(f"the stored reader state reaches for {name}")


def dump(reader: HostReader) -> bytes:
    """The reader between two spans. Facts must have been taken."""
    return _MAGIC + GRAMMAR_VERSION.to_bytes(4, "big") + zlib.compress(pickle.dumps(reader, protocol=5), 1)


def load(data: bytes) -> HostReader:
    """The reader that `dump` gave; raises StateRefusedError for another version or a damaged state."""
    if data[:3] != _MAGIC or int.from_bytes(data[3:7], "big") != GRAMMAR_VERSION:
        raise StateRefusedError("the stored reader state is of another version of the grammar")
    try:
        reader = _Loader(io.BytesIO(zlib.decompress(data[7:]))).load()
    except (pickle.UnpicklingError, zlib.error, EOFError, AttributeError, IndexError, KeyError, TypeError) as error:
        raise StateRefusedError(f"the stored reader state is damaged: {error}") from error
    if not isinstance(reader, HostReader):
        raise StateRefusedError("the stored reader state holds no reader")
    return reader

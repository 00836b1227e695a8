"""A pool's state as bytes and back. An SR's log that did not change since is not written anew: a commit costs what
changed, however much is remembered of all the others.
"""

from __future__ import annotations

import io
import pickle
import zlib
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from chainwatch_collector.track.host_log import HostLog
from chainwatch_collector.track.since import Since
from chainwatch_collector.track.sr_log import SrLog

_DAMAGE: Final = (
    pickle.UnpicklingError,
    zlib.error,
    EOFError,
    AttributeError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)


class TrackerRefusedError(Exception):
    """The stored state is not one that this version can go on from: fold the pool's evidence again."""


class Kept(NamedTuple):
    """Everything of a tracker but the picture."""

    pool_uuid: str | None
    hosts: dict[str, HostLog]
    since: dict[str, Since]
    held: dict[str, datetime]


class _Packed(NamedTuple):
    version: int
    size_bytes: int
    data: bytes


@dataclass(slots=True)
class Packer:
    """One a tracker. An SR's log is known to have changed by its number in `HostLog.sr_versions`."""

    _srs: dict[tuple[str, str], _Packed] = field(default_factory=dict)

    def sizes(self, host: str, log: HostLog) -> dict[str, int]:
        """SR → bytes before they are compressed."""
        return {sr: self.size(host, log, sr) for sr in log.srs}

    def size(self, host: str, log: HostLog, sr: str) -> int:
        """Of one SR."""
        return self._packed(host, log, sr).size_bytes

    def pack(self, kept: Kept) -> bytes:
        """For the store."""
        rest = kept._replace(hosts={host: replace(log, srs={}) for host, log in kept.hosts.items()})
        packed = {(host, sr): self._packed(host, log, sr) for host, log in kept.hosts.items() for sr in log.srs}
        self._srs = packed
        srs = [(host, sr, one.data) for (host, sr), one in packed.items()]
        return pickle.dumps((zlib.compress(pickle.dumps(tuple(rest), protocol=5), 1), srs), protocol=5)

    def _packed(self, host: str, log: HostLog, sr: str) -> _Packed:
        version, known = log.sr_versions.get(sr, 0), self._srs.get((host, sr))
        if known is None or known.version != version:
            data = pickle.dumps(log.srs[sr], protocol=5)
            known = self._srs[host, sr] = _Packed(version, len(data), zlib.compress(data, 1))
        return known


def unpack(data: bytes) -> Kept:
    """What `pack` gave, or the whole in one piece as older collectors stored it; raises TrackerRefusedError."""
    try:
        if not data.startswith(b"\x80"):
            return Kept(*_load(zlib.decompress(data)))
        rest, srs = _load(data)
        kept = Kept(*_load(zlib.decompress(rest)))
        for host, sr, log in srs:
            kept.hosts[host].srs[sr] = _sr_log(_load(zlib.decompress(log)))
    except _DAMAGE as error:
        raise TrackerRefusedError(f"the stored pool state is damaged: {error}") from error
    return kept


def _sr_log(loaded: object) -> SrLog:
    if not isinstance(loaded, SrLog):
        raise TypeError(f"an SR's log is a {type(loaded).__name__}")
    return loaded


def _load(data: bytes) -> Any:
    return _Loader(io.BytesIO(data)).load()


_PLAIN = frozenset(
    {
        ("datetime", "datetime"),
        ("datetime", "timezone"),
        ("datetime", "timedelta"),
        ("builtins", "set"),
        ("builtins", "frozenset"),
    }
)
_MODULES = ("chainwatch_collector.read.", "chainwatch_collector.track.")


class _Loader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) in _PLAIN or module.startswith(_MODULES):
            return super().find_class(module, name)
        raise TrackerRefusedError(f"the stored pool state names {module}.{name}, which is none of its own types")

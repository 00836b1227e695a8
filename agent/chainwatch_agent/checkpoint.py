"""A hint kept between two runs: how far files were acknowledged, which file followed which. Losing it costs nothing.

The collector's positions win in every case. What only the checkpoint can tell is that nothing lay between a file that
has meanwhile been rotated away and the one that followed it.
"""

import hashlib
import io
import json
import os
from collections import OrderedDict
from typing import Optional, Tuple, TypeVar

from chainwatch_agent.identity import FileId

_T = TypeVar("_T")
_MAX_FILES = 256
_MAX_BYTES = 1024 * 1024


class Checkpoint:
    """`path` is the file; an empty one keeps everything in memory only."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._saved = b""
        # file → (end, fingerprint of the next one)
        self._followed_by: "OrderedDict[FileId, Tuple[int, bytes]]" = OrderedDict()
        self._acked: "OrderedDict[FileId, int]" = OrderedDict()

    def load(self) -> str:
        """Read it. Returns what is wrong with it, empty where nothing is; it then begins empty."""
        if not self._path:
            return ""
        try:
            with io.open(self._path, "rb") as stream:
                raw = stream.read(_MAX_BYTES)
        except FileNotFoundError:
            return ""
        except OSError as error:
            return "{}: {}".format(self._path, error.strerror or error)
        try:
            self._parse(raw)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            self._followed_by.clear()
            self._acked.clear()
            return "{}: damaged ({}), begun anew".format(self._path, error)
        return ""

    def _parse(self, raw: bytes) -> None:
        digest, _, body = raw.partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode("ascii") != digest:
            raise ValueError("its checksum does not fit")
        found = json.loads(body.decode("utf-8"))
        for fingerprint, salt, end, following in found["followed_by"][-_MAX_FILES:]:
            file = FileId(bytes.fromhex(fingerprint), int(salt))
            self._followed_by[file] = (int(end), bytes.fromhex(following))
        for fingerprint, salt, to_offset in found["acked"][-_MAX_FILES:]:
            self._acked[FileId(bytes.fromhex(fingerprint), int(salt))] = int(to_offset)
        self._saved = raw

    def retired(self, file: FileId, end: int, following: bytes) -> None:
        """`file` was read to its `end`, and the file of fingerprint `following` came next."""
        _put(self._followed_by, file, (end, following))

    def acked(self, file: FileId, to_offset: int) -> None:
        """The collector has committed so much."""
        _put(self._acked, file, to_offset)

    def following(self, file: FileId) -> Optional[Tuple[int, bytes]]:
        """Where a file ended and the fingerprint of the one that came next; None where that is not known."""
        return self._followed_by.get(file)

    def save(self) -> None:
        """Write it where it changed, all or nothing. Raises `OSError`."""
        state = {
            "followed_by": [[f.fingerprint.hex(), f.salt, end, n.hex()] for f, (end, n) in self._followed_by.items()],
            "acked": [[file.fingerprint.hex(), file.salt, offset] for file, offset in self._acked.items()],
        }
        body = json.dumps(state, sort_keys=True).encode("utf-8")
        raw = hashlib.sha256(body).hexdigest().encode("ascii") + b"\n" + body
        if not self._path or raw == self._saved:
            return
        directory = os.path.dirname(self._path)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        temporary = self._path + ".new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with io.open(descriptor, "wb") as stream:
            stream.write(raw)
        os.rename(temporary, self._path)
        self._saved = raw


def _put(into: "OrderedDict[FileId, _T]", file: FileId, value: _T) -> None:
    into.pop(file, None)
    into[file] = value
    while len(into) > _MAX_FILES:
        del into[next(iter(into))]

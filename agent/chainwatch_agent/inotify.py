"""The kernel tells when a log grows or is rotated (inotify through ctypes); where it does not, polling has to do.

Only the followed logs and their directories are watched, all of them below /var/log: never an SR.
"""

import ctypes
import os
import struct
from typing import Dict, Iterable, List, Optional

_IN_MODIFY = 0x2
_IN_MOVED = 0xC0
_IN_CREATE = 0x100
_IN_DELETE = 0x200
_IN_Q_OVERFLOW = 0x4000
_IN_ONLYDIR = 0x01000000
_IN_DONT_FOLLOW = 0x02000000
_EVENT = struct.Struct("iIII")
_CLOEXEC_NONBLOCK = os.O_CLOEXEC | os.O_NONBLOCK


class LogEvents:
    """Readable (`fileno`) when one of `paths` may have changed. Raises `OSError` where the kernel has no inotify."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = self._libc.inotify_init1(_CLOEXEC_NONBLOCK)
        if self._fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self._paths = list(paths)
        self._names = {os.fsencode(os.path.basename(path)) for path in self._paths}
        self._directories: Dict[int, str] = {}
        self._files: Dict[int, str] = {}
        self._watch_all()

    def fileno(self) -> int:
        """For the event loop."""
        return self._fd

    def read(self) -> bool:
        """Take all events; True where a followed log may have changed."""
        changed = renamed = False
        for watch, mask, name in self._events():
            if mask & _IN_Q_OVERFLOW or watch in self._files:
                changed = True
            elif watch in self._directories and name in self._names:
                changed = renamed = True
        if renamed:
            self._watch_all()
        return changed

    def close(self) -> None:
        """Let go of it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _events(self) -> "List[tuple[int, int, bytes]]":
        try:
            data = os.read(self._fd, 64 * 1024)
        except BlockingIOError:
            return []
        events, at = [], 0
        while at + _EVENT.size <= len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size
            events.append((watch, mask, data[at : at + length].rstrip(b"\0")))
            at += length
        return events

    def _watch_all(self) -> None:
        """A path that is another file now is watched anew; what was renamed stays watched until its file is gone."""
        for directory in {os.path.dirname(path) for path in self._paths}:
            watch = self._add(directory, _IN_MOVED | _IN_CREATE | _IN_DELETE | _IN_ONLYDIR)
            if watch is not None:
                self._directories[watch] = directory
        for path in self._paths:
            watch = self._add(path, _IN_MODIFY | _IN_DONT_FOLLOW)
            if watch is not None:
                self._files[watch] = path

    def _add(self, path: str, mask: int) -> Optional[int]:
        watch = self._libc.inotify_add_watch(self._fd, os.fsencode(path), ctypes.c_uint32(mask))
        return watch if watch >= 0 else None


def log_events(paths: Iterable[str]) -> Optional[LogEvents]:
    """None where the kernel has no inotify to give."""
    try:
        return LogEvents(paths)
    except (OSError, AttributeError):
        return None

"""The bytes of one file, plain or gzip, by uncompressed offset. The only place where a log file is opened."""

import errno
import os
import zlib
from typing import Optional, Tuple, Union

from chainwatch_agent.unreadable import kind_of

_CHUNK = 64 * 1024
# No symbolic link: it could lead into an SR. Not blocking: a pipe that comes under a log's name would hold the agent.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
# A reader goes back by a partial line and by the bytes that prove a position.
_BACK = 128 * 1024
_GZIP_WINDOW = 31  # zlib: expect a gzip header and trailer


class DamagedError(Exception):
    """A gzip that cannot be read further; the message says why."""


class _OpenFile:
    """What the descriptor alone tells, packed or not."""

    def __init__(self, path: str) -> None:
        # To open a pipe or a device does something to it.
        _refuse_what_is_no_file(os.lstat(path).st_mode, path)
        self._fd = os.open(path, _FLAGS)
        status = os.fstat(self._fd)
        try:
            _refuse_what_is_no_file(status.st_mode, path)
        except OSError:
            os.close(self._fd)
            raise
        self.inode = (status.st_dev, status.st_ino)

    def state(self) -> Tuple[int, int]:
        """(bytes on disk, mtime in ns): another one as soon as somebody writes to it."""
        status = os.fstat(self._fd)
        return (status.st_size, status.st_mtime_ns)

    def mtime_us(self) -> int:
        """When the log was written to last; gzip keeps the time of the log it packed."""
        return os.fstat(self._fd).st_mtime_ns // 1000

    def linked(self) -> bool:
        """Whether any name still leads to it."""
        return os.fstat(self._fd).st_nlink > 0

    def close(self) -> None:
        """Let go of it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _refuse_what_is_no_file(mode: int, path: str) -> None:
    kind = kind_of(mode)
    if kind:
        raise OSError(errno.EINVAL, "{}, not a file".format(kind), path)


class PlainSource(_OpenFile):
    """An open plain file. It survives rename and unlink; `read_at` never moves a shared position."""

    compressed = False
    # Reading ends here as if the file did.
    limit: Optional[int] = None

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes, fewer only at the end."""
        parts = []
        if self.limit is not None:
            size = min(size, self.limit - offset)
        while size > 0:
            part = os.pread(self._fd, size, offset)
            if not part:
                break
            parts.append(part)
            size -= len(part)
            offset += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readable_to(self, offset: int) -> int:
        """How far one read comes from there: up to the block that fails. Raises `OSError` where it is that one."""
        return offset + len(os.pread(self._fd, _CHUNK, offset))

    def size(self) -> int:
        """Bytes now."""
        return os.fstat(self._fd).st_size


class GzipSource(_OpenFile):
    """A rotated file, read forwards once: going back starts over. Memory is one chunk, whatever the file."""

    compressed = True

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._rewind()

    def _rewind(self) -> None:
        os.lseek(self._fd, 0, os.SEEK_SET)
        self._unpack = zlib.decompressobj(_GZIP_WINDOW)
        self._packed = b""
        self._kept = b""
        self._kept_from = 0
        self._ended = False

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes, fewer only at the end. Raises `DamagedError`."""
        if offset < self._kept_from:
            self._rewind()
        while self._kept_from + len(self._kept) < offset + size and self._fill(offset):
            pass
        begin = offset - self._kept_from
        return self._kept[begin : begin + size]

    def _fill(self, wanted: int) -> bool:
        """Unpack one chunk more, forgetting what lies well before `wanted`; False at the end."""
        while not self._ended:
            if not self._packed:
                self._packed = os.read(self._fd, _CHUNK)
            if self._unpack.eof:
                # Several members, or zeros that pad the last one.
                self._packed = self._packed.lstrip(b"\0")
                if self._packed:
                    self._unpack = zlib.decompressobj(_GZIP_WINDOW)
            if not self._packed:
                if not self._unpack.eof:
                    raise DamagedError("the gzip ends in the middle")
                self._ended = True
                break
            try:
                more = self._unpack.decompress(self._packed, _CHUNK)
            except zlib.error as error:
                raise DamagedError("damaged gzip: {}".format(error)) from None
            self._packed = self._unpack.unused_data if self._unpack.eof else self._unpack.unconsumed_tail
            if more:
                drop = max(0, min(wanted - _BACK - self._kept_from, len(self._kept)))
                self._kept = self._kept[drop:] + more
                self._kept_from += drop
                return True
        return False

    def size(self) -> int:
        """Uncompressed bytes as the trailer says: right below 4 GiB for a file of one member."""
        length = os.fstat(self._fd).st_size
        if length < 18:
            return 0
        return int.from_bytes(os.pread(self._fd, 4, length - 4), "little")


Source = Union[PlainSource, GzipSource]


def open_source(path: str) -> Source:
    """The file at `path`; a name that ends in .gz is unpacked. Raises `OSError`."""
    return GzipSource(path) if path.endswith(".gz") else PlainSource(path)

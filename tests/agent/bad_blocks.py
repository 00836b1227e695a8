"""A disk that fails: reading some bytes of some files gives EIO, as the kernel gives it."""

import errno
import os
from typing import Dict, Tuple


class BadBlocks:
    """`ranges`: inode to the bytes of it that cannot be read. Stands in for `os.pread` and `os.read`."""

    def __init__(self) -> None:
        self.ranges: Dict[int, Tuple[int, int]] = {}
        self._pread = os.pread
        self._read = os.read

    def read(self, descriptor: int, size: int) -> bytes:
        """As `pread`, where the file stands."""
        if os.fstat(descriptor).st_ino not in self.ranges:
            return self._read(descriptor, size)
        data = self.pread(descriptor, size, os.lseek(descriptor, 0, os.SEEK_CUR))
        os.lseek(descriptor, len(data), os.SEEK_CUR)
        return data

    def pread(self, descriptor: int, size: int, offset: int) -> bytes:
        """Up to the bytes that fail; where they are the first, as the kernel says it."""
        begin, end = self.ranges.get(os.fstat(descriptor).st_ino, (0, 0))
        if offset < end and offset + size > begin:
            if offset >= begin:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            size = begin - offset
        return self._pread(descriptor, size, offset)

"""A disk that fails: reading some bytes of some files gives EIO, as the kernel gives it."""

import errno
import os
from typing import Dict, Tuple


class BadBlocks:
    """`ranges`: inode to the bytes of it that cannot be read. `pread` stands in for `os.pread`."""

    def __init__(self) -> None:
        self.ranges: Dict[int, Tuple[int, int]] = {}
        self._pread = os.pread

    def pread(self, descriptor: int, size: int, offset: int) -> bytes:
        """Up to the bytes that fail; where they are the first, as the kernel says it."""
        begin, end = self.ranges.get(os.fstat(descriptor).st_ino, (0, 0))
        if offset < end and offset + size > begin:
            if offset >= begin:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            size = begin - offset
        return self._pread(descriptor, size, offset)

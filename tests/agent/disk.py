"""/var/log of a dom0 that is written and rotated in every form; remembers every line and which of them are gone."""

import gzip
import os
from pathlib import Path
from typing import List, Set


class Disk:
    """Lines of ident SMGC, numbered. `lost` are those no file holds any more."""

    def __init__(self, directory: Path, keep: int = 4) -> None:
        self.directory = directory
        self.live = directory / "SMlog"
        self.keep = keep
        self.number = 0
        self.lost: Set[int] = set()
        self.never_whole: Set[int] = set()
        self._partial = b""
        self._at_ns = 1764086400 * 10**9
        self.live.write_bytes(b"")

    @staticmethod
    def line(number: int) -> bytes:
        return b"Nov 25 16:00:00 xcp-1 SMGC: [4711] line %07d\n" % number

    def touch(self) -> None:
        """Every change has a time of its own, however fast the test is."""
        self._at_ns += 1000000
        if self.live.exists():
            os.utime(str(self.live), ns=(self._at_ns, self._at_ns))

    def next_line(self) -> bytes:
        self.number += 1
        return self.line(self.number)

    def write(self, lines: int, path: "Path | None" = None) -> None:
        """Whole lines at the end of the live file, or of another."""
        data = self._partial if path is None else b""
        if path is None:
            self._partial = b""
        data += b"".join(self.next_line() for _ in range(lines))
        with (path or self.live).open("ab") as stream:
            stream.write(data)
        self.touch()

    def write_partial(self) -> None:
        """A line without its end, as a flushed buffer leaves it."""
        if self._partial:
            self.write(0)
        line = self.next_line()
        cut = 1 + self.number % (len(line) - 2)
        with self.live.open("ab") as stream:
            stream.write(line[:cut])
        self._partial = line[cut:]
        self.touch()

    def rotate(self, late_lines: int = 0) -> None:
        """Rename and create; what is written before the HUP goes to the renamed file."""
        for number in sorted(self.rotated(), reverse=True):
            for suffix in ("", ".gz"):
                old = self.directory / "SMlog.{}{}".format(number, suffix)
                if old.exists():
                    old.rename(self.directory / "SMlog.{}{}".format(number + 1, suffix))
        renamed = self.directory / "SMlog.1"
        self.live.rename(renamed)
        self.live.write_bytes(b"")
        if self._partial or late_lines:
            # The logger still has the old file open: its buffer goes there.
            data, self._partial = self._partial, b""
            with renamed.open("ab") as stream:
                stream.write(data + b"".join(self.next_line() for _ in range(late_lines)))
        for number in self.rotated():
            if number > self.keep:
                self.remove(number)

    def compress(self) -> None:
        """Every rotated file but the newest becomes a .gz."""
        for number in self.rotated():
            path = self.directory / "SMlog.{}".format(number)
            if number > 1 and path.exists():
                with gzip.open(str(path) + ".gz", "wb") as stream:
                    stream.write(path.read_bytes())
                path.unlink()

    def remove(self, number: int) -> None:
        """A rotated file is gone, and its lines with it."""
        for suffix in ("", ".gz"):
            path = self.directory / "SMlog.{}{}".format(number, suffix)
            if path.exists():
                self.lost |= self._lines_in(path)
                path.unlink()

    def truncate(self) -> None:
        """The live file is cut to nothing."""
        self.lost |= self._lines_in(self.live)
        self._drop_partial()
        os.truncate(str(self.live), 0)
        self.touch()

    def copytruncate(self) -> None:
        """Copied to .1 and cut to nothing."""
        self.write(0)
        for number in sorted(self.rotated(), reverse=True):
            for suffix in ("", ".gz"):
                old = self.directory / "SMlog.{}{}".format(number, suffix)
                if old.exists():
                    old.rename(self.directory / "SMlog.{}{}".format(number + 1, suffix))
        (self.directory / "SMlog.1").write_bytes(self.live.read_bytes())
        os.truncate(str(self.live), 0)
        self.touch()
        for number in self.rotated():
            if number > self.keep:
                self.remove(number)

    def _drop_partial(self) -> None:
        if self._partial:
            self.lost.add(self.number)
            self.never_whole.add(self.number)
            self._partial = b""

    def finish(self) -> None:
        """The last line gets its end."""
        self.write(1)

    def rotated(self) -> List[int]:
        """Numbers of the rotated files."""
        return sorted({int(path.name.split(".")[1]) for path in self.directory.glob("SMlog.*")})

    @staticmethod
    def _lines_in(path: Path) -> Set[int]:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return {int(line[-7:]) for line in data.split(b"\n") if line[-7:].isdigit()}


def numbers(lines: List[bytes]) -> List[int]:
    """The numbers of stored lines."""
    return [int(line[-7:]) for line in lines]

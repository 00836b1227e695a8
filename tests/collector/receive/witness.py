"""What stood on a dom0's disk: every generation of its log with all bytes that it ever held, and what is left."""

from __future__ import annotations

import gzip
from pathlib import Path

from agent.disk import Disk
from lab.generations import Generation, name_of


class WitnessedDisk(Disk):
    """A disk whose every change is looked at; each first line is written once, so that it names its generation."""

    def __init__(self, directory: Path, keep: int = 4) -> None:
        self.generations: dict[bytes, Generation] = {}
        super().__init__(directory, keep)

    @staticmethod
    def line(number: int) -> bytes:
        """Three of four are selected; their length varies."""
        if number % 4 == 3:
            return b"Nov 25 16:00:00 xcp-1 SM: [4711] lock: released %s %07d\n" % (b"/" * (number % 23), number)
        return b"Nov 25 16:00:00 xcp-1 SMGC: [4711] line %s %07d\n" % (b"." * (number % 11), number)

    def write_late(self, lines: int) -> None:
        """Into the file that was renamed last, as long as it is a plain one."""
        renamed = self.directory / "SMlog.1"
        if renamed.exists():
            self.look()
            finished = self.generations.get(name_of(renamed.read_bytes()))
            if finished is not None and self.live_has_begun():
                finished.late_from = min(finished.late_from, len(finished.content))
            self.write(lines, renamed)

    def live_has_begun(self) -> bool:
        """Whether the live file has its name."""
        return bool(name_of(self.live.read_bytes()))

    def truncate(self) -> None:
        self._look_at_what_is_cut()
        super().truncate()

    def copytruncate(self) -> None:
        self.write(0)
        self._look_at_what_is_cut()
        super().copytruncate()

    def _look_at_what_is_cut(self) -> None:
        self.look()
        live = self.generations.get(name_of(self.live.read_bytes()))
        if live is not None:
            live.cut = True

    def remove(self, number: int) -> None:
        self.look()
        super().remove(number)

    def look(self) -> None:
        """Remember what the files hold now, and which generations some file holds."""
        for known in self.generations.values():
            known.present = False
        for path in self.paths():
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            name = name_of(content)
            if name:
                known = self.generations.setdefault(name, Generation(len(self.generations), b""))
                known.content = max(known.content, content, key=len)
                known.present = True

    def paths(self) -> list[Path]:
        """Oldest first."""
        rotated = sorted(self.directory.glob("SMlog.*"), key=lambda path: -int(path.name.split(".")[1]))
        return [*rotated, self.live]

"""A log that is written and rotated in a form for each of its rotations, and what stood in every generation of it."""

from __future__ import annotations

import enum
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lab.dom0.rsyslog import Rsyslog
from lab.generations import Generation, name_of

SR_UUID = "413c9052-5f70-4775-811c-741aa8558a69"
_BLOCKS = 60
_OUTAGE_ROTATIONS = 3


class Form(enum.Enum):
    """How a rotation is done."""

    RENAME = "renamed, the HUP comes late"
    OUTAGE = "renamed and packed several times while the collector is down"
    LOSS = "the same, and logrotate keeps one of them"
    COPYTRUNCATE = "copied and emptied"
    TRUNCATE = "emptied"


class ChaosLog:
    """About `total_bytes` of lines, one in eight selected, rotated in `forms` at places that `chance` decides.

    `outage` stops the collector, calls what it is given and starts it again.
    """

    def __init__(
        self, path: Path, chance: random.Random, total_bytes: int, outage: Callable[[Callable[[], None]], None]
    ) -> None:
        self.generations: dict[bytes, Generation] = {}
        self.forms = [chance.choice(list(Form)) for _ in range(2)]
        self._chance = chance
        self._total_bytes = total_bytes
        self._outage = outage
        self._log = Rsyslog(path, "xcp-1")
        self._number = 0

    @property
    def loses(self) -> bool:
        """Whether bytes go that no file holds any more."""
        return bool({Form.LOSS, Form.TRUNCATE} & set(self.forms))

    @property
    def last(self) -> tuple[bytes, Generation]:
        """The newest generation and its name, when all is written."""
        return max(self.generations.items(), key=lambda item: item[1].index)

    def begin(self) -> bytes:
        """A first block; the name of the file that it is in."""
        self._write(self._total_bytes // _BLOCKS)
        self._log.flush()
        return name_of(self._log.path.read_bytes())

    def write(self) -> None:
        """All of it."""
        places = sorted(self._chance.randrange(_BLOCKS // 10, _BLOCKS - 3) for _ in self.forms)
        size = self._total_bytes // _BLOCKS
        for block in range(_BLOCKS):
            self._write(size)
            for place, form in zip(places, self.forms, strict=True):
                if place == block:
                    self._rotate(form)
            time.sleep(self._chance.uniform(0.0, 0.03))
        self._log.flush()
        self._remember(self._log.path)

    def close(self) -> None:
        """Let go of the file."""
        self._log.close()

    def _write(self, size: int) -> None:
        self._log.block(list(self._texts(size)))

    def _texts(self, size: int) -> Iterator[str]:
        while size > 0:
            self._number += 1
            number = self._number
            text = f"SM: [{number}] lock: opening lock file /var/lock/sm/{SR_UUID}/sr " + "." * (number * 7 % 160)
            if number % 8 == 0:
                text = f"SMGC: [{number}] {number:08x}-0000-4000-8000-000000000001 is coalescable"
            size -= len(text) + 22
            yield text

    def _rotate(self, form: Form) -> None:
        if form is Form.RENAME:
            self._rename()
        elif form is Form.COPYTRUNCATE:
            self._empty(copied=True)
        elif form is Form.TRUNCATE:
            self._empty(copied=False)
        else:
            self._outage(lambda: self._rename_often(form))

    def _rename(self) -> None:
        self._log.rename()
        time.sleep(self._chance.uniform(0.0, 0.1))
        self._log.hup()
        self._remember(self._log.path.with_name("SMlog.1"))

    def _rename_often(self, form: Form) -> None:
        for _ in range(_OUTAGE_ROTATIONS):
            self._rename()
            self._write(self._total_bytes // _BLOCKS)
            self._log.flush()
        if form is Form.LOSS:
            for path in self._log.path.parent.glob("SMlog.*.gz"):
                path.unlink()
            kept = name_of(self._log.path.with_name("SMlog.1").read_bytes())
            for name, generation in self.generations.items():
                generation.present = name == kept

    def _empty(self, copied: bool) -> None:
        self._log.flush()
        generation = self._remember(self._log.path)
        if copied:
            self._log.shift()
            shutil.copyfile(self._log.path, self._log.path.with_name("SMlog.1"))
        generation.cut, generation.present = True, copied
        os.truncate(self._log.path, 0)

    def _remember(self, path: Path) -> Generation:
        content = path.read_bytes()
        generation = self.generations.setdefault(name_of(content), Generation(len(self.generations), b""))
        generation.content = content
        return generation

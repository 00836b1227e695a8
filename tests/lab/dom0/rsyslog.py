"""dom0's rsyslog and logrotate as they behave towards a reader of SMlog (smlog.md 1.2, 1.4; corpora surprises 1, 15).

Lines are stamped on reception; written in blocks of 4,096 bytes, so that a reader meets half lines; cut at 8 KiB
without a mark; equal consecutive ones are reduced. Rotation renames, creates the new file later, and goes on writing to
the old inode until the HUP.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from lab.dom0.steps import Say

BUFFER_BYTES = 4096
LINE_BYTES = 8192


class Rsyslog:
    """Writes one log. `block_bytes` 0 writes every line at once. Close it."""

    def __init__(self, path: Path, host: str = "xcp-lab1", block_bytes: int = BUFFER_BYTES, keep: int = 31) -> None:
        self.path = path
        self._host = host
        self._block_bytes = block_bytes
        self._keep = keep
        self._pending = b""
        self._last = ("", 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream: IO[bytes] = path.open("ab", buffering=0)

    def __enter__(self) -> Rsyslog:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def say(self, step: Say, at: datetime | None = None) -> None:
        """A message of SM: each of its pieces is a line."""
        for piece in step.text.split("\n"):
            self.line(f"{step.ident}: [{step.pid}] {piece}", at)

    def line(self, text: str, at: datetime | None = None) -> None:
        """One message as rsyslog got it; equal ones after the first wait for another."""
        last, repeats = self._last
        if text == last:
            self._last = (last, repeats + 1)
            return
        self._flush_repeats(at)
        self._last = (text, 0)
        self._write(text, at)

    def _flush_repeats(self, at: datetime | None) -> None:
        last, repeats = self._last
        if repeats == 1:
            self._write(last, at)
        elif repeats:
            ident, _, message = last.partition(": ")
            self._write(f"{ident}: message repeated {repeats} times: [ {message}]", at)

    def _write(self, text: str, at: datetime | None) -> None:
        now = at or datetime.now(UTC)
        line = f"{now:%b} {now.day:2d} {now:%H:%M:%S} {self._host} {text}".encode()[: LINE_BYTES - 1] + b"\n"
        self._pending += line
        while len(self._pending) >= max(1, self._block_bytes):
            size = self._block_bytes or len(self._pending)
            self._stream.write(self._pending[:size])
            self._pending = self._pending[size:]

    def block(self, texts: Sequence[str], at: datetime | None = None) -> None:
        """Many messages of one second, none equal to its neighbour: for volume."""
        now = at or datetime.now(UTC)
        stamp = f"{now:%b} {now.day:2d} {now:%H:%M:%S} {self._host} "
        self._pending += "".join(f"{stamp}{text}\n" for text in texts).encode()
        size = len(self._pending) - len(self._pending) % max(1, self._block_bytes)
        self._stream.write(self._pending[:size])
        self._pending = self._pending[size:]

    def flush(self) -> None:
        """What rsyslog does when its queue is empty."""
        self._stream.write(self._pending)
        self._pending = b""

    def rename(self) -> None:
        """logrotate's first half: `.1` becomes `.2.gz`, the log becomes `.1`. Lines still go into the old inode."""
        self.shift()
        if self.path.exists():
            self.path.replace(self._numbered(1))

    def shift(self) -> None:
        """Every rotated file gets the next number; `.1` is packed and its name is free."""
        for number in range(self._keep, 1, -1):
            older = self._numbered(number, packed=True)
            if older.exists():
                older.replace(self._numbered(number + 1, packed=True))
        first = self._numbered(1)
        if first.exists():
            with first.open("rb") as source, gzip.open(self._numbered(2, packed=True), "wb", 1) as target:
                shutil.copyfileobj(source, target)
            first.unlink()
        self._numbered(self._keep + 1, packed=True).unlink(missing_ok=True)

    def hup(self) -> None:
        """Its second half: the new file, and rsyslog turns to it."""
        self.flush()
        self._stream.close()
        self._stream = self.path.open("ab", buffering=0)

    def rotate(self) -> None:
        """Both halves at once."""
        self.rename()
        self.hup()

    def _numbered(self, number: int, packed: bool = False) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}{'.gz' if packed else ''}")

    def close(self) -> None:
        """Write what waits and let go."""
        self._flush_repeats(None)
        self._last = ("", 0)
        self.flush()
        self._stream.close()

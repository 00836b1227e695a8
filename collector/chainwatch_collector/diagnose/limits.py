"""Limits against hostile or broken input: archives that unpack to anything, lines without an end."""

from __future__ import annotations

from dataclasses import dataclass

from chainwatch_collector.diagnose.errors import DiagnoseError

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What one diagnosis may read. Bytes are uncompressed."""

    total_bytes: int = 16 << 30
    file_bytes: int = 4 << 30
    members: int = 200_000
    logs: int = 4_000
    line_bytes: int = 64 << 10
    # Logs shrink to a tenth; what shrinks to a thousandth is a bomb. Asked only beyond `ratio_from_bytes`.
    ratio: int = 250
    ratio_from_bytes: int = 64 * MIB
    depth: int = 3


class Budget:
    """Counts what has been read against the limits."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._total = 0

    def spend(self, where: str, size: int, so_far: int, compressed: int | None) -> None:
        """`size` more bytes of `where`, `so_far` with these; raises DiagnoseError beyond a limit."""
        self._total += size
        if self._total > self.limits.total_bytes:
            raise DiagnoseError(f"{where}: more than {self.limits.total_bytes >> 30} GiB of logs in all", _FEWER)
        if so_far > self.limits.file_bytes:
            raise DiagnoseError(f"{where}: more than {self.limits.file_bytes >> 30} GiB uncompressed", _FEWER)
        if compressed:
            self.compare(where, so_far, compressed)

    def compare(self, where: str, unpacked: int, packed: int) -> None:
        """What `packed` bytes become when unpacked, looked at or not; raises DiagnoseError where no log does that."""
        if unpacked > max(self.limits.ratio_from_bytes, packed * self.limits.ratio):
            raise DiagnoseError(
                f"{where}: unpacks to more than {self.limits.ratio} times its size, no log does",
                "Check where the file is from; it may be an archive bomb.",
            )


_FEWER = "Give fewer files, or only the newest rotations."

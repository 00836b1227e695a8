"""How much a reader remembers of one host, whatever the lines are: a dom0 that was taken over may log what it likes.

Far above what SM and its GC print in good faith. Beyond a bound what was met longest ago is forgotten: its facts are
out already, and what depends on it is then not known, as behind a gap.
"""

from __future__ import annotations

from typing import Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")

OPEN_RUNS: Final = 512
"""Runs without an end. Honest ones are a few for each SR at most: SM locks the SR's GC."""
OPEN_BLOCKS: Final = 128
BLOCK_LINES: Final = 400_000
"""Of all open blocks together; a scan of 50,000 VDIs prints as many lines, in one or two blocks."""
MERGES: Final = 1_000
"""Of one run, in a live reader; every one of them was told as it began and ended."""
MERGES_IN_ALL: Final = 20_000
FEW_MERGES: Final = 10
TREE_NODES: Final = 400_000
NAMES: Final = 60_000
PIDS: Final = 4_096
IMAGES: Final = 10_000
SEEN: Final = 50_000
"""Of one run and kind: what was said already and is not said again."""
LOGS: Final = 256


def put(table: dict[K, V], key: K, value: V, most: int) -> None:
    """Set a key; what was set first goes where that makes more than `most`."""
    table[key] = value
    if len(table) > most:
        del table[next(iter(table))]


def first_time(seen: set[K], key: K, most: int = SEEN) -> bool:
    """Whether the key is new to the set, which begins anew when it is full; it is in there now."""
    if key in seen:
        return False
    if len(seen) >= most:
        seen.clear()
    seen.add(key)
    return True

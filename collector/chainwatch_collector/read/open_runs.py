"""What the reader remembers of runs that are going on: the run, its merge, the signs seen, the pids tied to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from chainwatch_collector.read.runs import Merge, Run
from chainwatch_collector.read.words import Cause, CrashReason, LineRef, MergeKind, TreeNode


class Hint(NamedTuple):
    """A line that speaks of a merge's cause. `strength`: the tool (3) beats the child (2) beats the parent (1)."""

    cause: Cause
    strength: int
    detail: str
    ref: LineRef
    vdis: tuple[str, ...] = ()


_MOST_HINTS = 100


def strength_of(hint: Hint) -> tuple[bool, int]:
    """A cause that is known beats every one that is not."""
    return hint.cause != "unknown", hint.strength


@dataclass(slots=True)
class OpenMerge:
    """A merge that has started. `copying` is the image now being copied: the leaf, or an internal snapshot."""

    merge: Merge
    hints: list[Hint] = field(default_factory=list)
    copying: str | None = None
    copied: bool = False
    replayed: bool = False
    relinked: bool = False
    failed: bool = False
    raced: bool = False
    gave_up: str = ""
    iterations: int = 0
    children: set[int] = field(default_factory=set)

    def note(self, hint: Hint) -> None:
        """A line speaks of the cause. The first of the strongest is what counts in the end."""
        self.hints.append(hint)
        if len(self.hints) > _MOST_HINTS:
            self.hints = [max(self.hints, key=strength_of)]


@dataclass(slots=True)
class OpenRun:
    """A run without an end, or one whose end may still be corrected (`ended`). `number`: the how many-th it is."""

    run: Run
    number: int = 0
    merge: OpenMerge | None = None
    worker: int | None = None
    intermediate: int | None = None
    # It printed something that only a holder of the lock prints, or that tells how it ends.
    works: bool = False
    any_work: bool = False
    clean: bool = False
    superseded: bool = False
    disabled: bool = False
    detached: bool = False
    coalesce_off: bool = False
    leaf_off: bool = False
    # This host was not the one to run it (not the master, not attached): benign.
    not_here: bool = False
    abort_seen: LineRef | None = None
    terminated: bool = False
    aborted: bool = False
    refused: bool = False
    something_failed: bool = False
    tree_seen: bool = False
    forest: dict[str, tuple[TreeNode, ...]] = field(default_factory=dict)
    forest_nodes: int = 0
    scan_attempts: int = 0
    error_ref: LineRef | None = None
    reason: CrashReason | None = None
    error: str = ""
    waits_for_xapi: bool = False
    journal_vdi: str | None = None
    refusals: set[tuple[MergeKind, str, str]] = field(default_factory=set)
    candidates: set[tuple[MergeKind, str]] = field(default_factory=set)
    skipped: set[tuple[str, str]] = field(default_factory=set)
    ended: bool = False
    # The merge that the run's end closed: a later line may correct both (G18 after G17).
    last_merge: OpenMerge | None = None
    merge_at_end: bool = False
    planned_deletion: bool = False
    lines: int = 0


@dataclass(slots=True)
class Process:
    """What is known of a pid: the driver call it serves, its last command, what it raised."""

    pid: int
    sr: str | None = None
    call: str | None = None
    vdi: str | None = None
    command: str | None = None
    raised: tuple[int, str, LineRef] | None = None
    need_bytes: int | None = None
    free_bytes: int | None = None
    bad_vdis: tuple[str, ...] = ()
    kicked_for: str | None = None
    # The last image check: its return code, and the first thing the tool said.
    check_code: int | None = None
    check_text: str = ""
    reported: str | None = None
    scan_failed: bool = False

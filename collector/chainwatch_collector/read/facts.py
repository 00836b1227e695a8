"""What crosses the border of `read`: the lines that go in and the facts that come out.

A fact is frozen, past tense, and proved by its `ref`. Names of things are as far as the log itself proves them:
`sr` is the full uuid or the 4 hex digits of a tree header, a VDI is its full uuid or the 8 characters SM prints
(`OLD_xxxx` for a renamed old leaf). Whoever has an inventory resolves prefixes; this package never does.
Message ids (G5, C7, …) are those of the SMlog catalogue and stand beside the rules in `grammar.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chainwatch_collector.read.storage_facts import (
    ActivationWaited,
    CoverageLost,
    HostAsked,
    LockWaited,
    ParentMissing,
    ScanFailed,
    ScanSucceeded,
    SmCommandStarted,
    SmErrorRaised,
    SpaceShort,
    StorageSlow,
    SystemLogged,
    TapdiskPaused,
    TapdiskUnpaused,
    TapdiskUnpauseFailed,
    VdiCorrupt,
)
from chainwatch_collector.read.words import (
    AnyLine,
    Cause,
    CrashReason,
    Fact,
    Line,
    LineRef,
    MergeKind,
    MergeOutcome,
    RunKey,
    RunOutcome,
    Step,
    Switch,
    TreeNode,
)

__all__ = [
    "AbortRequested",
    "ActivationWaited",
    "AnyLine",
    "CandidateSeen",
    "Cause",
    "CoverageLost",
    "CrashReason",
    "Fact",
    "GarbageDeleted",
    "GarbageSeen",
    "GcEnded",
    "GcFailureLogged",
    "GcKicked",
    "GcStarted",
    "GcStepped",
    "GcSwitchedOff",
    "HostAsked",
    "JournalReplayed",
    "LeafGaveUp",
    "LeafIterated",
    "LeafSkipped",
    "Line",
    "LineRef",
    "LockWaited",
    "MergeCopied",
    "MergeCopyStarted",
    "MergeEnded",
    "MergeKind",
    "MergeOutcome",
    "MergeStarted",
    "MultiAttachSeen",
    "ParentMissing",
    "RunKey",
    "RunOutcome",
    "ScanFailed",
    "ScanSucceeded",
    "SmCommandStarted",
    "SmErrorRaised",
    "SpaceRefused",
    "SpaceShort",
    "SrUpdateWaited",
    "StaleFlagSeen",
    "Step",
    "StorageSlow",
    "Switch",
    "SystemLogged",
    "TapdiskPaused",
    "TapdiskUnpauseFailed",
    "TapdiskUnpaused",
    "TreeNode",
    "TreeSeen",
    "TreeUnchanged",
    "VdiCorrupt",
    "VdisForgotten",
]

# --- the life of a GC run -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class GcKicked(Fact):
    """Someone asked for a GC run (G1, G2); `skipped` says that SM itself saw one active or scheduled (A5, A7)."""

    skipped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GcStarted(Fact):
    """A run began (G5, G26, L45). `pid` is the worker's as far as known; 8.2 names it a line later."""

    pid: int
    op: str = "gc"
    # False: the first line read of it is not its first line.
    start_seen: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GcStepped(Fact):
    """The run entered a state: what the state machine of a run may stay in, and for how long, is the judge's."""

    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class GcSwitchedOff(Fact):
    """SM said that a switch of the SR is off (G14, C4, L8)."""

    switch: Switch


@dataclass(frozen=True, slots=True, kw_only=True)
class GcEnded(Fact):
    """The run ended, or is known to have ended: `outcome` may be corrected once by a later fact of the same run."""

    outcome: RunOutcome
    reason: CrashReason | None = None
    error: str = ""
    # The line that shows the reason, or the last line of a run that vanished.
    proof: LineRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortRequested(Fact):
    """Someone asked a running GC to stop (G22, G23, K7 abort, G20 SIGTERM)."""

    by: Literal["abort", "sigterm", "ipc"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GcFailureLogged(Fact):
    """A GC's fatal error, wherever it stood: SMlog's banner and G19, or daemon.log where SMlog hides it."""

    reason: CrashReason
    exception: str
    message: str
    vdis: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SrUpdateWaited(Fact):
    """The asynchronous SR.update ended (G37) or SM stopped waiting for it (G38)."""

    status: str


# --- trees and garbage ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSeen(Fact):
    """A tree dump. Not `complete` (T1b): only the trees that changed, `gone` roots are full uuids.

    `trees.Trees` folds these into the forest. `vdi_count` and `tree_count` are of the whole SR, as printed.
    """

    sr_name: str
    vdi_count: int
    tree_count: int
    complete: bool
    nodes: tuple[TreeNode, ...]
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeUnchanged(Fact):
    """T1a: as at the last dump of the same run."""

    sr_name: str
    vdi_count: int
    tree_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GarbageSeen(Fact):
    """Images waiting for deletion (T12, T13, V11)."""

    count: int
    vdis: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GarbageDeleted(Fact):
    """T14: SM set out to delete this image."""

    vdi: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VdisForgotten(Fact):
    """A scan dropped (D2, D5) or added (D1, D4) records of XenAPI's database."""

    vdis: tuple[str, ...]
    added: bool = False
    # False: a scan found them missing (D2), their records go next (D5).
    dropped: bool = True


# --- merges ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateSeen(Fact):
    """SM evaluated a candidate (C1, C2, L1). Evaluation is not a start."""

    kind: MergeKind
    vdi: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeStarted(Fact):
    """C7 or L2: the only lines that start work. Sizes are the child's and parent's as printed."""

    kind: MergeKind
    child: str
    parent: str
    child_node: TreeNode | None = None
    parent_node: TreeNode | None = None
    redo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeCopyStarted(Fact):
    """C19, C10 or the child's own E5: the data copy of `child` began, under pid `copier` where known."""

    child: str
    copier: int | None = None
    online: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeCopied(Fact):
    """C20: the data copy finished; relinking follows."""

    child: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeEnded(Fact):
    """A merge's end. `detail` is SM's own text of the cause, `vdis` the images that text names."""

    kind: MergeKind
    child: str
    parent: str
    outcome: MergeOutcome
    cause: Cause | None
    detail: str = ""
    vdis: tuple[str, ...] = ()
    # The line that shows the cause, where that is another than `ref`.
    proof: LineRef | None = None
    iterations: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceRefused(Fact):
    """SM refused a merge for lack of space (C3, L3), or said so for the SR (C47: `vdi` None)."""

    vdi: str | None
    parent: str = ""
    kind: MergeKind | None
    free_bytes: int | None = None
    offline_possible: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafIterated(Fact):
    """One snapshot round of a leaf merge (L9, L15, L18)."""

    vdi: str
    attempt: int
    initial_bytes: int | None = None
    final_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafGaveUp(Fact):
    """The guest writes faster than the merge (L17, L18*, L24)."""

    vdi: str
    reason: str
    iterations: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafSkipped(Fact):
    """A leaf SM will not merge: on_boot=reset (L5), caching (L6), leaf-coalesce=false (L7, P25)."""

    vdi: str
    why: Literal["on_boot", "caching", "switched_off", "migrating"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalReplayed(Fact):
    """What a run found of one that died: undone (L33, L35), finished (L36, L37), relinked (C8), stale (T15)."""

    what: Literal["undone", "finished", "relinked", "stale_removed", "undo_failed"]
    vdi: str | None
    interrupted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiAttachSeen(Fact):
    """C15: the chain is active on more than one host; SM ends the run of the whole SR over it."""

    vdi: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleFlagSeen(Fact):
    """A left-over flag blocks someone: gc_running_* (C14), relinking (P18), paused, host_ (P19, P20), activating."""

    flag: Literal["gc_running", "relinking", "paused", "host", "activating"]
    vdi: str | None

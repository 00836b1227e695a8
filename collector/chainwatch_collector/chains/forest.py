"""The chains of one SR as a forest: what `build.py` makes of the SR's VDIs by SM's own rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from chainwatch_collector.inventory.records import Sr, Vdi

MAX_DEPTH = 30
"""SM refuses a snapshot at this depth with SR_BACKEND_FAILURE_109 (FileSR.py, LVHDSR.py, LinstorSR.py)."""

# Reasons of `blocked`. Those of the SR first: they block everything.
GC_OFF = "gc=false on the SR"
COALESCE_OFF = "coalesce=false on the SR"
LEAF_COALESCE_OFF_SR = "leaf-coalesce=false on the SR"
PARENT_MISSING = "a parent above it is missing"
ON_BOOT_RESET = "on_boot=reset"
ALLOW_CACHING = "allow_caching=true"
LEAF_COALESCE_OFF = "leaf-coalesce=false on the VDI"
RELINKING = "relinking"
PAUSED = "paused"
ACTIVATING = "activating"
MULTI_HOST = "the chain is active on several hosts"
NO_SPACE = "not enough free space"

NodeStatus = Literal["inner_pending", "leaf_pending", "kept", "blocked", "garbage", "leaf", "base", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One VDI in its tree.

    `depth` counts from the root, which is 1; below a loop or a missing parent from the topmost node there is. `parent`
    is `vhd-parent` as told, also where it is not there. `status`: `inner_pending`, `leaf_pending` (SM's rule would
    merge it into its parent now), `blocked` (it would, but `reason` keeps it from happening), `kept` (a hidden node
    that stays after all merges because snapshots or clones branch off: `kept_by` are their uuids), `base` (a hidden
    node that nothing keeps and that has nothing to merge into: its only child merges into it), `leaf` (a visible node
    with nothing to do), `garbage` (hidden, and so is everything below it), `unknown` (in or below a loop; no GC here).
    On a sound tree a leaf's depth is 1 + the pending, blocked and kept nodes of its path.
    `copy_bytes`: what a merge copies; `need_bytes`: free space it needs; None where XenAPI cannot tell.
    """

    vdi: Vdi
    parent: str | None
    children: tuple[str, ...]
    depth: int
    status: NodeStatus
    reason: str = ""
    kept_by: tuple[str, ...] = ()
    copy_bytes: int | None = None
    need_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """All chains of an SR. `missing_parents`: child uuid → the uuid that is not there. `cycles`: uuids in a loop.

    `sr`: the record that switches and free space came from. `roots`: nodes without a parent that is there.
    `kept` counts nodes kept by snapshots or clones. `bytes_to_merge` sums `copy_bytes` of pending nodes, None where one
    is unknown and nothing is known; `bytes_unknown` counts the pending nodes without a number.
    """

    sr_uuid: str
    sr: Sr | None = None
    nodes: Mapping[str, Node] = field(default_factory=dict)
    roots: tuple[str, ...] = ()
    missing_parents: Mapping[str, str] = field(default_factory=dict)
    cycles: tuple[str, ...] = ()
    depth_max: int = 0
    inner_pending: int = 0
    leaf_pending: int = 0
    kept: int = 0
    blocked: int = 0
    garbage: int = 0
    bytes_to_merge: int | None = 0
    bytes_unknown: int = 0

    @property
    def pending(self) -> int:
        """Merges that SM would do now."""
        return self.inner_pending + self.leaf_pending

"""The refusals of SM that can be told beforehand: 44, 81, 109 and 180 (XE_SR_ERRORCODES.xml). Pure."""

from typing import Literal, NamedTuple

from chainwatch_collector.chains.forest import MAX_DEPTH
from chainwatch_collector.chains.scope import family
from chainwatch_collector.chains.space import LeafSize, Range, free_bytes, snapshot_need
from chainwatch_collector.inventory.records import Sr, Vdi

ErrorCode = Literal[44, 81, 109, 180]


class Refusal(NamedTuple):
    """SR_BACKEND_FAILURE_`error`. `certain`: even the least need is more than is free, or the chain is at its limit."""

    error: ErrorCode
    certain: bool
    need_bytes: Range | None = None
    free_bytes: int | None = None


def of_space(sr: Sr, need: Range | None, error: ErrorCode) -> Refusal | None:
    """Whether `need` fits what is free; None: it does for certain, or one of the two is not known."""
    free = free_bytes(sr)
    if need is None or free is None or need.high <= free:
        return None
    return Refusal(error, need.low > free, need, free)


def of_snapshot(
    sr: Sr, vdi: Vdi, depth: int, size: LeafSize | None = None, max_depth: int = MAX_DEPTH
) -> Refusal | None:
    """Whether the next snapshot of this disk is refused: 109 at depth 30 (FileSR.py:804, LVHDSR.py:1734,
    LinstorSR.py:2374), 44 where LVM checks its space before, 81 where a file SR runs out while it works.
    """
    if depth >= max_depth and not vdi.raw:
        return Refusal(109, certain=True)
    return of_space(sr, snapshot_need(sr, vdi, size), snapshot_error(sr))


def snapshot_error(sr: Sr) -> ErrorCode:
    """What a snapshot without room ends in: file SRs have no check before (smlog.md 6.3)."""
    return 81 if family(sr) == "file" else 44

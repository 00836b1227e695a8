"""Numbers of an SR over time, at most one of each a minute. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from chainwatch_collector.judge.answer import SrAnswer
from chainwatch_collector.keep.folded import HistoryIn
from chainwatch_collector.track.state import PoolState

NAMES: Final = ("depth_max", "pending", "to_merge_bytes", "free_ratio")

UNPROVED_SRS: Final = 200


def minute_of(at: datetime) -> datetime:
    """The full minute before `at`: samples of one minute overwrite each other."""
    return at.replace(second=0, microsecond=0)


def sampled_srs(srs: Iterable[SrAnswer], state: PoolState) -> list[SrAnswer]:
    """Those whose numbers are kept: all that XenAPI has, and of what only a log names no more than a pool may have."""
    known = [sr for sr in srs if sr.uuid in state.srs and state.srs[sr.uuid].record is not None]
    others = [sr for sr in srs if sr.uuid not in state.srs or state.srs[sr.uuid].record is None]
    return [*known, *others[:UNPROVED_SRS]]


def samples(srs: Iterable[SrAnswer], at: datetime) -> list[HistoryIn]:
    """What is known of each SR now; what is not known has no sample."""
    points: list[HistoryIn] = []
    for sr in srs:
        known = (sr.inner_pending, sr.leaf_pending)
        pending = None if None in known else sum(count for count in known if count is not None)
        values = (sr.depth_max, pending, sr.bytes_to_merge, sr.free_ratio)
        points += [
            HistoryIn(sr.uuid, minute_of(at), name, float(value))
            for name, value in zip(NAMES, values, strict=True)
            if value is not None and len(sr.uuid) == 36
        ]
    return points

"""Numbers of an SR over time, at most one of each a minute. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from chainwatch_collector.judge.answer import SrAnswer
from chainwatch_collector.keep.folded import HistoryIn

NAMES: Final = ("depth_max", "pending", "to_merge_bytes", "free_ratio")


def minute_of(at: datetime) -> datetime:
    """The full minute before `at`: samples of one minute overwrite each other."""
    return at.replace(second=0, microsecond=0)


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

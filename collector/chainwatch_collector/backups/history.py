"""Numbers over time as cycles: the least, the most and the last of each day. What a forecast rests on. Pure.

A cycle is a day (UTC): a backlog rises with every backup and falls after it, so only its least of a cycle says whether
merges keep up, and only the most of a chain's depth says when it meets the limit.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from chainwatch_collector.backups.seen import Bucket

CYCLE: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
CYCLES_KEPT: Final = 45


def begin_of(at: datetime, span: timedelta) -> datetime:
    """When the hour or day that `at` lies in began."""
    seconds = int(at.timestamp()) // int(span.total_seconds()) * int(span.total_seconds())
    return datetime.fromtimestamp(seconds, UTC)


@dataclass(slots=True)
class Series:
    """One number of one subject by cycles, oldest first; the last bucket is the one that goes on."""

    span: timedelta = CYCLE
    buckets: list[Bucket] = field(default_factory=list)

    def add(self, at: datetime, value: float) -> bool:
        """A value as of `at`; whether the bucket that goes on looks different now. Older ones than it are ignored."""
        begin = begin_of(at, self.span)
        last = self.buckets[-1] if self.buckets else None
        if last is None or begin > last.at:
            self.buckets.append(Bucket(begin, value, value, value))
            del self.buckets[:-CYCLES_KEPT]
            return True
        if begin < last.at:
            return False
        now = replace(last, least=min(last.least, value), most=max(last.most, value), last=value)
        self.buckets[-1] = now
        return now != last

    def complete(self, now: datetime) -> list[Bucket]:
        """The cycles that are over and were seen from their beginning, up to now without a hole.

        What lies before a hole is of another time; the first one behind it was not seen whole.
        """
        begin = begin_of(now, self.span)
        over = [bucket for bucket in self.buckets if bucket.at < begin]
        if not over or begin - over[-1].at > self.span:
            return []
        first = len(over) - 1
        while first > 0 and over[first].at - over[first - 1].at == self.span:
            first -= 1
        return over[first + 1 :]


def restored(buckets: Iterable[Bucket], span: timedelta = CYCLE) -> Series:
    """A series as it was stored."""
    return Series(span, sorted(buckets, key=lambda bucket: bucket.at)[-CYCLES_KEPT:])

"""How fast a host's stream is read; what it says beyond that waits in its own connection. Pure but for its state.

A message is a point, and every 512 bytes of it that are no log lines are another; files, and slices that are no
neighbours, cost too. Lines are not paced here: they are bounded by the window and by how fast they are committed.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from chainwatch.v1 import ingest_service_pb2

POINT_BYTES: Final = 512
# Short lines that are no neighbours come one to a reply, and only as much as was asked for.
REPLY_POINTS: Final = 1 / 16
SLICES_OF_A_POINT: Final = 128
# Of a file and of a gap: each may become a row of its own, to be looked up and written back ever after.
ROW_POINTS: Final = 5
# Who has to wait waits so long at least and then says much at once: that is cheaper than a little often.
_PAUSE_SECONDS: Final = 0.25
_TELL_SECONDS: Final = 60.0
# Without a minute in which it did not wait. One that catches up may be slowed for a while.
LASTING_SECONDS: Final = 300.0


def points_of(message: ingest_service_pb2.AgentMessage, size_bytes: int) -> float:
    """What a message of this serialised size costs who reads it."""
    body = message.WhichOneof("body")
    if body == "span":
        return 1 + len(message.span.slices.size_bytes) / SLICES_OF_A_POINT
    if body == "evidence_reply":
        return REPLY_POINTS
    return (ROW_POINTS if body in ("file_seen", "gap") else 1) + size_bytes / POINT_BYTES


@dataclass
class Pace:
    """Of one host. Times are seconds of a monotonic clock."""

    per_second: float
    burst: float
    left: float
    at: float
    told_at: float = float("-inf")
    waited_at: float = float("-inf")
    slow_since: float = float("inf")

    def wait_seconds(self, points: float, now: float) -> float:
        """They are spent; 0 where the next message may be read now, else how long to wait before."""
        self.left = min(self.burst, self.left + (now - self.at) * self.per_second) - points
        self.at = now
        if self.left >= 0:
            return 0.0
        if now - self.waited_at > _TELL_SECONDS:
            self.slow_since = now
        self.waited_at = now
        return _PAUSE_SECONDS - self.left / self.per_second

    def lasts(self, now: float) -> bool:
        """Whether it has had to wait for minutes on end."""
        return now - self.slow_since >= LASTING_SECONDS

    def to_tell(self, now: float) -> bool:
        """Whether it shall be said that the host is slowed: once in a minute."""
        if now - self.told_at < _TELL_SECONDS:
            return False
        self.told_at = now
        return True


class Paces:
    """By host, so that another stream is not another allowance; those seen longest ago are forgotten beyond `most`."""

    def __init__(self, per_second: float, burst: float, most: int) -> None:
        self._per_second, self._burst, self._most = per_second, burst, most
        self._paces: OrderedDict[str, Pace] = OrderedDict()

    def of(self, host_uuid: str, now: float) -> Pace:
        """For a stream of this host that begins now."""
        pace = self._paces.pop(host_uuid, None) or Pace(self._per_second, self._burst, self._burst, now)
        self._paces[host_uuid] = pace
        while len(self._paces) > self._most:
            self._paces.popitem(last=False)
        return pace

"""Agents that break the rules of their stream (proto/README.md): they are counted, left waiting, and told.

Pure but for what `tell` does: the clock is an argument.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

RUN_SECONDS: Final = 600.0
"""After so long without a fault the next one is the first again."""
FREE: Final = 3
"""So many faults of a run cost no wait: what an agent repeats after them is no mishap."""
LENIENT: Final = 2
"""So many faults of a run are not told where an honest agent on a bad day may have them."""
SAYS_TOO_MUCH: Final = "says more than any agent should"
TELL_SECONDS: Final = 10.0
"""Each telling is a commit, whatever the agent does."""


class Fault(NamedTuple):
    """What ended a host's streams: `times` since it was last told. `peer`: where it called from.

    `slowed`: nothing was ended, it says too much.
    """

    host_uuid: str
    times: int
    text: str
    peer: str
    slowed: bool = False


@dataclass
class _Run:
    last_at: float
    times: int = 0
    told: int = 0
    told_at: float = float("-inf")


class Faults:
    """By host, at most `most` of them. Times are seconds of a monotonic clock."""

    def __init__(self, tell: Callable[[Fault], None], most_wait_seconds: float, most: int) -> None:
        self._tell, self._most_wait_seconds, self._most = tell, most_wait_seconds, most
        self._runs: OrderedDict[str, _Run] = OrderedDict()

    def wait_seconds(self, host_uuid: str, now: float) -> float:
        """How long the host may not open a stream yet: double after every fault, from the last one on."""
        run = self._runs.get(host_uuid)
        if run is None or run.times <= FREE:
            return 0.0
        wait = min(self._most_wait_seconds, 2.0 ** min(run.times - FREE, 16))
        return max(0.0, wait - (now - run.last_at))

    def times(self, host_uuid: str) -> int:
        """How many faults its run has."""
        run = self._runs.get(host_uuid)
        return run.times if run is not None else 0

    def slowed(self, host_uuid: str, peer: str) -> None:
        """A stream of the host says for minutes more than it may. That costs no wait but its own."""
        self._tell(Fault(host_uuid, 1, SAYS_TOO_MUCH, peer, slowed=True))

    def met(self, host_uuid: str, text: str, peer: str, now: float, *, lenient: bool = False) -> None:
        """A stream of the host was ended for this."""
        run = self._runs.pop(host_uuid, None)
        if run is None or now - run.last_at > RUN_SECONDS:
            run = _Run(now)
        run.last_at, run.times = now, run.times + 1
        self._runs[host_uuid] = run
        while len(self._runs) > self._most:
            self._runs.popitem(last=False)
        if (lenient and run.times <= LENIENT) or now - run.told_at < TELL_SECONDS:
            return
        self._tell(Fault(host_uuid, run.times - run.told, text, peer))
        run.told, run.told_at = run.times, now

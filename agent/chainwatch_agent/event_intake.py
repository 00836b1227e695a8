"""Takes the process connector's events at a bounded cost, whatever dom0 does.

What costs is the waking (some 200 µs with the caches cold), not the event (10 to 20 µs). So while they are rare each
event is taken as it comes; when they come thick they are taken every 25 ms in one go; and beyond `EVENTS_PER_SECOND`
on average they wait in the kernel until the next sample. What the kernel cannot keep meanwhile it counts.
"""

import select
import time
from typing import Iterable, Iterator, Optional

from chainwatch_agent.proc_events import ProcEvent, ProcEvents
from chainwatch_agent.wake_timer import WakeTimer

EVENTS_PER_SECOND = 250.0
BURST_EVENTS = 1000.0
GAP_SECONDS = 0.025
_AT_ONCE = 256
_MOST_LATE = 4096


class EventIntake:
    """The connector's events in time (`read_now`) and late (`read_late`)."""

    def __init__(self, events: ProcEvents) -> None:
        """Raises OSError where the kernel has no descriptor for the timer or the set."""
        self._events = events
        self._allowance = BURST_EVENTS
        self._read_at = 0.0
        self._timer = WakeTimer()
        self._poll = select.epoll()
        self._poll.register(events.fileno(), select.EPOLLIN)
        self._poll.register(self._timer.fileno(), select.EPOLLIN)
        self._gathering = False
        self._paused = False
        self.events_total = 0
        self.pauses_total = 0

    @classmethod
    def open(cls) -> "Optional[EventIntake]":
        """None where the kernel has no connector for us."""
        events = ProcEvents.open()
        return cls(events) if events is not None else None

    @property
    def lost_total(self) -> int:
        """Events that the kernel had to drop."""
        return self._events.lost_total

    def fileno(self) -> int:
        """Readable when `read_now` has something to do; not while it is paused."""
        return self._poll.fileno()

    def read_now(self) -> Iterator[ProcEvent]:
        """What has come; beyond the allowance nothing, and a pause until `read_late`."""
        if self._paused:
            return
        now = time.monotonic()
        since, self._read_at = now - self._read_at, now
        self._allowance = min(BURST_EVENTS, self._allowance + since * EVENTS_PER_SECOND)
        number = 0
        for event in self._events.read(_AT_ONCE):
            number += 1
            yield event
        self.events_total += number
        self._allowance -= number
        self._paused = self._allowance < 1
        self.pauses_total += self._paused
        self._listen(number > 0 and (self._gathering or since < GAP_SECONDS))

    def read_late(self) -> Iterator[ProcEvent]:
        """What has waited during a pause, which ends hereby; nothing where there was none."""
        if not self._paused:
            return
        for event in self._events.read(_MOST_LATE):
            self.events_total += 1
            yield event
        self._paused = False
        self._listen(gather=True)

    def watch_exits(self, pids: Iterable[int]) -> None:
        """Whose exits are to be told from now on."""
        try:
            self._events.watch_exits(pids)
        except OSError:
            pass  # no memory for the filter: their end is noticed by the next sample

    def close(self) -> None:
        """Unsubscribe."""
        self._poll.close()
        self._timer.close()
        self._events.close()

    def _listen(self, gather: bool) -> None:
        """Be woken by the next event, or, to gather some, by the timer, or, paused, by nothing."""
        if self._paused or not gather:
            if self._gathering:
                self._timer.stop()
        else:
            self._timer.start(GAP_SECONDS)
        silent = self._paused or gather
        if silent != self._gathering:
            self._poll.modify(self._events.fileno(), 0 if silent else select.EPOLLIN)
        self._gathering = silent

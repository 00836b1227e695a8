"""Takes the process connector's events at a bounded cost, whatever dom0 does.

Each event wakes the agent and costs some 75 µs. Up to `EVENTS_PER_SECOND` on average they are taken as they come;
beyond it they wait in the kernel, without waking anybody, until the next sample takes them in one go at a tenth of
the cost. What the kernel cannot keep meanwhile it counts.
"""

import select
import time
from typing import Iterable, Iterator, Optional

from chainwatch_agent.proc_events import ProcEvent, ProcEvents

EVENTS_PER_SECOND = 100.0
BURST_EVENTS = 400.0
_AT_ONCE = 64
_MOST_LATE = 4096


class EventIntake:
    """The connector's events in time (`read_now`) and late (`read_late`)."""

    def __init__(self, events: ProcEvents) -> None:
        self._events = events
        self._allowance = BURST_EVENTS
        self._allowed_at = time.monotonic()
        self._poll = select.epoll()
        self._poll.register(events.fileno(), select.EPOLLIN)
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
        """Readable when `read_now` has something; not while it is paused."""
        return self._poll.fileno()

    def read_now(self) -> Iterator[ProcEvent]:
        """What has come, some at a time; beyond the allowance nothing, and a pause until `read_late`."""
        self._refill()
        for event in self._events.read(0 if self._paused else _AT_ONCE):
            self.events_total += 1
            yield event
            self._allowance -= 1
            if self._allowance < 1:
                self._pause()
                return

    def read_late(self) -> Iterator[ProcEvent]:
        """What has waited during a pause, which ends hereby; nothing where there was none."""
        if not self._paused:
            return
        for event in self._events.read(_MOST_LATE):
            self.events_total += 1
            yield event
        self._paused = False
        self._poll.modify(self._events.fileno(), select.EPOLLIN)

    def watch_exits(self, pids: Iterable[int]) -> None:
        """Whose exits are to be told from now on."""
        try:
            self._events.watch_exits(pids)
        except OSError:
            pass  # no memory for the filter: their end is noticed by the next sample

    def close(self) -> None:
        """Unsubscribe."""
        self._poll.close()
        self._events.close()

    def _pause(self) -> None:
        self._paused = True
        self.pauses_total += 1
        self._poll.modify(self._events.fileno(), 0)

    def _refill(self) -> None:
        now = time.monotonic()
        self._allowance = min(BURST_EVENTS, self._allowance + (now - self._allowed_at) * EVENTS_PER_SECOND)
        self._allowed_at = now

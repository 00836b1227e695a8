"""Watches the processes that work on images, and the GCs, at next to no cost.

Finding them: a listing of new pids, each looked at twice (the first time it may not have got to its exec), and where
the kernel's process connector is there, every exec as it happens, so that listings become rare. The GC of SM 2.30
(8.2), a fork of the SR driver, is found by the `gc_active` lock that it holds.
"""

import time
from typing import Dict, List, Optional, Set

from chainwatch.v1 import evidence_pb2

from chainwatch_agent.event_intake import EventIntake
from chainwatch_agent.image_command import ImageCommand, name_of_gc, recognise
from chainwatch_agent.locks import SmLocks
from chainwatch_agent.proc_events import EXEC, ProcEvent
from chainwatch_agent.processes import TICKS_PER_SECOND, ProcFs
from chainwatch_agent.tracked import Tracked

# With the ended ones within the contract's 1,024 a message (proto/README.md 6.6).
_MOST_TRACKED = 512
_MOST_ENDED = 512
# With the connector a listing only makes sure.
_SURE_LISTING_US = 30 * 1000 * 1000


class Watcher:
    """Call `sample` every few seconds (faster while `busy`), `on_events` when `event_fileno` is readable."""

    def __init__(self, root: str, use_connector: bool = True) -> None:
        """`root` is the directory that has this dom0's `proc`, normally `/`. Without rights it sees less, no error."""
        self._proc = ProcFs(root)
        self._locks = SmLocks(self._proc)
        self._known: Set[str] = set()
        self._fresh: Set[str] = set()
        self._tracked: Dict[int, Tracked] = {}
        self._untold: List[Tracked] = []
        self._ended: List[evidence_pb2.ProcessEnd] = []
        self._listed_at_us = 0
        self._lost_at_listing = 0
        self._seen_total = 0
        self._dropped_total = 0
        self._missed_total = 0
        self._events = EventIntake.open() if use_connector and self._proc.is_ours() else None

    @property
    def busy(self) -> bool:
        """An image process or a GC runs now."""
        return bool(self._tracked)

    @property
    def exact_exits(self) -> bool:
        """The kernel tells of exec and exit (feature `process-events`)."""
        return self._events is not None

    def event_fileno(self) -> Optional[int]:
        """For the event loop's `add_reader`; None where the kernel has no process connector for us."""
        return self._events.fileno() if self._events is not None else None

    def on_events(self) -> None:
        """Take what the connector has, within the budget; never blocks."""
        if self._events is None:
            return
        now_us = int(time.time() * 1e6)
        for event in self._events.read_now():
            if event.what == EXEC:
                self._look_at(event.pid, now_us)
            else:
                self._exited(event, now_us)

    def sample(self, now_us: int) -> "Optional[evidence_pb2.Samples]":
        """Every process that matters as it is now, and those that ended since; None when there is nothing to tell.

        `agent_epoch`, `seq` and `dropped_total` are left for the sender.
        """
        missed = self._late_events(now_us)
        if missed or self._listing_is_due(now_us):
            self._list(now_us)
        self._missed_total += len(missed - self._known)
        self._match_gc_locks(now_us)
        self._measure(now_us)
        told = self._untold + list(self._tracked.values())
        if not told and not self._ended:
            return None
        message = evidence_pb2.Samples(
            at_us=now_us, processes=[process.sample() for process in told], ended=self._ended
        )
        for process in told:
            process.told = True
        self._untold, self._ended = [], []
        return message

    def counters(self) -> Dict[str, float]:
        """Totals since the start (proto/README.md 7.5).

        Lost are events that the kernel dropped; missed are processes that were gone before they could be looked at,
        most of them none that matter; dropped are those beyond what one message may hold.
        """
        events = self._events
        return {
            "process_events_total": float(events.events_total if events else 0),
            "process_events_lost_total": float(events.lost_total if events else 0),
            "process_event_pauses_total": float(events.pauses_total if events else 0),
            "processes_seen_total": float(self._seen_total),
            "processes_dropped_total": float(self._dropped_total),
            "processes_missed_total": float(self._missed_total),
        }

    def close(self) -> None:
        """Unsubscribe from the connector."""
        if self._events is not None:
            self._events.close()
            self._events = None

    def _late_events(self, now_us: int) -> Set[str]:
        """Events that had to wait: exits as they are, processes that called exec to be looked at by a listing."""
        missed = set()
        for event in self._events.read_late() if self._events is not None else ():
            if event.what == EXEC:
                missed.add(str(event.pid))
            else:
                self._exited(event, now_us)
        self._known -= missed
        return missed

    def _listing_is_due(self, now_us: int) -> bool:
        if self._events is None or self._events.lost_total != self._lost_at_listing:
            return True
        return abs(now_us - self._listed_at_us) >= _SURE_LISTING_US

    def _list(self, now_us: int) -> None:
        self._listed_at_us = now_us
        self._lost_at_listing = self._events.lost_total if self._events is not None else 0
        pids = self._proc.pids()
        new = pids - self._known
        again = self._fresh & pids
        self._known, self._fresh = pids, new
        for name in new | again:
            self._look_at(int(name), now_us)

    def _look_at(self, pid: int, now_us: int) -> None:
        """A process that is new or has called exec."""
        try:
            command = recognise(self._proc.argv(pid))
        except OSError:
            self._missed_total += 1
            return
        tracked = self._tracked.get(pid)
        if tracked is not None and not tracked.is_alive(self._proc):
            self._end(tracked, None, tracked.seen_at_us)  # the pid is another process's by now
            tracked = None
        if command is not None and tracked is not None:
            tracked.command = command
        elif command is not None:
            self._track(pid, command, now_us)
        elif tracked is not None and not tracked.gc_lock_sr_uuid:
            del self._tracked[pid]  # a GC's fork that became something else
            self._watch_exits()

    def _track(self, pid: int, command: ImageCommand, now_us: int) -> Optional[Tracked]:
        if len(self._tracked) >= _MOST_TRACKED:
            self._dropped_total += 1
            return None
        try:
            stat = self._proc.stat(pid)
            age_seconds = self._proc.uptime_seconds() - stat.start_ticks / TICKS_PER_SECOND
        except (OSError, ValueError, IndexError):
            self._missed_total += 1
            return None
        process = Tracked(pid, stat, command, now_us - int(age_seconds * 1e6))
        self._tracked[pid] = process
        self._seen_total += 1
        self._watch_exits()
        process.measure(self._proc, now_us)
        return process

    def _watch_exits(self) -> None:
        if self._events is not None:
            self._events.watch_exits(self._tracked)

    def _exited(self, event: ProcEvent, now_us: int) -> None:
        process = self._tracked.get(event.pid)
        if process is not None:
            process.measure(self._proc, now_us)
            self._end(process, event.exit_status, now_us)

    def _end(self, process: Tracked, exit_status: Optional[int], seen_until_us: int) -> None:
        del self._tracked[process.pid]
        self._watch_exits()
        if len(self._ended) >= _MOST_ENDED:
            self._dropped_total += 1
            return
        self._ended.append(process.end(exit_status, seen_until_us))
        if not process.told:
            self._untold.append(process)

    def _match_gc_locks(self, now_us: int) -> None:
        holders = self._locks.gc_holders()
        for pid, sr_uuid in holders.items():
            if pid not in self._tracked:
                self._track_gc(pid, sr_uuid, now_us)
        for pid, process in self._tracked.items():
            process.gc_lock_sr_uuid = holders.get(pid, "")

    def _track_gc(self, pid: int, sr_uuid: str, now_us: int) -> None:
        try:
            name = name_of_gc(self._proc.argv(pid))
        except OSError:
            return
        self._track(pid, ImageCommand(evidence_pb2.PROCESS_KIND_GC, name, "", sr_uuid), now_us)

    def _measure(self, now_us: int) -> None:
        for process in list(self._tracked.values()):
            if not process.measure(self._proc, now_us):
                self._end(process, None, process.seen_at_us)

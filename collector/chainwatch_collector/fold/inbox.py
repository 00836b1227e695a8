"""What the event loop leaves for the fold's thread: who has new evidence, what was observed, what changed in XenAPI.

Bounded: evidence is a set of hosts, a host's newest Status replaces the one before, of Samples the oldest go first.
"""

import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from chainwatch_collector.backups.news import BackupNews
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.track.observations import DuplicateRefused, Observation, ProcessesObserved, StatusObserved

MAX_SAMPLES = 20_000


@dataclass
class Mail:
    """What came since the last look. `observations`: each with the time of its coming by the collector's clock;
    `streams`: (host uuid, connected, at); `retired`: pools that have another uuid now; `duplicates`: the
    last one refused of each host.
    """

    evidence: set[str] = field(default_factory=set)
    observations: list[tuple[Observation, datetime]] = field(default_factory=list)
    streams: list[tuple[str, bool, datetime]] = field(default_factory=list)
    pictures: dict[str, Picture] = field(default_factory=dict)
    retired: set[str] = field(default_factory=set)
    news: dict[str, BackupNews] = field(default_factory=dict)
    duplicates: dict[str, DuplicateRefused] = field(default_factory=dict)


class Inbox:
    """Filled from the event loop, emptied by one thread. Nothing here ever waits but `take`."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._evidence: set[str] = set()
        self._statuses: dict[str, tuple[StatusObserved, datetime]] = {}
        self._samples: deque[tuple[ProcessesObserved, datetime]] = deque()
        self._streams: list[tuple[str, bool, datetime]] = []
        self._pictures: dict[str, Picture] = {}
        self._retired: set[str] = set()
        self._news: dict[str, BackupNews] = {}
        self._duplicates: dict[str, DuplicateRefused] = {}
        self._closed = False
        self.samples_dropped = 0

    @property
    def closed(self) -> bool:
        """Whether the thread should end."""
        return self._closed

    def evidence(self, host_uuid: str) -> None:
        """New lines, coverage or gaps of a host are readable."""
        with self._condition:
            self._evidence.add(host_uuid)
            self._condition.notify()

    def observed(self, observation: Observation, at: datetime) -> None:
        """A Status or Samples message was kept, just now."""
        with self._condition:
            if isinstance(observation, StatusObserved):
                self._statuses[observation.host_uuid] = (observation, at)
            else:
                self._samples.append((observation, at))
                if len(self._samples) > MAX_SAMPLES:
                    self._samples.popleft()
                    self.samples_dropped += 1
            self._condition.notify()

    def stream_changed(self, host_uuid: str, connected: bool, at: datetime) -> None:
        """A host's stream opened or ended."""
        with self._condition:
            self._streams.append((host_uuid, connected, at))
            self._condition.notify()

    def duplicate_refused(self, duplicate: DuplicateRefused) -> None:
        """A second dom0 came with a connected host's certificate."""
        with self._condition:
            self._duplicates[duplicate.host_uuid] = duplicate
            self._condition.notify()

    def picture(self, pool_uuid: str, picture: Picture) -> None:
        """XenAPI says something new; only the newest picture of a pool counts."""
        with self._condition:
            self._pictures[pool_uuid] = picture
            self._condition.notify()

    def news(self, pool_uuid: str, news: BackupNews) -> None:
        """What is known of a pool's backups from outside of it; only the newest counts."""
        with self._condition:
            self._news[pool_uuid] = news
            self._condition.notify()

    def retired(self, pool_uuid: str) -> None:
        """The pool that was known by this uuid has another one."""
        with self._condition:
            self._pictures.pop(pool_uuid, None)
            self._news.pop(pool_uuid, None)
            self._retired.add(pool_uuid)
            self._condition.notify()

    def close(self) -> None:
        """Let the thread end."""
        with self._condition:
            self._closed = True
            self._condition.notify()

    def take(self, timeout_seconds: float) -> Mail:
        """Everything since the last look; waits while there is nothing."""
        with self._condition:
            if not self._any() and not self._closed and timeout_seconds > 0:
                self._condition.wait(timeout_seconds)
            observations: list[tuple[Observation, datetime]] = [*self._samples, *self._statuses.values()]
            told = (self._streams, self._pictures, self._retired, self._news, self._duplicates)
            mail = Mail(self._evidence, observations, *told)
            self._evidence, self._streams, self._pictures, self._retired, self._news = set(), [], {}, set(), {}
            self._duplicates = {}
            self._samples.clear()
            self._statuses = {}
            return mail

    def _any(self) -> bool:
        seen = (self._evidence, self._statuses, self._samples, self._streams, self._duplicates)
        return any((*seen, self._pictures, self._retired, self._news))

"""The one thread that writes. Units of work are gathered into one transaction, the more urgent first.

A unit is a function of a connection. It may be run twice (when a batch is rolled back its units are run again one by
one, so that one that fails takes no other with it), so it MUST have no effect outside the database; what has to follow
a commit goes into the future's callbacks.
"""

import enum
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

LOG = logging.getLogger(__name__)
T = TypeVar("T")
MAX_UNITS_PER_COMMIT = 512
MAX_WEIGHT_PER_COMMIT = 8 * 1024 * 1024
# In rows, roughly. A commit holds so much of those who write much, and less while others are there who write little
# and wait for it.
MAX_COST_PER_COMMIT = 20_000
MAX_SHARED_COST = 500
LITTLE_COST = 100
_SHARED_SECONDS = 2.0


class Priority(enum.IntEnum):
    """Lower first. A stream's evidence never waits for housekeeping."""

    EVIDENCE = 0
    PROJECTION = 1
    HOUSEKEEPING = 2


class WriterClosedError(Exception):
    """The writer was stopped; nothing of the unit was written."""


class WriterBusyError(Exception):
    """The queue of that priority is full. Try again later; nothing was written."""


@dataclass
class _Unit(Generic[T]):
    work: Callable[[Connection], T]
    weight: int
    cost: int
    future: "Future[T]" = field(default_factory=Future)


@dataclass
class WriterCounters:
    """Totals since start."""

    commits: int = 0
    units: int = 0
    rollbacks: int = 0
    commit_seconds: float = 0.0


class Writer:
    """Owns one connection of `engine` and one thread. `max_weight` bounds what waits, per priority, in bytes.

    `retry_seconds`: for how long a lost database is asked again before the waiting units fail.
    """

    def __init__(self, engine: Engine, max_weight: int = 64 * 1024 * 1024, retry_seconds: float = 10.0) -> None:
        self._engine = engine
        self._max_weight = max_weight
        self._retry_seconds = retry_seconds
        self._queues: dict[Priority, deque[_Unit[Any]]] = {p: deque() for p in Priority}
        self._weights = dict.fromkeys(Priority, 0)
        self._condition = threading.Condition()
        self._closing = False
        self._little_at = -math.inf
        self._little_had_its_turn = False
        self._last_turn = Priority.HOUSEKEEPING
        # When the first of what waits wants to be written, by the monotonic clock.
        self._due = math.inf
        self.counters = WriterCounters()
        self._thread = threading.Thread(target=self._run, name="keep-writer", daemon=True)
        self._thread.start()

    def submit(
        self,
        work: Callable[[Connection], T],
        *,
        priority: Priority = Priority.PROJECTION,
        weight: int = 1024,
        cost: int = 0,
        catching_up: bool = False,
        within_seconds: float = 0.0,
    ) -> "Future[T]":
        """Queue a unit. The future's result is there after the commit that holds it is durable.

        `cost`: rows that it writes, roughly. Who writes much waits for those who do not, and for others of its kind.
        `catching_up`: this little is the end of much; nobody makes room for it.
        `within_seconds`: so long it may wait for others to share a commit with; one that may not takes it along.
        Raises `WriterClosedError`, and `WriterBusyError` where the queue is full.
        """
        unit: _Unit[T] = _Unit(work, weight, cost)
        with self._condition:
            if self._closing:
                raise WriterClosedError("the collector is shutting down")
            if self._weights[priority] and self._weights[priority] + weight > self._max_weight:
                raise WriterBusyError(f"the database falls behind: {self._weights[priority]} bytes wait to be written")
            self._queues[priority].append(unit)
            self._weights[priority] += weight
            now = time.monotonic()
            if 0 < cost <= LITTLE_COST and not within_seconds and not catching_up:
                self._little_at = now
            self._be_due(now + within_seconds)
        return unit.future

    @property
    def most_cost(self) -> int:
        """What a unit should cost at most, for a commit of its size holds up others."""
        shared = time.monotonic() - self._little_at < _SHARED_SECONDS
        return MAX_SHARED_COST if shared else MAX_COST_PER_COMMIT

    def hurry(self) -> None:
        """What waits for company is written now."""
        with self._condition:
            if self._due < math.inf:
                self._be_due(0.0)

    def write(
        self,
        work: Callable[[Connection], T],
        *,
        priority: Priority = Priority.PROJECTION,
        weight: int = 1024,
        cost: int = 0,
    ) -> T:
        """`submit` and wait; not from the event loop's thread."""
        return self.submit(work, priority=priority, weight=weight, cost=cost).result()

    def close(self) -> None:
        """Commit what waits, then end the thread. Safe to call twice."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _be_due(self, at: float) -> None:
        if at < self._due:
            self._due = at
            self._condition.notify()

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._closing and (left := self._due - time.monotonic()) > 0:
                    self._condition.wait(None if left == math.inf else left)
                batch = self._take()
                self._due = 0.0 if any(self._queues.values()) else math.inf
            if batch:
                self._commit(batch)
            elif self._closing:
                return

    def _take(self) -> list[_Unit[Any]]:
        """The next commit: all who have little to write, and of those who have much the next few, or none."""
        batch: list[_Unit[Any]] = []
        weight = cost = 0
        turn, most_cost = self._next_turn(), self.most_cost
        for priority, queue in self._queues.items():
            later: deque[_Unit[Any]] = deque()
            while queue and len(batch) < MAX_UNITS_PER_COMMIT and weight < MAX_WEIGHT_PER_COMMIT:
                unit = queue.popleft()
                if unit.cost > LITTLE_COST:
                    if priority is not turn or (cost and cost + unit.cost > most_cost):
                        later.append(unit)
                        continue
                    cost += unit.cost
                self._weights[priority] -= unit.weight
                weight += unit.weight
                if unit.future.set_running_or_notify_cancel():
                    batch.append(unit)
            queue.extendleft(reversed(later))
        return batch

    def _next_turn(self) -> Priority | None:
        """Whose units that write much go now, in turns; None, every other time, where some wait that write little."""
        much = [p for p, queue in self._queues.items() if any(unit.cost > LITTLE_COST for unit in queue)]
        if not much:
            return None
        if not self._little_had_its_turn and any(u.cost <= LITTLE_COST for q in self._queues.values() for u in q):
            self._little_had_its_turn = True
            return None
        self._little_had_its_turn = False
        self._last_turn = min(much, key=lambda priority: (priority - self._last_turn - 1) % len(Priority))
        return self._last_turn

    def _commit(self, batch: list[_Unit[Any]]) -> None:
        started = time.monotonic()
        deadline = started + self._retry_seconds
        asked_again = False
        while True:
            try:
                results = self._transaction(batch)
            except OperationalError as error:
                # The database is away or locked by a stranger: nothing was written, so asking again is safe.
                self.counters.rollbacks += 1
                if time.monotonic() < deadline and not self._closing:
                    time.sleep(0.2)
                    continue
                self._fail(batch, error)
                return
            except IntegrityError as error:
                # Another collector made the same row first: the second look finds it.
                self.counters.rollbacks += 1
                if len(batch) == 1 and not asked_again:
                    asked_again = True
                    continue
                self._one_by_one(batch, error)
                return
            except Exception as error:  # noqa: BLE001 - whatever a unit raises belongs to that unit's future
                self.counters.rollbacks += 1
                self._one_by_one(batch, error)
                return
            break
        self.counters.commits += 1
        self.counters.units += len(batch)
        self.counters.commit_seconds += time.monotonic() - started
        for unit, result in zip(batch, results, strict=True):
            unit.future.set_result(result)

    def _transaction(self, batch: list[_Unit[Any]]) -> list[Any]:
        with self._engine.begin() as connection:
            return [unit.work(connection) for unit in batch]

    def _one_by_one(self, batch: list[_Unit[Any]], error: Exception) -> None:
        if len(batch) == 1:
            self._fail(batch, error)
            return
        for unit in batch:
            self._commit([unit])

    def _fail(self, batch: list[_Unit[Any]], error: Exception) -> None:
        if isinstance(error, DBAPIError):
            LOG.error("the database refused a write: %s", str(error.orig).strip().split("\n", 1)[0])
        for unit in batch:
            unit.future.set_exception(error)

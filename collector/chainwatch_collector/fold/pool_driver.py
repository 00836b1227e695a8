"""One pool's fold on its database: owned for a lease, loaded, read on, judged, committed; thrown away when that fails.

Everything here runs in the fold's one thread.
"""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from chainwatch_collector.backups.news import BackupNews
from chainwatch_collector.fold.fetch import fetch
from chainwatch_collector.fold.loading import FoldStore, HostLoaded, load_hosts, load_pool, stored_answer
from chainwatch_collector.fold.pool_fold import Judged, PoolFold
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.keep.folded import FoldStep, NotOwnerError, Ownership
from chainwatch_collector.keep.ownership import release_pool, take_pool
from chainwatch_collector.keep.people import lift_mutes
from chainwatch_collector.keep.projections import commit_step, fold_versions, forget_version, write_events
from chainwatch_collector.keep.readers import QueryTimeoutError
from chainwatch_collector.keep.rows import HostRow
from chainwatch_collector.keep.writer import WriterBusyError, WriterClosedError
from chainwatch_collector.track.observations import DuplicateRefused, Observation, TrustSeen

LOG = logging.getLogger(__name__)
# What ends a try and says nothing against the next one.
TROUBLE = (NotOwnerError, SQLAlchemyError, QueryTimeoutError, WriterBusyError, WriterClosedError)

# More than this does not wait for the next commit: memory stays bounded while much is read.
MANY_ROWS: Final = 10_000
# After a commit so many times as long as it took, at most so long, unless more waits than memory should hold.
GAP_FACTOR: Final = 3.0
LONGEST_GAP_SECONDS: Final = 10.0
# What hosts send does not wait for longer than it takes to write so many.
EVENTS_AT_ONCE: Final = 300


@dataclass(frozen=True)
class FoldSettings:
    """Times in seconds. `owner` names this collector; it stays the same over its restarts. `shared`: other collectors
    use the database too.

    `judge_every`: findings that time alone raises appear so soon. `judge_gap`: so much lies between two judgements of a
    pool however much happens; `judge_behind`: after so long it is judged though not everything is read.
    `slice`: for so long one pool may read before the others have their turn.
    `commit_gap`: so much lies between two commits of a pool, unless many rows wait: what a crash takes back is read
    again; longer where a commit took long, 0 for none. `store_every`: what was observed is in the database so soon.
    """

    owner: str
    version: int
    shared: bool = False
    lease: float = 15.0
    judge_behind: float = 10.0
    judge_every: float = 2.0
    judge_gap: float = 0.2
    slice: float = 0.3
    retry: float = 2.0
    commit_gap: float = 0.5
    store_every: float = 10.0


@dataclass
class _Times:
    """Of the monotonic clock."""

    leased: float = -1e9
    judged: float = -1e9
    judging: float = 0.0
    stored: float = 0.0
    storing: float = 0.0
    retry: float = 0.0


@dataclass
class _Waiting:
    """What came for the pool and was not given to its fold yet. `behind`: hosts with more than the last batch held."""

    dirty: dict[int, None] = field(default_factory=dict)
    behind: set[int] = field(default_factory=set)
    picture: Picture | None = None
    changed: bool = True


class PoolDriver:
    """`turn` does a bounded piece of work; `due_in` says when the next is worth a turn."""

    def __init__(self, pool_uuid: str, store: FoldStore, settings: FoldSettings, thresholds: Thresholds) -> None:
        self.pool_uuid = pool_uuid
        self.problem = ""
        self.hosts: dict[int, HostRow] = {}
        self._store = store
        self._settings = settings
        self._thresholds = thresholds
        self._ownership: Ownership | None = None
        self._fold: PoolFold | None = None
        self._waiting = _Waiting()
        self._picture: Picture | None = None
        self._news: BackupNews | None = None
        self._trusted = TrustSeen()
        self._times = _Times()
        self._building = False
        self._shown = False

    # --- what comes in ----------------------------------------------------------------------------------------

    def set_hosts(self, hosts: Iterable[HostRow], settled: bool) -> None:
        """The hosts whose evidence is this pool's. `settled`: one that is missing has left, and takes its facts along:
        the pool is folded anew without it.
        """
        now = {host.host_id: host for host in hosts}
        if settled and self._fold is not None and not now.keys() >= self._fold.hosts.keys():
            LOG.info("pool %s: a host has left", self.pool_uuid)
            self._start_over()
        for host_id in now.keys() - self.hosts.keys():
            self._waiting.dirty[host_id] = None
        self.hosts = now

    def evidence(self, host_id: int) -> None:
        """This host has new lines or gaps."""
        self._waiting.dirty[host_id] = None

    def observed(self, host_id: int, observation: Observation, received_at: datetime | None) -> None:
        """A host's Samples or Status; of no use before the fold is loaded, which reads the newest ones itself."""
        if self._fold is not None and host_id in self._fold.hosts:
            self._fold.observe(host_id, observation, received_at, caught_up=host_id not in self._waiting.dirty)
            self._waiting.changed = True

    def stream_changed(self, host_uuid: str, connected: bool, at: datetime) -> None:
        """A host's agent came or went."""
        if self._fold is not None:
            self._fold.stream_changed(host_uuid, connected, at)
            self._waiting.changed = True

    def duplicate_refused(self, duplicate: DuplicateRefused) -> None:
        """A second dom0 came with the certificate of a host of this pool."""
        if self._fold is not None:
            self._fold.duplicate_refused(duplicate)
            self._waiting.changed = True

    def trusted(self, seen: TrustSeen) -> None:
        """What is known of all hosts' identities."""
        self._trusted = seen
        if self._fold is not None:
            self._fold.trusted(seen)
            self._waiting.changed = True

    def see(self, picture: Picture) -> None:
        """The pool's newest picture."""
        self._picture = picture
        if self._fold is not None:
            self._fold.see(picture)
        self._waiting.changed = True

    def tell(self, news: BackupNews) -> None:
        """What is known of the pool's backups from outside of it."""
        self._news = news
        if self._fold is not None:
            self._fold.tell(news)
        self._waiting.changed = True

    # --- turns ------------------------------------------------------------------------------------------------

    def due_in(self, clock: float) -> float:
        """Seconds until a turn is worth it; 0 or less: now."""
        times = self._times
        if self._fold is None:
            return times.retry - clock
        if self._waiting.dirty:
            return 0.0
        due = self._judging_in(clock)
        return min(due, times.stored + self._commit_gap() - clock) if self._fold.dirty else due

    def turn(self, now: datetime) -> Judged | None:
        """Read on, judge when everything is read, commit. None where there is nothing to show."""
        try:
            judged = self._turn(now)
        except TROUBLE as error:
            self._failed(str(error).split("\n", 1)[0])
            return None
        except Exception as error:  # one pool's bug must not stop the others
            LOG.debug("fold of pool %s", self.pool_uuid, exc_info=True)
            self._failed(f"{type(error).__name__}: {error}")
            return None
        self.problem = ""
        return judged

    def _turn(self, now: datetime) -> Judged | None:
        if not self._owned():
            self._drop()
            self._times.retry = time.monotonic() + self._settings.retry
            return stored_answer(self._store, self.pool_uuid)
        fold = self._loaded(now)
        self._read(fold)
        judged = self._judged(fold, now) if self._judging_due() else None
        if self._commit_due(fold):
            began = time.monotonic()
            self._commit(fold.pending(now), now)
            self._times.storing = time.monotonic() - began
        if judged is not None and self._building:
            self._built()
        if judged is None and not self._shown:
            judged = stored_answer(self._store, self.pool_uuid)
        self._shown = True
        return judged

    def _commit_due(self, fold: PoolFold) -> bool:
        since = time.monotonic() - self._times.stored
        if fold.dirty:
            many = fold.waiting_rows >= MANY_ROWS and since >= self._times.storing
            return since >= self._commit_gap() or many or self._building
        return since >= self._settings.store_every

    def _commit_gap(self) -> float:
        """Pools share the thread: one whose hosts made it dear to store leaves time for the others."""
        least = self._settings.commit_gap
        return max(least, min(LONGEST_GAP_SECONDS, GAP_FACTOR * self._times.storing)) if least else 0.0

    def _owned(self) -> bool:
        """Take the pool, or renew its lease; whether it is ours."""
        clock, settings = time.monotonic(), self._settings
        if self._ownership is not None and clock - self._times.leased < settings.lease / 3:
            return True
        taken = self._store.writer.write(lambda c: take_pool(c, self.pool_uuid, settings.owner, settings.lease))
        if self._ownership is not None and taken != self._ownership:
            # Another collector had it in between and wrote on: what is in memory is not what is stored.
            self._drop()
        if taken is not None and self._ownership is None:
            LOG.info("pool %s: owned in term %d", self.pool_uuid, taken.term)
        self._ownership, self._times.leased = taken, clock
        return taken is not None

    def _loaded(self, now: datetime) -> PoolFold:
        fold = self._fold
        if fold is None:
            loaded, hosts = load_pool(
                self._store, self.pool_uuid, self._settings.version, self._thresholds, self.hosts.keys()
            )
            fold, self._building = loaded.fold, loaded.building
            if loaded.refused:
                LOG.warning("pool %s: its evidence is folded from the beginning: %s", self.pool_uuid, loaded.refused)
                self._forget()
            self._join(fold, hosts, now)
        elif self.hosts.keys() > fold.hosts.keys():
            self._join(fold, load_hosts(self._store, self.hosts.keys() - fold.hosts.keys()), now)
        self._fold = fold
        return fold

    def _join(self, fold: PoolFold, hosts: Iterable[HostLoaded], now: datetime) -> None:
        """Hosts begin to count, as they stand."""
        joining = list(hosts)
        if self._picture is not None:
            fold.see(self._picture)
        if self._news is not None:
            fold.tell(self._news)
        for host in joining:
            fold.add_host(host.fold)
            self._waiting.dirty[host.row.host_id] = None
            self._waiting.behind.add(host.row.host_id)
        fold.trusted(self._trusted)
        fold.resume_coverage([host.fold for host in joining], now)
        for host in joining:
            at = host.row.last_seen_at or host.row.connected_at
            if at is not None:
                fold.stream_changed(host.row.uuid, host.row.stream_open, at)
            for observation in host.observations:
                fold.observe(host.row.host_id, observation, None, caught_up=False)

    def _read(self, fold: PoolFold) -> None:
        """New lines of each host that has some, one batch each, until the slice is over."""
        until = time.monotonic() + self._settings.slice
        for host_id in list(self._waiting.dirty):
            del self._waiting.dirty[host_id]
            host = fold.hosts.get(host_id)
            if host is None:
                self._waiting.behind.discard(host_id)
                continue
            cursors, gap_id = dict(host.cursors), host.gap_id
            batch = self._store.readers.call(lambda c, h=host_id, k=cursors, g=gap_id: fetch(c, h, k, g))  # type: ignore[misc]
            fold.take(batch)
            self._waiting.changed = True
            if batch.more:
                # To the end of the queue: every host gets on.
                self._waiting.dirty[host_id] = None
                self._waiting.behind.add(host_id)
            else:
                self._waiting.behind.discard(host_id)
            if time.monotonic() > until:
                return

    def _judging_due(self) -> bool:
        """When no host is behind; a fold that was there before and falls behind says so after a while."""
        clock = time.monotonic()
        if self._waiting.behind:
            return not self._building and clock - self._times.judged > self._settings.judge_behind
        return self._judging_in(clock) <= 0

    def _judging_in(self, clock: float) -> float:
        times, settings = self._times, self._settings
        gap = max(settings.judge_gap, 3 * times.judging)
        return times.judged + (gap if self._waiting.changed else max(gap, settings.judge_every)) - clock

    def _judged(self, fold: PoolFold, now: datetime) -> Judged:
        began = time.monotonic()
        judged = fold.judge(now)
        self._times.judged = time.monotonic()
        self._times.judging = self._times.judged - began
        self._waiting.changed = False
        return judged

    def _commit(self, step: FoldStep, now: datetime) -> None:
        ownership = self._ownership
        assert ownership is not None
        while len(step.events) > EVENTS_AT_ONCE:
            # By themselves they say nothing yet, and what a crash takes back writes them again.
            some, rest = step.events[:EVENTS_AT_ONCE], step.events[EVENTS_AT_ONCE:]
            self._store.writer.write(
                lambda c, e=some: write_events(c, ownership, e),  # type: ignore[misc]
                weight=200 * len(some),
                cost=len(some),
            )
            step = step._replace(events=rest)
        rows = len(step.events) + len(step.runs) + len(step.findings)
        weight = 4096 + len(step.state or b"") + 200 * rows
        self._store.writer.write(lambda c: _write(c, ownership, step, now), weight=weight, cost=rows)
        self._times.stored = time.monotonic()

    # --- endings ----------------------------------------------------------------------------------------------

    def _built(self) -> None:
        """This version has caught up: what older ones left is dropped."""
        ownership, version = self._ownership, self._settings.version
        assert ownership is not None
        for older in self._store.readers.call(lambda c: fold_versions(c, self.pool_uuid)):
            if older != version:
                self._store.writer.write(lambda c, v=older: forget_version(c, ownership, v))  # type: ignore[misc]
                LOG.info("pool %s: folded anew by version %d", self.pool_uuid, version)
        self._building = False

    def _forget(self) -> None:
        ownership, version = self._ownership, self._settings.version
        if ownership is not None:
            self._store.writer.write(lambda c: forget_version(c, ownership, version))

    def _start_over(self) -> None:
        self._drop()
        try:
            self._forget()
        except TROUBLE as error:
            self._failed(str(error).split("\n", 1)[0])

    def _failed(self, reason: str) -> None:
        """What is in memory may be ahead of the database: it goes, and is loaded again later."""
        if reason != self.problem:
            LOG.warning("pool %s is not folded now: %s", self.pool_uuid, reason)
        self.problem = reason or "unknown"
        self._drop()
        self._waiting.dirty.update(dict.fromkeys(self.hosts))
        self._times.retry = time.monotonic() + self._settings.retry

    def _drop(self) -> None:
        self._fold = None
        self._waiting.changed = True
        self._waiting.behind.clear()

    def close(self) -> None:
        """Commit what was gathered and give the pool up."""
        ownership, fold = self._ownership, self._fold
        if ownership is None:
            return
        try:
            if fold is not None and not self.problem:
                self._commit(fold.pending(self._store.clock()), self._store.clock())
            self._store.writer.write(lambda c: release_pool(c, ownership))
        except TROUBLE as error:
            LOG.warning("pool %s: %s", self.pool_uuid, str(error).split("\n", 1)[0])


def _write(connection: Connection, ownership: Ownership, step: FoldStep, now: datetime) -> None:
    """The step, and the end of the mutes of findings that cleared or got worse."""
    commit_step(connection, ownership, step, now)
    for moved in step.transitions:
        if moved.change in ("cleared", "worse"):
            lift_mutes(connection, ownership.pool_uuid, moved.code, moved.subject_uuid, now)

"""The one fold: a thread that gives every pool its turn, as evidence, observations, pictures and time ask for it."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from chainwatch_collector.fold.assignment import UNASSIGNED, assign
from chainwatch_collector.fold.elsewhere import Elsewhere
from chainwatch_collector.fold.inbox import Inbox, Mail
from chainwatch_collector.fold.loading import FoldStore
from chainwatch_collector.fold.pool_driver import TROUBLE, FoldSettings, PoolDriver
from chainwatch_collector.fold.pool_fold import Judged
from chainwatch_collector.fold.trusted import trust_seen
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.keep.evidence import evidence_versions, hosts
from chainwatch_collector.keep.projections import pools_of_hosts
from chainwatch_collector.keep.rows import HostRow
from chainwatch_collector.track.observations import TrustSeen

LOG = logging.getLogger(__name__)
# New evidence is told by this collector's own streams; what others commit is found by looking.
POLL_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 1.0
ELSEWHERE_SECONDS: Final = 3.0
# A host is nobody's only after the pools had so long to say that it is theirs.
SETTLE: Final = timedelta(seconds=30)


class FoldThread:
    """`publish` is called in this thread with each new answer of a pool, `placed` with host uuid → pool uuid."""

    def __init__(
        self,
        store: FoldStore,
        inbox: Inbox,
        settings: FoldSettings,
        thresholds: Thresholds,
        publish: Callable[[Judged], None],
        placed: Callable[[Mapping[str, str]], None],
        configured: int,
    ) -> None:
        self.pools: dict[str, PoolDriver] = {}
        self._store, self._inbox, self._settings, self._thresholds = store, inbox, settings, thresholds
        self._publish, self._placed, self._configured = publish, placed, configured
        self._pictures: dict[str, Picture] = {}
        self._hosts: dict[str, HostRow] = {}
        self._homes: dict[int, str] = {}
        self._versions: dict[int, int] = {}
        self._earlier: dict[int, str] | None = None
        self._began_at = store.clock()
        self._polled = -1e9
        self._members: frozenset[tuple[str, str]] = frozenset()
        self._here: set[str] = set()
        self._elsewhere = Elsewhere() if settings.shared else None
        self._looked = -1e9
        self._trusted = TrustSeen()
        self._looked_at_trust = -1e9
        self._settled = False
        self._thread = threading.Thread(target=self._run, name="fold", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """Wait until everything is committed and the pools are given up; after `Inbox.close`."""
        self._thread.join()

    def problems(self) -> dict[str, str]:
        """Pool uuid → why it is not folded now."""
        return {uuid: driver.problem for uuid, driver in list(self.pools.items()) if driver.problem}

    def _run(self) -> None:
        while not self._inbox.closed:
            self._deliver(self._inbox.take(self._wait_seconds()))
            self._poll()
            self._look_elsewhere()
            self._look_at_trust()
            for driver in list(self.pools.values()):
                if driver.due_in(time.monotonic()) <= 0 and not self._inbox.closed:
                    judged = driver.turn(self._store.clock())
                    if judged is not None:
                        self._publish(judged)
        for driver in self.pools.values():
            driver.close()

    def _wait_seconds(self) -> float:
        clock = time.monotonic()
        due = [driver.due_in(clock) for driver in self.pools.values()]
        return max(0.0, min([LONGEST_WAIT_SECONDS, *due]))

    # --- mail -------------------------------------------------------------------------------------------------

    def _deliver(self, mail: Mail) -> None:
        named = mail.evidence | {uuid for uuid, _, _ in mail.streams}
        if not named <= self._hosts.keys():
            self._polled = -1e9
        for uuid in mail.retired & self.pools.keys():
            self._pictures.pop(uuid, None)
            self.pools.pop(uuid).close()
        if mail.pictures:
            self._pictures.update(mail.pictures)
            members = frozenset((uuid, h.uuid) for uuid, p in self._pictures.items() for h in p.hosts.values())
            if members != self._members:
                self._members = members
                self._place()
            for uuid, picture in mail.pictures.items():
                self._driver(uuid).see(picture)
        for uuid, news in mail.news.items():
            if uuid in self.pools:
                self.pools[uuid].tell(news)
        for uuid, connected, at in mail.streams:
            (self._here.add if connected else self._here.discard)(uuid)
            for _, driver in self._home_of(uuid):
                driver.stream_changed(uuid, connected, at)
        for duplicate in mail.duplicates.values():
            for _, driver in self._home_of(duplicate.host_uuid):
                driver.duplicate_refused(duplicate)
        for observation, at in mail.observations:
            for host_id, driver in self._home_of(observation.host_uuid):
                driver.observed(host_id, observation, at)
        for uuid in mail.evidence:
            for host_id, driver in self._home_of(uuid):
                driver.evidence(host_id)

    def _home_of(self, host_uuid: str) -> list[tuple[int, PoolDriver]]:
        """(host id, its pool's driver), empty where the host has no place yet."""
        host = self._hosts.get(host_uuid)
        home = self._homes.get(host.host_id) if host is not None else None
        return [(host.host_id, self.pools[home])] if host is not None and home is not None else []

    def _driver(self, pool_uuid: str) -> PoolDriver:
        driver = self.pools.get(pool_uuid)
        if driver is None:
            driver = self.pools[pool_uuid] = PoolDriver(pool_uuid, self._store, self._settings, self._thresholds)
            driver.trusted(self._trusted)
        return driver

    # --- the database -----------------------------------------------------------------------------------------

    def _poll(self) -> None:
        """New hosts, and evidence that came by way of another collector."""
        if time.monotonic() - self._polled < POLL_SECONDS:
            return
        try:
            if self._earlier is None:
                self._earlier = self._store.readers.call(pools_of_hosts)
            versions = self._store.readers.call(evidence_versions)
            if versions.keys() != self._versions.keys():
                self._hosts = {host.uuid: host for host in self._store.readers.call(hosts)}
        except TROUBLE as error:
            LOG.warning("the fold cannot read the database: %s", str(error).split("\n", 1)[0])
            return
        finally:
            self._polled = time.monotonic()
        changed = [host_id for host_id, version in versions.items() if self._versions.get(host_id) != version]
        new_hosts = versions.keys() != self._versions.keys()
        self._versions = versions
        if new_hosts or (not self._settled and self._is_settled()):
            self._place()
        for host_id in changed:
            home = self._homes.get(host_id)
            if home is not None:
                self.pools[home].evidence(host_id)

    def _look_elsewhere(self) -> None:
        """What agents of these pools told other collectors."""
        if self._elsewhere is None or time.monotonic() - self._looked < ELSEWHERE_SECONDS:
            return
        self._looked = time.monotonic()
        try:
            told = self._elsewhere.look(self._store.readers, frozenset(self._here))
        except TROUBLE as error:
            LOG.warning("the fold cannot read the database: %s", str(error).split("\n", 1)[0])
            return
        for uuid, connected, at in told.streams:
            for _, driver in self._home_of(uuid):
                driver.stream_changed(uuid, connected, at)
        for observation in told.observations:
            for host_id, driver in self._home_of(observation.host_uuid):
                driver.observed(host_id, observation, None)

    def _look_at_trust(self) -> None:
        """Who was revoked, and which second dom0 was refused, at whichever collector."""
        if time.monotonic() - self._looked_at_trust < ELSEWHERE_SECONDS:
            return
        self._looked_at_trust = time.monotonic()
        try:
            seen = self._store.readers.call(trust_seen)
        except TROUBLE as error:
            LOG.warning("the fold cannot read the database: %s", str(error).split("\n", 1)[0])
            return
        if seen != self._trusted:
            self._trusted = seen
            for driver in self.pools.values():
                driver.trusted(seen)

    def _is_settled(self) -> bool:
        asked = sum(1 for picture in self._pictures.values() if picture.hosts)
        return asked >= self._configured or self._store.clock() - self._began_at >= SETTLE

    def _place(self) -> None:
        """Give every host its pool."""
        self._settled = self._settled or self._is_settled()
        earlier = {**(self._earlier or {}), **self._homes}
        self._homes = assign(self._hosts.values(), self._pictures, earlier, self._settled)
        by_pool: dict[str, list[HostRow]] = {uuid: [] for uuid in self.pools}
        for host in self._hosts.values():
            home = self._homes.get(host.host_id)
            if home is not None:
                by_pool.setdefault(home, []).append(host)
        for uuid, members in by_pool.items():
            known = uuid == UNASSIGNED or (uuid in self._pictures and bool(self._pictures[uuid].hosts))
            self._driver(uuid).set_hosts(members, settled=known and self._settled)
        uuids = {host.host_id: host.uuid for host in self._hosts.values()}
        self._placed({uuids[host_id]: pool for host_id, pool in self._homes.items()})

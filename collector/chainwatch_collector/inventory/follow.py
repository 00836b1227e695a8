"""The thread that follows one pool: log in, fetch, then batch after batch of events, as long as the collector lives.

A session that still answers continues with its token after a broken connection; a new session fetches everything anew,
since what its coordinator remembers of deletions may be another's. After every batch the number of objects is compared
with what xapi counts: it drops deletions silently, and this is a complete detector.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

import XenAPI

from chainwatch_collector.inventory import fetch
from chainwatch_collector.inventory.assembly import Assembly
from chainwatch_collector.inventory.connection import Connection, Pace, with_port_of
from chainwatch_collector.inventory.dial import Credentials, Dialer, LoggedIn, log_out
from chainwatch_collector.inventory.member_certificates import member_fingerprints
from chainwatch_collector.inventory.messages import MessageLog
from chainwatch_collector.inventory.methods import CLASSES
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.problems import TRANSPORT_ERRORS, Problem, problem_of
from chainwatch_collector.inventory.rates import RatesPoller
from chainwatch_collector.inventory.records import Ref
from chainwatch_collector.inventory.self_check import CheckPace, SelfCheck
from chainwatch_collector.inventory.session import EventBatch, PoolSession, Timeouts
from chainwatch_collector.inventory.tls import Trust

LOG: Final = logging.getLogger(__name__)
FAULT_SECONDS: Final = 30.0
NOT_ASKED: Final = "network: not asked yet since the collector started"
EVENT_CLASSES: Final = tuple(name.lower() for name in CLASSES)


class Rhythm(NamedTuple):
    """Seconds. `pause`: between two calls, since each costs the coordinator a pass over its tables; `wait`: how long
    the server may hold a call; `margin`: how much later the answer may come at first, doubled up to `most_margin` when
    it does not: a connection that is half open is found that fast. These three make that what changed is seen within
    5 s, also through a connection that is lost meanwhile. `messages`: between two polls; `rates`: likewise of
    the hosts' rates, while a transfer runs; `check`: when the picture is compared with everything read anew;
    `certificates`: between two looks at those of the hosts, where they are pinned.
    """

    pause: float = 1.0
    wait: float = 1.0
    margin: float = 1.5
    most_margin: float = 60.0
    messages: float = 30.0
    rates: float = 60.0
    check: CheckPace = CheckPace()
    certificates: float = 3600.0


@dataclass
class FollowCounters:
    """Totals since start; `repaired` counts objects that were found wrong by their number, `self_check_repaired` those
    that a self-check found, which should be none.
    """

    logins: int = 0
    full_fetches: int = 0
    batches: int = 0
    events: int = 0
    repairs: int = 0
    repaired: int = 0
    self_checks: int = 0
    self_check_repaired: int = 0
    errors: int = 0


class PoolFollower:
    """`start`, then `on_picture(key, picture)` from its own thread at every change and at least every few seconds.

    Where certificates are pinned, `on_learned(key, fingerprints)` is told those of the hosts whenever they changed.

    `picture` is the newest; `before` the one that was stored, shown until the pool answers.
    """

    def __init__(
        self,
        key: str,
        addresses: tuple[str, ...],
        credentials: Credentials,
        trust: Trust,
        on_picture: Callable[[str, Picture], None],
        *,
        before: Picture | None = None,
        rhythm: Rhythm | None = None,
        pace: Pace | None = None,
        timeouts: Timeouts | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_learned: Callable[[str, frozenset[str]], None] = lambda _key, _fingerprints: None,
    ) -> None:
        self.key = key
        self._trust = trust
        self._on_learned = on_learned
        self._certificates = frozenset[Ref](), float("-inf")
        self.counters = FollowCounters()
        self.picture = _not_asked(before, clock())
        self._on_picture = on_picture
        self._rhythm = rhythm or Rhythm()
        self._margin = self._rhythm.margin
        self._clock = clock
        self._stop = threading.Event()
        hosts = self.picture.hosts.values()
        members = tuple(with_port_of(host.address, addresses[0]) for host in hosts if host.address)
        pool_uuid = self.picture.pool.uuid if self.picture.pool is not None else ""
        self._connection = Connection(addresses, members, pool_uuid, pace, _spread)
        self._dialer = Dialer(
            self._connection, credentials, trust, timeouts or Timeouts(), self._stop, self._show_problem
        )
        self._rates = RatesPoller(trust, self._rhythm.rates)
        self._check = SelfCheck(self._rhythm.check, _widely)
        self._session: PoolSession | None = None
        self._assembly: Assembly | None = None
        self._messages = MessageLog(self.picture.messages)
        self._messages_at = float("-inf")
        self._token = ""
        self._accepted: dict[str, tuple[int, int]] = {}
        self._seen: dict[str, tuple[int, int]] = {}
        self._thread = threading.Thread(target=self._run, name=f"xenapi-{key}", daemon=True)

    def start(self) -> None:
        """Show what is known and begin."""
        self._on_picture(self.key, self.picture)
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> bool:
        """End the call under way, log out, join; False where the thread still lives after `seconds`."""
        self._stop.set()
        self._dialer.abort()
        session = self._session
        if session is not None:
            session.abort()
        if self._thread.ident is not None:
            self._thread.join(seconds)
        self._rates.stop(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                held = self._session if self._assembly is not None else None
                found = self._dialer.dial(held)
                if found is not None:
                    self._use(found)
            except Exception:  # a fault of ours: the pool must show as unreachable, not as it was
                LOG.exception("pool %s: its session ended", self.key)
                self._show_problem(Problem("reply", "an internal error ended the session; see the collector's log"))
                self._forget()
                self._stop.wait(FAULT_SECONDS)
        self._end()

    def _use(self, found: LoggedIn) -> None:
        old = self._session
        if found.session is not old:
            self._forget()
            self.counters.logins += 1
        left = old.handle if old is not None and old is not found.session else None
        self._session = found.session
        try:
            if left:
                found.session.end_session(left)
            self._follow(found.session)
        except fetch.StoppedError:
            pass
        except (XenAPI.Failure, *TRANSPORT_ERRORS) as error:
            self._broke(found.session, problem_of(error))

    def _broke(self, session: PoolSession, problem: Problem) -> None:
        if self._stop.is_set():
            return
        self.counters.errors += 1
        LOG.info("pool %s: %s: %s", self.key, session.address, problem.text)
        self._connection.broke(session.address, problem)
        if problem.kind in ("session", "slave"):
            self._forget()
        elif problem.kind != "network":
            log_out(session)
            self._forget()
        if problem.text == "no answer in time":
            self._margin = min(self._margin * 2, self._rhythm.most_margin)

    def _follow(self, session: PoolSession) -> None:
        if self._assembly is None:
            self._fetch(session)
        elif not self._stop.is_set():
            self._step(session)  # at once: time was lost already
        while not self._stop.wait(self._rhythm.pause):
            self._step(session)

    def _fetch(self, session: PoolSession) -> None:
        began = time.monotonic()
        assembly, self._token = fetch.fetch_all(session, self._stop.is_set)
        self.counters.full_fetches += 1
        self._accepted.clear()
        self._check.restart()
        self._assembly = assembly
        LOG.info("pool %s: %d VDIs in %.1f s", self.key, assembly.count("VDI"), time.monotonic() - began)
        self._poll_messages(session)
        self._show()
        self._learn_certificates(session)

    def _step(self, session: PoolSession) -> None:
        assembly = self._assembly
        assert assembly is not None
        session.patience(self._rhythm.wait + self._margin)
        try:
            batch = session.events(EVENT_CLASSES, self._token, self._rhythm.wait)
        finally:
            session.patience()
        self._margin = max(self._margin * 0.9, self._rhythm.margin)
        self.counters.batches += 1
        self.counters.events += fetch.apply_batch(assembly, batch)
        self._token = batch.token
        self._compare(session, assembly, batch.counts)
        self._self_check(session, assembly, batch)
        fetch.complete(session, assembly)
        self._poll_messages(session)
        self._connection.steady()
        self._show()
        self._learn_certificates(session)

    def _compare(self, session: PoolSession, assembly: Assembly, counts: dict[str, int]) -> None:
        """Repair what differs, once: what a repair cannot bring in line (a role that hides rows) is left."""
        for kind, pair in fetch.differing(assembly, counts).items():
            before, self._seen[kind] = self._seen.get(kind), pair
            if self._accepted.get(kind) == pair or (kind == "task" and before != pair):
                continue  # tasks come and go between two looks: only what stays is wrong
            wrong = fetch.repair(session, assembly, kind)
            self.counters.repairs += 1
            self.counters.repaired += wrong
            LOG.info("pool %s: %s: %d here, %d there, %d repaired", self.key, kind, *pair, wrong)
            self._accepted[kind] = (assembly.count(kind), pair[1])

    def _self_check(self, session: PoolSession, assembly: Assembly, batch: EventBatch) -> None:
        wrong = self._check.step(session, assembly, batch)
        self.counters.self_checks = self._check.checks
        self.counters.self_check_repaired += wrong
        if wrong:
            LOG.warning("pool %s: the self-check found %d objects wrong and repaired them", self.key, wrong)

    def _learn_certificates(self, session: PoolSession) -> None:
        """A member that becomes the coordinator must be trusted: over this session, which is, its certificate is told.

        Looked at when hosts came or went, and now and then since one may be renewed.
        """
        hosts, (seen, at) = frozenset(self.picture.hosts), self._certificates
        if not self._trust.learns or (hosts == seen and time.monotonic() - at < self._rhythm.certificates):
            return
        self._certificates = hosts, time.monotonic()
        try:
            learned = frozenset(member_fingerprints(session).values())
        except XenAPI.Failure as failure:
            LOG.warning("pool %s: its certificates are not told: %s", self.key, problem_of(failure).text)
            return
        if learned and learned != self._trust.learned:
            LOG.info("pool %s: the certificates of %d hosts are trusted, as it told them", self.key, len(learned))
            self._trust = self._dialer.trust = self._rates.trust = replace(self._trust, learned=learned)
            self._on_learned(self.key, learned)

    def _poll_messages(self, session: PoolSession) -> None:
        if time.monotonic() - self._messages_at < self._rhythm.messages:
            return
        log = self._messages
        found = session.call("message.get_since", log.since(self._clock()))
        log.add(found if isinstance(found, dict) else {})
        for uuid in log.standing():
            if fetch.read_or_gone(session, "message.get_by_uuid", uuid) is None:
                log.withdraw(uuid)
        self._messages_at = time.monotonic()

    def _show(self) -> None:
        hosts = self.picture.hosts
        if self._assembly is not None and self._session is not None:
            picture = self._assembly.picture(self.picture, self._clock(), self._messages.messages)
            rates = self._rates.look(picture, self._session.address, self._session.handle)
            self.picture = replace(picture, rates=rates) if rates else picture
            if self.picture.hosts is not hosts:
                addresses = (host.address for host in self.picture.hosts.values())
                self._connection.learn(self._session.address, addresses)
            self._on_picture(self.key, self.picture)

    def _show_problem(self, problem: Problem) -> None:
        since = self.picture.problem_since if self.picture.problem else None
        self.picture = replace(
            self.picture, problem=f"{problem.kind}: {problem.text}", problem_since=since or self._clock()
        )
        self._on_picture(self.key, self.picture)

    def _forget(self) -> None:
        """The next session fetches everything anew."""
        session, self._session, self._assembly = self._session, None, None
        if session is not None:
            session.close()

    def _end(self) -> None:
        self._dialer.close()
        if self._session is not None:
            self._session.close()  # `stop` may have ended the connection in the middle of a call
            log_out(self._session)
            self._session = None


def _not_asked(before: Picture | None, now: datetime) -> Picture:
    known = before or Picture(pool=None, as_of=None)
    return replace(known, problem=NOT_ASKED, problem_since=now)


def _spread(seconds: float) -> float:
    return seconds * random.uniform(1.0, 1.3)  # no secret: pools that failed together do not come back together


def _widely(seconds: float) -> float:
    return seconds * random.uniform(0.5, 1.5)

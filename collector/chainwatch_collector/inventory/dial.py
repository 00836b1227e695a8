"""Log in to a pool: carries out what `Connection` says, several addresses side by side where it says so."""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final, NamedTuple

import XenAPI

from chainwatch_collector.inventory.connection import Connection, Pause
from chainwatch_collector.inventory.problems import TRANSPORT_ERRORS, Problem, problem_of
from chainwatch_collector.inventory.session import PoolSession, Timeouts
from chainwatch_collector.inventory.tls import Trust, TrustError

LOG: Final = logging.getLogger(__name__)
MOST_AT_ONCE: Final = 8


class Credentials(NamedTuple):
    """Read when needed, so that a changed password file is taken up. `password()` may raise `SecretError`."""

    username: str
    password: Callable[[], str]


class SecretError(Exception):
    """A secret that cannot be read; says which file and the fix, never what is in it."""


class LoggedIn(NamedTuple):
    """A session and what it said of its pool."""

    session: PoolSession
    pool_uuid: str
    host_addresses: tuple[str, ...]
    resumed: bool = False


class Dialer:
    """One pool's logins. `on_pause(problem)` is told when nobody could be reached; `resume_seconds`: how long the
    session that just broke may take to answer on a new connection before a new one is opened. `trust` is that of the
    next login.
    """

    def __init__(
        self,
        connection: Connection,
        credentials: Credentials,
        trust: Trust,
        timeouts: Timeouts,
        stop: threading.Event,
        on_pause: Callable[[Problem], None],
        resume_seconds: float = 2.0,
    ) -> None:
        self._connection = connection
        self._credentials = credentials
        self.trust = trust
        self._timeouts = timeouts
        self._stop = stop
        self._on_pause = on_pause
        self._resume_seconds = resume_seconds
        self._threads: ThreadPoolExecutor | None = None
        self._under_way: list[PoolSession] = []
        self._lock = threading.Lock()

    def dial(self, held: PoolSession | None = None) -> LoggedIn | None:
        """The next session, None where the collector stops. `held`: a session that may still be valid."""
        while not self._stop.is_set():
            step = self._connection.next_step()
            if isinstance(step, Pause):
                self._on_pause(step.problem)
                self._stop.wait(step.seconds)
                continue
            if held is not None and held.address in step.addresses:
                resumed = self._resume(held)
                if resumed is not None:
                    return resumed
                held = None
            found = self._first_of(step.addresses)
            if found is not None:
                return found
        return None

    def abort(self) -> None:
        """From another thread: end what is under way."""
        with self._lock:
            for session in self._under_way:
                session.abort()

    def close(self) -> None:
        """Wait for logins that lost the race."""
        if self._threads is not None:
            self.abort()
            self._threads.shutdown(wait=True)
            self._threads = None

    def _resume(self, held: PoolSession) -> LoggedIn | None:
        held.close()
        held.patience(self._resume_seconds)
        try:
            said = _of_pool(held, resumed=True)
        except (XenAPI.Failure, *TRANSPORT_ERRORS):
            held.close()
            return None
        finally:
            held.patience()
        return said if self._accept(said) else None

    def _first_of(self, addresses: tuple[str, ...]) -> LoggedIn | None:
        for address, outcome in self._outcomes(addresses):
            if isinstance(outcome, Problem):
                LOG.debug("%s: %s", address, outcome.text)
                self._connection.failed(address, outcome)
            elif self._accept(outcome):
                return outcome
        return None

    def _accept(self, said: LoggedIn) -> bool:
        problem = self._connection.logged_in(said.session.address, said.pool_uuid, said.host_addresses)
        if problem is None:
            return True
        LOG.warning("%s", problem.text)
        log_out(said.session)
        return False

    def _outcomes(self, addresses: tuple[str, ...]) -> Iterator[tuple[str, LoggedIn | Problem]]:
        """As they come; logins that are not waited for any more log out when they succeed."""
        if len(addresses) == 1:
            yield addresses[0], self._log_in(addresses[0])
            return
        if self._threads is None:
            self._threads = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="xenapi-dial")
        waiting = {self._threads.submit(self._log_in, address): address for address in addresses}
        try:
            while waiting and not self._stop.is_set():
                done, _ = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    yield waiting.pop(future), future.result()
        finally:
            for future in waiting:
                future.add_done_callback(_discard)

    def _log_in(self, address: str) -> LoggedIn | Problem:
        try:
            password = self._credentials.password()
            session = PoolSession(address, self.trust, self._timeouts)
        except (SecretError, TrustError) as error:
            return Problem("login" if isinstance(error, SecretError) else "tls", str(error))
        with self._lock:
            self._under_way.append(session)
        try:
            if self._stop.is_set():
                return Problem("network", "the collector stops")
            session.patience(self._timeouts.login)
            session.login(self._credentials.username, password)
            said = _of_pool(session)
            session.patience()
            return said
        except (XenAPI.Failure, *TRANSPORT_ERRORS) as error:
            log_out(session)
            return problem_of(error)
        finally:
            with self._lock:
                self._under_way.remove(session)


def log_out(session: PoolSession) -> None:
    """Best effort: xapi ends what is left after a day."""
    try:
        session.logout()
    except (XenAPI.Failure, *TRANSPORT_ERRORS) as error:
        LOG.debug("logout at %s: %s", session.address, problem_of(error).text)


def _of_pool(session: PoolSession, *, resumed: bool = False) -> LoggedIn:
    uuids = [str(record.get("uuid", "")) for _, record in session.records("pool")]
    addresses = tuple(str(record.get("address", "")) for _, record in session.records("host"))
    return LoggedIn(session, uuids[0] if uuids else "", addresses, resumed)


def _discard(future: "Future[LoggedIn | Problem]") -> None:
    outcome = future.result()
    if isinstance(outcome, LoggedIn):
        log_out(outcome.session)

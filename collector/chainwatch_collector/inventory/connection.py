"""Where to log in next: a state machine over answers, without a clock and without I/O.

try one address -> logged in: pool uuid checked, members learned
                -> HOST_IS_SLAVE[ip]: that address, at most `Pace.redirects` times a round (loops happen meanwhile)
                -> the network fails: every other known member, side by side
                -> booting or emergency mode: the same address later
                -> login refused: nobody is asked for `Pace.refused_seconds` (xapi counts failed logins)
                -> another pool's uuid: never that address again (an ejected host takes the same password)
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from chainwatch_collector.inventory.problems import Kind, Problem

_TELLING: Final[tuple[Kind, ...]] = (
    *("login", "role", "other pool", "tls", "booting", "refused", "reply", "session", "slave", "network"),
)
"""Of several members' problems the first of these kinds is shown."""


class Pace(NamedTuple):
    """Seconds between rounds: `first` doubles up to `most`, and after `patient_rounds` up to `later`, or up to
    `booting_later` where a host answers that it is booting.

    By these a pool that was away for less than ten minutes is up to date within 5 s of its return.
    """

    first: float = 0.5
    most: float = 2.5
    later: float = 30.0
    patient_rounds: int = 240
    booting_later: float = 60.0
    refused_seconds: float = 300.0
    redirects: int = 2


class Attempt(NamedTuple):
    """Log in at these, side by side; the first that succeeds wins."""

    addresses: tuple[str, ...]


class Pause(NamedTuple):
    """Nobody could be reached: wait, and say why."""

    seconds: float
    problem: Problem


@dataclass(slots=True)
class _Round:
    """From the first attempt to a pause. `next`: who is to be asked before anyone else."""

    next: tuple[str, ...]
    tried: set[str] = field(default_factory=set)
    redirects: int = 0
    stopped: bool = False
    problems: list[tuple[str, Problem]] = field(default_factory=list)


class Connection:
    """One pool's. Addresses are host or host:port; one that XenAPI names takes the port of who named it.

    `configured`: of the configuration; `members`, `pool_uuid`: as learned before. `spread(seconds)` adds jitter.
    """

    def __init__(
        self,
        configured: Iterable[str],
        members: Iterable[str] = (),
        pool_uuid: str = "",
        pace: Pace | None = None,
        spread: Callable[[float], float] = lambda seconds: seconds,
    ) -> None:
        self.pool_uuid = pool_uuid
        self._configured = tuple(configured)
        self._members = tuple(members)
        self._pace = pace or Pace()
        self._spread = spread
        self._best = self._configured[0]
        self._foreign: set[str] = set()
        self._rounds_failed = 0
        self._is_steady = False
        self._round = self._new_round()

    @property
    def candidates(self) -> tuple[str, ...]:
        """Every address worth trying, the best first."""
        known = dict.fromkeys((self._best, *self._configured, *self._members))
        return tuple(address for address in known if address not in self._foreign)

    @property
    def members(self) -> tuple[str, ...]:
        """As learned from the pool."""
        return self._members

    def next_step(self) -> Attempt | Pause:
        """What to do now."""
        if self._round.next:
            attempt, self._round.next = Attempt(self._round.next), ()
            self._round.tried.update(attempt.addresses)
            return attempt
        rest = () if self._round.stopped else tuple(one for one in self.candidates if one not in self._round.tried)
        if rest:
            self._round.tried.update(rest)
            return Attempt(rest)
        return self._end_round()

    def failed(self, address: str, problem: Problem) -> None:
        """A login at `address` failed."""
        self._round.problems.append((address, problem))
        if problem.kind == "slave" and problem.master and self._round.redirects < self._pace.redirects:
            self._round.redirects += 1
            self._best = with_port_of(problem.master, address)
            self._foreign.discard(self._best)
            self._round.next = (self._best,)
        elif problem.kind in ("login", "role"):
            self._round.stopped = True
        elif problem.kind == "booting":
            self._best = address
            self._round.stopped = True

    def logged_in(self, address: str, pool_uuid: str, host_addresses: Iterable[str]) -> Problem | None:
        """A login succeeded. None: this is the pool; else the problem, and the session is to be ended."""
        if self.pool_uuid and pool_uuid != self.pool_uuid:
            problem = Problem("other pool", f"{address} is in pool {pool_uuid}, not {self.pool_uuid}")
            self._foreign.add(address)
            self._round.problems.append((address, problem))
            return problem
        self.pool_uuid = pool_uuid
        self._best = address
        self.learn(address, host_addresses)
        self._is_steady = False
        self._round = self._new_round()
        return None

    def learn(self, address: str, host_addresses: Iterable[str]) -> None:
        """The members as the pool lists them; the address that worked stays known."""
        listed = (with_port_of(host, address) for host in host_addresses if host)
        self._members = tuple(dict.fromkeys((address, *listed)))

    def steady(self) -> None:
        """The session works: the next trouble starts with the shortest pause."""
        self._rounds_failed = 0
        self._is_steady = True

    def broke(self, address: str, problem: Problem) -> None:
        """The session or its connection broke: the same address first, but not at once where it never worked."""
        was_steady, self._is_steady = self._is_steady, False
        self._round = self._new_round()
        if problem.kind == "slave":
            self.failed(address, problem)
        elif not was_steady or problem.kind not in ("network", "session"):
            self._round = _Round((), stopped=True, problems=[(address, problem)])

    def _new_round(self) -> "_Round":
        return _Round((self._best,) if self._best not in self._foreign else ())

    def _end_round(self) -> Pause:
        problem = self._most_telling()
        self._rounds_failed += 1
        pause = Pause(self._spread(self._seconds(problem.kind)), problem)
        self._round = self._new_round()
        if not self.candidates:
            self._foreign.clear()  # the configuration may name a host that comes back to its pool
            self._round.next = (self._best,)
        return pause

    def _seconds(self, kind: Kind) -> float:
        pace = self._pace
        if kind in ("login", "role", "other pool"):
            return pace.refused_seconds
        later = pace.booting_later if kind == "booting" else pace.later
        most = pace.most if self._rounds_failed <= pace.patient_rounds else later
        return min(pace.first * 2.0 ** min(self._rounds_failed - 1, 16), most)

    def _most_telling(self) -> Problem:
        if not self._round.problems:
            return Problem("network", "no address to try")
        address, problem = min(self._round.problems, key=lambda item: _TELLING.index(item[1].kind))
        text = problem.text if problem.kind == "other pool" else f"{address}: {problem.text}"
        return Problem(problem.kind, text)


def with_port_of(host: str, address: str) -> str:
    """`host` with the port that `address` has; an IPv6 host comes bare and gets its brackets."""
    bracketed = f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host
    rest = address.rpartition("]")[2] if address.startswith("[") else address
    port = rest.partition(":")[2] if rest.count(":") == 1 else ""
    return f"{bracketed}:{port}" if port else bracketed

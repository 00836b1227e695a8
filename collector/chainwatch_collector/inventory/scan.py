"""The one call that is not read-only: `SR.scan`, sent for a rescan that somebody asked for, and by nothing else.

A session of its own, as a user of its own where one is configured, opened for this call and ended after it. The session
that follows the pool cannot send it (`methods.check_allowed`).
"""

from typing import Final

import XenAPI

from chainwatch_collector.inventory.dial import SecretError, log_out
from chainwatch_collector.inventory.methods import SCAN_METHOD
from chainwatch_collector.inventory.once import PoolProblemError, logged_in
from chainwatch_collector.inventory.pool_config import PoolSettings
from chainwatch_collector.inventory.problems import TRANSPORT_ERRORS, Problem, problem_of
from chainwatch_collector.inventory.session import PoolSession, Timeouts
from chainwatch_collector.inventory.tls import TrustError

SCAN_SECONDS: Final = 900.0
"""How long the reply may take: SM answers when the scan is through, which is minutes on an SR with many images."""


class ScanSession(PoolSession):
    """As `PoolSession`, and `scan_sr`. `call` and `xenapi` stay read-only here too."""

    _is_scanning = False

    def scan_sr(self, sr_ref: str) -> None:
        """`SR.scan`, back when the scan is through. Raises as calls do."""
        self._is_scanning = True
        try:
            self.call(SCAN_METHOD, sr_ref)
        finally:
            self._is_scanning = False

    def _check(self, method: str) -> None:
        if not (self._is_scanning and method == SCAN_METHOD):
            super()._check(method)


def scan(pool: PoolSettings, pool_uuid: str, sr_ref: str, timeouts: Timeouts | None = None) -> None:
    """Scan an SR of this pool. Blocks until the scan is through. Raises `PoolProblemError`."""
    with logged_in(pool, timeouts) as found:
        address, found_uuid = found.session.address, found.pool_uuid
    if found_uuid != pool_uuid:
        raise PoolProblemError(Problem("other pool", f"{address} is of pool {found_uuid}, not of {pool_uuid}"))
    limits = (timeouts or Timeouts())._replace(call=SCAN_SECONDS)
    user = pool.rescan_credentials()
    try:
        session = ScanSession(address, pool.trust(), limits)
        try:
            session.patience(limits.login)
            session.login(user.username, user.password())
            session.patience()
            session.scan_sr(sr_ref)
        finally:
            log_out(session)
    except (SecretError, TrustError) as error:
        raise PoolProblemError(Problem("login", str(error))) from None
    except (XenAPI.Failure, *TRANSPORT_ERRORS) as error:
        problem = problem_of(error)
        raise PoolProblemError(problem._replace(text=f"{address}, {user.username}: {problem.text}")) from None

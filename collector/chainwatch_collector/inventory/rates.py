"""Who asks the hosts of a pool for their rates: only while a transfer runs, once a minute, beside the pool's thread."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from chainwatch_collector.backups.seen import TRANSFERS
from chainwatch_collector.backups.task_names import kind_of
from chainwatch_collector.inventory.connection import with_port_of
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import HostRates
from chainwatch_collector.inventory.rrd import RrdError, fetch_rates
from chainwatch_collector.inventory.session import netloc
from chainwatch_collector.inventory.tls import Trust

LOG: Final = logging.getLogger(__name__)
POLL_SECONDS: Final = 60.0
KEPT_FOR: Final = timedelta(minutes=5)
_AT_ONCE: Final = 4


class RatesPoller:
    """One per pool; `look` belongs to the pool's thread. A host that does not answer holds up nothing else."""

    def __init__(self, trust: Trust, every_seconds: float = POLL_SECONDS) -> None:
        self.trust = trust
        self._every = every_seconds
        self._asked_at = float("-inf")
        self._thread: threading.Thread | None = None
        self._newest: Mapping[str, HostRates] = {}

    def look(self, picture: Picture, address: str, session: str | None) -> Mapping[str, HostRates]:
        """The newest rates by host uuid; asks anew where that is due and a transfer runs."""
        clock = time.monotonic()
        busy = self._thread is not None and self._thread.is_alive()
        if session and not busy and clock - self._asked_at >= self._every and has_transfer(picture):
            self._asked_at = clock
            asked = {host.uuid: host.address for host in picture.hosts.values() if host.address and host.live}
            hosts = {uuid: netloc(with_port_of(at, address)) for uuid, at in asked.items()}
            self._thread = threading.Thread(target=self._ask, args=(hosts, session), name="rates", daemon=True)
            self._thread.start()
        if self._newest and picture.as_of is not None:
            oldest = picture.as_of - KEPT_FOR
            self._newest = {uuid: rates for uuid, rates in self._newest.items() if rates.at >= oldest} or {}
        return self._newest

    def stop(self, seconds: float) -> None:
        """Wait for a round under way."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _ask(self, hosts: Mapping[str, str], session: str) -> None:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="rates") as pool:
            asked = {uuid: pool.submit(fetch_rates, at, session, self.trust) for uuid, at in hosts.items()}
            found = {uuid: _answer(uuid, future.result) for uuid, future in asked.items()}
        # By our clock: a host's may be off, and the age of what it said is what counts.
        now = datetime.now(UTC)
        told = {uuid: replace(rates, at=now) for uuid, rates in found.items() if rates is not None}
        self._newest = {**self._newest, **told}


def has_transfer(picture: Picture) -> bool:
    """Whether an export, import, copy or migration is pending."""
    return any(task.status == "pending" and kind_of(task.name) in TRANSFERS for task in picture.tasks.values())


def _answer(uuid: str, result: Callable[[], HostRates]) -> HostRates | None:
    try:
        return result()
    except RrdError as error:
        LOG.info("host %s: %s", uuid, error)
        return None

"""Certificates in a collector that runs: looked at every few seconds, put in force, and told of before they end."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from chainwatch_collector.receive.shared import IngestListener
from chainwatch_collector.serve.composition import Core
from chainwatch_collector.serve.live_tls import LiveTls
from chainwatch_collector.show.views import Check
from chainwatch_collector.trust.expiry import Expiry, worst
from chainwatch_collector.trust.identities import utc_now

LOG = logging.getLogger(__name__)
EVERY_SECONDS: Final = 5.0


class CertificatesPart:
    """A `Part`. `changed`: called in the event loop's thread when others are in force now."""

    def __init__(
        self,
        changed: Callable[[], None],
        every_seconds: float = EVERY_SECONDS,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._changed, self._every, self._clock = changed, every_seconds, clock
        self._tls: LiveTls | None = None
        self._task: asyncio.Task[None] | None = None
        self._told: set[tuple[Expiry, str]] = set()

    @property
    def listener(self) -> IngestListener | None:
        """Nothing that comes is of interest here."""
        return None

    async def start(self, core: Core) -> None:
        """Begin to look."""
        self._tls = core.tls
        self._task = asyncio.create_task(self._run(core), name="certificates")

    async def stop(self) -> None:
        """Behind the look that is under way."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def checks(self) -> tuple[Check, ...]:
        """For readiness: what ends soon or cannot be read."""
        if self._tls is None:
            return ()
        now, name = self._clock(), "certificates"
        first = worst(self._tls.expiries, now)
        if first is not None and first.standing(now) != "ok":
            return (Check(name, first.standing(now), first.sentence(now)),)
        if self._tls.problem:
            return (Check(name, "warning", f"{self._tls.problem}; those before stay in force"),)
        return (Check(name, "ok", first.sentence(now) if first is not None else "none in use"),)

    def counters(self) -> dict[str, float]:
        """By full metric name; not counters but when each ends."""
        expiries = self._tls.expiries if self._tls is not None else ()
        named = {one.name.lower().replace(" ", "_"): one for one in expiries}
        return {
            f"chainwatch_{name}_certificate_expiry_timestamp_seconds": one.ends.timestamp()
            for name, one in named.items()
        }

    async def _run(self, core: Core) -> None:
        while True:
            self._warn(core.tls)
            await asyncio.sleep(self._every)
            if await asyncio.to_thread(core.tls.look):
                self._changed()
            core.identities.trust(core.tls.authority)

    def _warn(self, tls: LiveTls) -> None:
        """Once when a certificate's end comes near, and once when it is there."""
        now = self._clock()
        for one in tls.expiries:
            told = (one, one.standing(now))
            if told[1] != "ok" and told not in self._told:
                LOG.warning(one.sentence(now))
                self._told.add(told)

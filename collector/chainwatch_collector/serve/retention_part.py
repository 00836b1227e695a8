"""Retention in the collector: a pass every ten minutes, given up at once when the collector stops."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from chainwatch_collector.fold.pool_driver import TROUBLE
from chainwatch_collector.keep.housekeeper import KINDS, Housekeeper
from chainwatch_collector.keep.retention import Limits, limits_at
from chainwatch_collector.receive.shared import IngestListener
from chainwatch_collector.serve.composition import Core
from chainwatch_collector.serve.settings import RetentionSection
from chainwatch_collector.trust.identities import utc_now

LOG = logging.getLogger(__name__)
FIRST_SECONDS: Final = 60.0
EVERY_SECONDS: Final = 600.0


class RetentionPart:
    """A `Part`. `first_seconds`: the start has more to do than to tidy up."""

    def __init__(
        self,
        section: RetentionSection,
        first_seconds: float = FIRST_SECONDS,
        every_seconds: float = EVERY_SECONDS,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._section, self._first, self._every, self._clock = section, first_seconds, every_seconds, clock
        self._keeper: Housekeeper | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def listener(self) -> IngestListener | None:
        """Nothing that comes is of interest here."""
        return None

    async def start(self, core: Core) -> None:
        """Begin with the passes."""
        self._keeper = Housekeeper(core.readers, core.writer)
        self._task = asyncio.create_task(self._run(self._keeper), name="retention")

    async def stop(self) -> None:
        """Between two units, or behind the one that is under way."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def counters(self) -> dict[str, float]:
        """By full metric name."""
        dropped = self._keeper.dropped if self._keeper is not None else {}
        return {f"chainwatch_retention_{kind}_dropped_total": float(dropped.get(kind, 0)) for kind in KINDS}

    async def _run(self, keeper: Housekeeper) -> None:
        pause = self._first
        while True:
            await asyncio.sleep(pause)
            pause = self._every
            try:
                await keeper.tidy(self._limits())
            except TROUBLE as error:
                LOG.warning("retention: %s; the next try is in %g s", str(error).split("\n", 1)[0], pause)

    def _limits(self) -> Limits:
        section = self._section
        return limits_at(
            self._clock(), section.evidence_days, section.samples_days, section.history_days, section.max_bytes
        )

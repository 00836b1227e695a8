"""Retention at work: one pass after another, in units so small and so far apart that ingest does not feel them."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final, TypeVar

from sqlalchemy import Connection

from chainwatch_collector.keep.readers import Readers
from chainwatch_collector.keep.retention import (
    Limits,
    LinesDropped,
    aged,
    alone,
    drop_aged,
    drop_lines,
    forget_files,
)
from chainwatch_collector.keep.retention_plan import OldFile, files_to_drop, used_bytes
from chainwatch_collector.keep.writer import Priority, Writer

LOG = logging.getLogger(__name__)
T = TypeVar("T")
PAUSE: Final = 4.0
"""After a unit so many times as long as it took: a fifth of the writer's time is the most that tidying up has."""
SHARES: Final = 4
"""A host that has more than this part of `max_bytes` loses its own oldest lines before others lose any."""
KINDS: Final = (
    "lines",
    "events",
    "samples",
    "history",
    "runs",
    "findings",
    "transitions",
    "rescans",
    "audit",
    "gaps",
    "files",
)


class ElsewhereError(Exception):
    """Another collector of this database tidies up in this moment."""


class Housekeeper:
    """`tidy` is one pass. `dropped` counts rows by kind since the start; `used_bytes` is as of the last pass."""

    def __init__(self, readers: Readers, writer: Writer, pause: float = PAUSE) -> None:
        self._readers, self._writer, self._pause = readers, writer, pause
        self.dropped: Counter[str] = Counter()
        self.used_bytes = 0

    async def tidy(self, limits: Limits) -> Counter[str]:
        """Drop what is too old, then the oldest evidence until the cap is kept. Rows by kind.

        Raises what the writer and the readers raise; what was done until then stays done.
        """
        before = self.dropped.copy()
        try:
            await self._old_evidence(limits)
            await self._old_rows(limits)
            await self._above_cap(limits)
        except ElsewhereError:
            LOG.debug("another collector tidies up")
        gone = self.dropped - before
        if gone:
            LOG.info("retention dropped %s", ", ".join(f"{count} {kind}" for kind, count in sorted(gone.items())))
        return gone

    async def _old_evidence(self, limits: Limits) -> None:
        for old in await self._files(limits.evidence_before.date()):
            while not (await self._lines(old, limits)).done:
                pass
        before = limits.history_before.date()
        while await self._counted("files", lambda c: forget_files(c, before)):
            pass

    async def _old_rows(self, limits: Limits) -> None:
        for rule in aged(limits):
            while await self._counted(rule.table.name, lambda c, r=rule: drop_aged(c, r)):  # type: ignore[misc]
                pass

    async def _above_cap(self, limits: Limits) -> None:
        self.used_bytes = await self._readers.read(used_bytes)
        if not limits.max_bytes or self.used_bytes <= limits.max_bytes:
            return
        share_bytes = limits.max_bytes // SHARES
        for old in await self._readers.read(lambda c: files_to_drop(c, share_bytes=share_bytes)):
            done = False
            while not done:
                done = (await self._lines(old, None)).done
                self.used_bytes = await self._readers.read(used_bytes)
                if self.used_bytes <= limits.max_bytes:
                    return
        LOG.warning(
            "the database holds %d bytes, max_bytes is %d: what is left is no evidence or was read by no fold yet",
            self.used_bytes,
            limits.max_bytes,
        )

    async def _files(self, born_before: date) -> Sequence[OldFile]:
        return await self._readers.read(lambda c: files_to_drop(c, born_before))

    async def _lines(self, old: OldFile, limits: Limits | None) -> LinesDropped:
        read_before = limits.evidence_before if limits else None
        dropped = await self._unit(lambda c: drop_lines(c, old, read_before))
        self.dropped["lines"] += dropped.lines
        self.dropped["events"] += dropped.events
        return dropped

    async def _counted(self, kind: str, work: Callable[[Connection], int]) -> int:
        rows = await self._unit(work)
        self.dropped[kind] += rows
        return rows

    async def _unit(self, work: Callable[[Connection], T]) -> T:
        def unit(connection: Connection) -> T | None:
            return work(connection) if alone(connection) else None

        began = time.monotonic()
        done = await asyncio.wrap_future(self._writer.submit(unit, priority=Priority.HOUSEKEEPING))
        if done is None:
            raise ElsewhereError
        await asyncio.sleep(self._pause * (time.monotonic() - began))
        return done

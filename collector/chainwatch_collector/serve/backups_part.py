"""Backups in the collector: jobs looked at over all pools, Xen Orchestra asked, remotes measured."""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from chainwatch_collector.backups.jobs import Job, XoSeen, evaluate
from chainwatch_collector.backups.news import BackupNews
from chainwatch_collector.backups.objects import replicas_of
from chainwatch_collector.backups.seen import TargetSeen
from chainwatch_collector.backups.settings import XenOrchestraSection
from chainwatch_collector.backups.space import TargetSpace
from chainwatch_collector.backups.xo_rest import XoError, read
from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.live.board import Board
from chainwatch_collector.serve.composition import Core
from chainwatch_collector.serve.fold_part import utc_now
from chainwatch_collector.show.views import Check

LOG: Final = logging.getLogger(__name__)
LOOK_SECONDS: Final = 30.0
SPACE_SECONDS: Final = 60.0
SOON_SECONDS: Final = 1.0


@dataclass
class _Due:
    """When what is looked at again, by the monotonic clock."""

    xo: float = -1e9
    space: float = -1e9


class BackupsPart:
    """A `Part`; start it after the fold, which `tell(pool uuid, news)` belongs to."""

    def __init__(
        self, board: Board, tell: Callable[[str, BackupNews], None], look_seconds: float = LOOK_SECONDS
    ) -> None:
        self._board = board
        self._tell = tell
        self._look_seconds = look_seconds
        self._core: Core | None = None
        self._declared: tuple[Job, ...] = ()
        self._xo = XoSeen()
        self._xo_answered = False
        self._targets: Mapping[str, TargetSeen] = {}
        self._space = TargetSpace()
        self._due = _Due()
        self._one = asyncio.Lock()
        self._began = 0.0
        self._looking: asyncio.Task[None] | None = None

    @property
    def listener(self) -> None:
        """Evidence is no affair of backups."""
        return

    async def start(self, core: Core) -> None:
        """Begin to look."""
        self._core, self._began = core, time.monotonic()
        self._declared = tuple(section.job() for section in core.settings.job)
        self._looking = asyncio.create_task(self._look_now_and_then())

    async def stop(self) -> None:
        """No more looks."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
            self._looking = None

    def checks(self) -> tuple[Check, ...]:
        """For readiness: whether Xen Orchestra answers, where it is configured."""
        if self._core is None or self._core.settings.xen_orchestra is None:
            return ()
        problem = self._xo.problem
        return (Check("xen orchestra", "warning" if problem else "ok", problem or "answers"),)

    # --- looking ----------------------------------------------------------------------------------------------

    async def _look_now_and_then(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:  # a fault of ours: the next look may go well
                LOG.exception("backups were not looked at")
            await asyncio.sleep(self._look_seconds if self._is_settled() else min(SOON_SECONDS, self._look_seconds))

    def _is_settled(self) -> bool:
        """Whether every pool was asked, or the collector runs for a while."""
        pictures = self._board.pictures.values()
        waited = time.monotonic() - self._began >= LOOK_SECONDS
        pools = len(self._core.settings.pools) if self._core is not None else 0
        return waited or (len(pictures) >= max(1, pools) and all(picture.reachable for picture in pictures))

    async def look(self) -> None:
        """Everything that is due; the news go to the fold."""
        assert self._core is not None
        async with self._one:
            await self._look(self._core)

    async def _look(self, core: Core) -> None:
        clock, now = time.monotonic(), utc_now()
        section = core.settings.xen_orchestra
        if section is not None and clock - self._due.xo >= section.poll_seconds:
            self._due.xo = clock
            await self._ask(section, core.settings.source.parent, now)
        jobs = self._jobs()
        if clock - self._due.space >= SPACE_SECONDS:
            self._due.space = clock
            remotes = [remote for job in jobs for remote in job.remotes]
            self._targets = await asyncio.to_thread(self._space.look, remotes)
        pictures = dict(self._board.pictures)
        news = await asyncio.to_thread(news_of, jobs, pictures, self._xo, self._targets, now)
        for pool, told in news.items():
            if pool in self._board.pictures:
                self._tell(pool, replace(told, jobs_known=section is None or self._xo_answered))

    def _jobs(self) -> tuple[Job, ...]:
        """What is declared, under Xen Orchestra's id where it has a job of that name, and Xen Orchestra's others."""
        ids = {job.name: job.id for job in self._xo.jobs}
        declared = tuple(replace(job, id=job.id or ids.get(job.name, "")) for job in self._declared)
        known = {job.id for job in declared if job.id}
        return (*declared, *(job for job in self._xo.jobs if job.id not in known))

    async def _ask(self, section: XenOrchestraSection, base: Path, now: datetime) -> None:
        try:
            token, verify = await asyncio.to_thread(_secrets, section, base)
            self._xo = await read(section.url, token, verify, section.mounts, now)
            self._xo_answered = True
        except (XoError, OSError, ValueError) as error:
            if str(error) != self._xo.problem:
                LOG.warning("xen orchestra cannot be asked: %s", error)
            # Its jobs and logs stay as they were; who it is connected to is not known any more.
            self._xo = replace(self._xo, servers=None, problem=str(error) or type(error).__name__)


def _secrets(section: XenOrchestraSection, base: Path) -> tuple[str, ssl.SSLContext | bool]:
    token = section.token(base)
    if section.insecure or section.url.startswith("http:"):
        return token, not section.insecure
    return token, ssl.create_default_context(cafile=str(base / section.ca_file) if section.ca_file else None)


def news_of(
    jobs: tuple[Job, ...],
    pictures: Mapping[str, Picture],
    xo: XoSeen,
    targets: Mapping[str, TargetSeen],
    now: datetime,
) -> dict[str, BackupNews]:
    """Pool uuid → what its fold should know. Pure."""
    replicas = replicas_of(PoolIndex(picture) for picture in pictures.values())
    seen = evaluate(jobs, pictures, xo, targets, now)
    return {pool: BackupNews(jobs=seen[pool], replicas=replicas) for pool in pictures}

"""Rescans in the collector: the call, then the outcome as the logs tell it, followed through a restart too."""

import asyncio
import logging
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from chainwatch_collector.inventory.once import PoolProblemError
from chainwatch_collector.inventory.pool_config import PoolSettings
from chainwatch_collector.inventory.scan import scan
from chainwatch_collector.keep.people import AuditIn, add_audit
from chainwatch_collector.keep.rescans import add_rescan, change_rescan, open_rescans, rescans
from chainwatch_collector.keep.writer import Priority, WriterBusyError, WriterClosedError
from chainwatch_collector.live.board import Board
from chainwatch_collector.live.rescans import FOLLOWED_FOR, OPEN, advanced, from_row, pending, runs_of, to_row
from chainwatch_collector.read.words import RunKey
from chainwatch_collector.receive.shared import IngestListener
from chainwatch_collector.serve.composition import Core
from chainwatch_collector.show.views import Change, Check, NotAvailableError, Rescan, Subject
from chainwatch_collector.track.state import SrState
from chainwatch_collector.trust.identities import utc_now

LOG: Final = logging.getLogger(__name__)
T = TypeVar("T")
LOOK_SECONDS: Final = 1.0
STOP_SECONDS: Final = 2.0
Scan = Callable[[PoolSettings, str, str], None]


@dataclass
class Followed:
    """One under way. `scanned_at` None: the call has not ended yet; `problem`: why it failed."""

    rescan: Rescan
    before: Set[RunKey] = field(default_factory=frozenset)
    scanned_at: datetime | None = None
    problem: str = ""


class RescanPart:
    """A `Part`; `pool_of`: a pool's uuid → its settings, None where it is none of this collector's."""

    def __init__(
        self,
        board: Board,
        pool_of: Callable[[str], PoolSettings | None],
        scanning: Scan = scan,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._board = board
        self._pool_of = pool_of
        self._scan = scanning
        self._clock = clock
        self._core: Core | None = None
        self._under_way: dict[str, Followed] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None

    @property
    def listener(self) -> IngestListener | None:
        """What comes of it is read off the board."""
        return None

    async def start(self, core: Core) -> None:
        """Those that a restart left open are followed on."""
        self._core = core
        for row in await core.readers.read(open_rescans):
            self._under_way[row.sr_uuid] = Followed(from_row(row), scanned_at=self._clock())
        self._looking = asyncio.create_task(self._look_on())

    async def stop(self) -> None:
        """A scan that is under way goes on without us; its outcome is looked for after the next start."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
            self._looking = None
        if self._calls:
            await asyncio.wait(self._calls, timeout=STOP_SECONDS)

    def check(self, sr: Subject) -> Check:
        """The precheck that is ours: one at a time."""
        name = "no rescan is under way"
        followed = self._under_way.get(sr.uuid)
        if followed is None:
            return Check(name, "ok", "none is")
        return Check(name, "error", f"{followed.rescan.by} asked for one: {followed.rescan.state}")

    async def ask(self, sr: Subject, by: str, checks: tuple[Check, ...]) -> Rescan:
        """Keep it, then scan. Raises `NotAvailableError`."""
        found, pool = self._sr(sr.pool_uuid, sr.uuid), self._pool_of(sr.pool_uuid or "")
        if found is None or found.ref is None or pool is None:
            raise NotAvailableError(f"{sr.name}: its pool is not this collector's", "ask the collector that owns it")
        said = f"A scan of {sr.name} was asked for; whether a GC run starts is seen within 60 s of its end."
        asked = Rescan("", sr, by, self._clock(), "asked", checks, said, pending_before=pending(found))
        kept = replace(asked, id=str(await self._write(partial(add_rescan, row=to_row(asked)))))
        followed = self._under_way[sr.uuid] = Followed(kept, runs_of(found))
        call = asyncio.create_task(self._call(followed, pool, found.ref))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        self._publish(kept)
        return kept

    async def newest(self, sr: Subject | None, limit: int) -> Sequence[Rescan]:
        """Those that were asked for, newest first."""
        assert self._core is not None
        uuid = sr.uuid if sr is not None else None
        return [from_row(row) for row in await self._core.readers.read(lambda c: rescans(c, uuid, limit))]

    async def _call(self, followed: Followed, pool: PoolSettings, sr_ref: str) -> None:
        asked = followed.rescan
        try:
            await asyncio.to_thread(self._scan, pool, asked.sr.pool_uuid or "", sr_ref)
        except PoolProblemError as error:
            followed.problem = f"{asked.sr.name} could not be scanned: {error}"
        followed.scanned_at = self._clock()

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for followed in list(self._under_way.values()):
                try:
                    await self._look(followed)
                except (SQLAlchemyError, NotAvailableError) as error:
                    LOG.warning("rescan of %s: its outcome is not kept yet: %s", followed.rescan.sr.name, error)

    async def _look(self, followed: Followed) -> None:
        old, now = followed.rescan, self._clock()
        sr = self._sr(old.sr.pool_uuid, old.sr.uuid)
        if now - old.asked_at > FOLLOWED_FOR:
            new = replace(old, state="failed", sentence="Its outcome was not seen within a day.")
        elif followed.problem:
            new = replace(old, state="failed", sentence=followed.problem)
        elif sr is None:
            return
        else:
            # A run may be seen while SR.scan has not answered yet: the kick comes before the reply.
            new = advanced(old, sr, followed.before, followed.scanned_at or now, now)
        if new != old:
            await self._change(followed, new)

    async def _change(self, followed: Followed, new: Rescan) -> None:
        await self._write(partial(_changed, rescan=new, now=self._clock()))
        followed.rescan = new
        if new.state not in OPEN:
            self._under_way.pop(new.sr.uuid, None)
        self._publish(new)

    def _publish(self, rescan: Rescan) -> None:
        self._board.hub.publish(Change(0, "rescan", rescan.sr.pool_uuid, (rescan.sr.uuid,)))

    def _sr(self, pool_uuid: str | None, sr_uuid: str) -> SrState | None:
        state = self._board.states.get(pool_uuid or "")
        return state.srs.get(sr_uuid) if state is not None else None

    async def _write(self, work: Callable[[Connection], T]) -> T:
        assert self._core is not None
        try:
            return await asyncio.wrap_future(self._core.writer.submit(work, priority=Priority.HOUSEKEEPING))
        except (WriterBusyError, WriterClosedError) as error:
            raise NotAvailableError(str(error), "try again in a moment") from None


def _changed(connection: Connection, rescan: Rescan, now: datetime) -> None:
    """How it stands, and the audit log's line of an outcome."""
    change_rescan(connection, to_row(rescan))
    if rescan.state not in OPEN:
        subject = rescan.sr
        entry = AuditIn(now, rescan.by, "rescan", subject.uuid, subject.pool_uuid, rescan.state, rescan.sentence)
        add_audit(connection, entry)

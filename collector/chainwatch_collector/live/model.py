"""`ReadModel` over the live collector: what is in memory at once, what is in the database by way of reader threads."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

from sqlalchemy import Connection

from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.judge.answer import Answer
from chainwatch_collector.judge.catalogue import CATALOGUE
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.keep.folded import TransitionIn
from chainwatch_collector.keep.history import DAY_SECONDS, hours_and_newest
from chainwatch_collector.keep.people import AuditIn, MuteIn, add_audit, add_mute, audit_since, end_mute
from chainwatch_collector.keep.projections import history_between, transitions_since
from chainwatch_collector.keep.readers import QueryTimeoutError, Readers
from chainwatch_collector.keep.writer import Priority, Writer, WriterBusyError, WriterClosedError
from chainwatch_collector.live import backups, forests, jobs, lookup, pools, rescan_checks, storage, stored, texts
from chainwatch_collector.live.board import Board
from chainwatch_collector.live.rescans import Rescanner
from chainwatch_collector.show.changes import Subscription
from chainwatch_collector.show.model import NO_FILTERS
from chainwatch_collector.show.views import (
    AgentView,
    AuditEntry,
    ChainNode,
    Check,
    Event,
    EventQuery,
    Explanation,
    Forecast,
    Forest,
    HistoryPoint,
    JobView,
    MergeView,
    Mute,
    MuteRequest,
    NotAvailableError,
    Page,
    PoolView,
    Rescan,
    SrView,
    Subject,
    SubjectKind,
    TaskView,
    Transition,
    UnknownSubjectError,
    Why,
)
from chainwatch_collector.track.state import PoolState, SrState

T = TypeVar("T")
Counters = Callable[[], Mapping[str, float]]
SAMPLES_SHOWN: Final = timedelta(days=2)
"""Longer histories are shown by the hour; chains have days only."""
Readiness = Callable[[], tuple[Check, ...]]


class LiveModel:
    """See `show.model.ReadModel`. Every method is called from the event loop's thread."""

    def __init__(
        self,
        board: Board,
        readers: Readers,
        writer: Writer,
        clock: Callable[[], datetime],
        counters: Counters,
        readiness: Readiness,
        thresholds: Thresholds,
        rescans: Rescanner | None = None,
    ) -> None:
        self._board = board
        self._readers = readers
        self._writer = writer
        self._clock = clock
        self._counters = counters
        self._readiness = readiness
        self._thresholds = thresholds
        self._rescans = rescans
        self._owners = forests.Owners()
        self._ends = forests.ChainEnds()
        self._srs = storage.SrViews()
        self._names = storage.FullNames()

    def now(self) -> datetime:
        return self._clock()

    def ready(self) -> tuple[Check, ...]:
        return self._readiness()

    def pools(self) -> Sequence[PoolView]:
        return pools.pool_views(self._board)

    def answers(self) -> Mapping[str, Answer]:
        return self._board.answers

    def agents(self) -> Sequence[AgentView]:
        return pools.agent_views(self._board, self.now())

    def srs(self) -> Mapping[str, SrView]:
        return self._srs.of(self._board, pools.agent_states(self._board))

    def merges(self) -> Sequence[MergeView]:
        return storage.merge_views(self._board, self.now(), self._names)

    def tasks(self) -> Sequence[TaskView]:
        return backups.task_views(self._board)

    def mutes(self) -> Sequence[Mute]:
        return self._board.registered.mutes

    def counters(self) -> Mapping[str, float]:
        return self._counters()

    def find(self, text: str, kinds: Sequence[SubjectKind] = ()) -> Subject:
        return lookup.find(self._board, text, kinds)

    def why(self, subject: Subject) -> Why:
        board, pool = self._board, subject.pool_uuid or ""
        return texts.why(subject, board.states.get(pool), board.answers.get(pool), self.now(), self._thresholds)

    def forest(self, subject: Subject) -> Forest:
        picture, sr = self._sr_with(subject)
        as_of = picture.as_of if picture is not None else None
        if subject.kind == "sr":
            return forests.sr_forest(picture, sr, as_of, self._owners)
        return forests.vdi_forest(picture, sr, subject.uuid, as_of, self._owners)

    def chain_ends(self, sr_uuid: str) -> Sequence[ChainNode]:
        for state in self._board.states.values():
            if sr_uuid in state.srs:
                return self._ends.of(state.picture, state.srs[sr_uuid], self._owners)
        return ()

    def _sr_with(self, subject: Subject) -> tuple[Picture | None, SrState]:
        """The SR that is the subject or has it. Raises `UnknownSubjectError`, `NotAvailableError`."""
        if subject.kind not in ("sr", "vdi"):
            raise UnknownSubjectError(subject.name)
        state = self._state_of(subject)
        for sr in state.srs.values():
            if sr.uuid == subject.uuid or (sr.forest is not None and subject.uuid in sr.forest.nodes):
                return state.picture, sr
        raise UnknownSubjectError(subject.name)

    def _state_of(self, subject: Subject) -> PoolState:
        state = self._board.states.get(subject.pool_uuid or "")
        if state is None:
            raise NotAvailableError(f"there is no state of {subject.name} yet", "its pool is being read; try shortly")
        return state

    def catalogue(self) -> Mapping[str, Explanation]:
        return texts.catalogue()

    def explain(self, text: str) -> Sequence[Explanation]:
        return texts.explain(text)

    def job(self, text: str) -> JobView:
        return jobs.job_view(self._board, text)

    # --- the database -----------------------------------------------------------------------------------------

    async def events(self, query: EventQuery) -> Page[Event]:
        registered, homes = self._board.registered.hosts, self._board.homes
        names = pools.host_names(self._board)
        return await self._read(lambda c: stored.events(c, query, registered, homes, names))

    async def history(self, subject: Subject, since: datetime, until: datetime) -> Sequence[HistoryPoint]:
        if subject.kind == "vdi":
            rows = await self._read(lambda c: history_between(c, subject.uuid, since, until, DAY_SECONDS))
        elif until - since > SAMPLES_SHOWN:
            rows = await self._read(lambda c: hours_and_newest(c, subject.uuid, since, until))
        else:
            rows = await self._read(lambda c: history_between(c, subject.uuid, since, until))
        return stored.history_points(rows)

    async def transitions(self, subject: Subject | None, since: datetime, limit: int) -> Sequence[Transition]:
        uuid = subject.uuid if subject is not None else None
        rows = await self._read(lambda c: transitions_since(c, since, limit, subject_uuid=uuid))
        known = {one.uuid: one for one in lookup.by_uuids(self._board, frozenset(row.subject_uuid for _, row in rows))}
        return [stored.transition_view(row, known.get(row.subject_uuid) or _gone(pool, row)) for pool, row in rows]

    async def forecasts(self, subject: Subject | None) -> Sequence[Forecast]:
        if subject is not None and subject.kind == "vm":
            return list(backups.forecasts_of_vm(self._board, subject))
        return backups.forecasts(self._board, subject)

    async def mute(self, request: MuteRequest, by: str) -> Mute:
        subject = request.subject
        kept = MuteIn(
            pool_uuid=subject.pool_uuid if subject is not None else None,
            code=request.code,
            subject_uuid=subject.uuid if subject is not None else None,
            subject_name=subject.name if subject is not None else "",
            created_at=self.now(),
            until=request.until,
            by=by,
            reason=request.reason,
            sticky=request.sticky,
        )
        named = kept.subject_name or kept.code
        entry = AuditIn(kept.created_at, by, "mute", named, kept.pool_uuid, "done", f"{kept.code}: {kept.reason}")

        def change(connection: Connection) -> None:
            add_mute(connection, kept)
            add_audit(connection, entry)

        await self._write(change)
        await self.refresh()
        return next(one for one in reversed(self._board.registered.mutes) if _same(one, kept))

    async def unmute(self, mute_id: str, by: str) -> None:
        number, now = stored.mute_number(mute_id), self.now()
        mute = next((one for one in self._board.registered.mutes if one.id == mute_id), None)
        name, pool = (mute.subject_name or mute.code, mute.pool_uuid) if mute is not None else (mute_id, None)
        entry = AuditIn(now, by, "unmute", name, pool, "done", mute.code if mute is not None else "")

        def change(connection: Connection) -> bool:
            ended = end_mute(connection, number, now)
            if ended:
                add_audit(connection, entry)
            return ended

        if not await self._write(change):
            raise UnknownSubjectError(mute_id)
        await self.refresh()

    def rescan_prechecks(self, sr: Subject) -> tuple[Check, ...]:
        found = rescan_checks.prechecks(self._board.states.get(sr.pool_uuid or ""), sr.uuid, self._thresholds)
        return (*found, self._rescans.check(sr)) if self._rescans is not None else found

    async def rescan(self, sr: Subject, by: str) -> Rescan:
        if self._rescans is None:
            raise NotAvailableError(f"{sr.name} cannot be scanned from here", "ask a collector that follows its pool")
        return await self._rescans.ask(sr, by, self.rescan_prechecks(sr))

    async def rescans(self, sr: Subject | None, limit: int) -> Sequence[Rescan]:
        return await self._rescans.newest(sr, limit) if self._rescans is not None else ()

    async def audit(
        self,
        since: datetime,
        limit: int,
        filters: Mapping[str, str] = NO_FILTERS,
        pools: Collection[str] | None = None,
    ) -> Sequence[AuditEntry]:
        rows = await self._read(lambda c: audit_since(c, since, limit, filters, pools))
        return [stored.audit_view(row) for row in rows]

    async def record_audit(self, entry: AuditEntry) -> None:
        await self._write(lambda c: add_audit(c, stored.audit_in(entry)))

    # --- changes ----------------------------------------------------------------------------------------------

    def revision(self) -> int:
        return self._board.hub.revision

    def subscribe(self) -> Subscription:
        return self._board.hub.subscribe()

    async def refresh(self) -> None:
        """Look again at what the database has of hosts and mutes. Raises `NotAvailableError`."""
        now = self.now()
        self._board.register(await self._read(lambda c: stored.registered(c, now)))

    async def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            return await self._readers.read(work)
        except QueryTimeoutError as error:
            raise NotAvailableError(str(error), "narrow it by time, host or SR") from None

    async def _write(self, work: Callable[[Connection], T]) -> T:
        try:
            return await asyncio.wrap_future(self._writer.submit(work, priority=Priority.HOUSEKEEPING))
        except (WriterBusyError, WriterClosedError) as error:
            raise NotAvailableError(str(error), "try again in a moment") from None


def _same(view: Mute, kept: MuteIn) -> bool:
    return (view.code, view.subject_uuid, view.until, view.by) == (kept.code, kept.subject_uuid, kept.until, kept.by)


def _gone(pool: str, row: TransitionIn) -> Subject:
    """What a stored transition was about and what is no more: its uuid is all that is known of it."""
    entry = CATALOGUE.get(row.code)
    return Subject(entry.subject if entry is not None else "sr", row.subject_uuid, row.subject_uuid, pool)

"""Notifications in the collector: what changed on the board is told to every channel, as long as it takes."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeVar

import httpx2 as httpx
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from chainwatch_collector.judge.answer import Answer
from chainwatch_collector.keep.notices import (
    Known,
    Telling,
    Waiting,
    claim,
    known,
    sent,
    tell,
    try_later,
    waiting_count,
)
from chainwatch_collector.keep.readers import QueryTimeoutError
from chainwatch_collector.keep.writer import Priority, WriterBusyError, WriterClosedError
from chainwatch_collector.live.board import Board
from chainwatch_collector.live.pools import pool_name
from chainwatch_collector.notify.bodies import Json, incident_body
from chainwatch_collector.notify.decide import Settling, tellings
from chainwatch_collector.notify.deliver import (
    TIMEOUT_SECONDS,
    Receiver,
    ReceiverError,
    pause_seconds,
    post,
    repeat,
    too_old,
)
from chainwatch_collector.notify.incident import Incident, incidents, why_over
from chainwatch_collector.notify.settings import ChannelSection, NotifySection
from chainwatch_collector.receive.shared import IngestListener
from chainwatch_collector.serve.composition import Core, StartError
from chainwatch_collector.show import compose
from chainwatch_collector.show.bodies import FindingBody
from chainwatch_collector.show.views import Check
from chainwatch_collector.trust.identities import utc_now
from chainwatch_collector.words import RANK

LOG: Final = logging.getLogger(__name__)
T = TypeVar("T")
LOOK_SECONDS: Final = 1.0
REPEAT_SECONDS: Final = 60.0
GONE_AFTER: Final = timedelta(minutes=10)
LOOK_ANYWAY: Final = timedelta(minutes=1)
_LEASE_SECONDS: Final = 2 * TIMEOUT_SECONDS
_AWAY: Final = (SQLAlchemyError, QueryTimeoutError, WriterBusyError, WriterClosedError)


@dataclass
class Channel:
    """A receiver and how it stands. `problem`: what the last try said, "" while all goes well."""

    receiver: Receiver
    client: httpx.AsyncClient
    problem: str = ""
    delivered: int = 0
    failed: int = 0
    given_up: int = 0
    repeated_at: datetime | None = None

    def went(self, problem: str) -> None:
        """What came of a try; a change is logged once."""
        if problem and not self.problem:
            LOG.warning("notify %s: not delivered: %s; it is tried again", self.receiver.name, problem)
        elif self.problem and not problem:
            LOG.info("notify %s: delivers again", self.receiver.name)
        self.problem = problem


class NotifyPart:
    """A `Part`; start it after the board's owners. Without receivers it does nothing."""

    def __init__(self, board: Board, section: NotifySection, clock: Callable[[], datetime] = utc_now) -> None:
        self._board = board
        self._section = section
        self._clock = clock
        self._channels: list[Channel] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._core: Core | None = None
        self._settling = Settling(timedelta(seconds=section.wait_seconds))
        self._waiting = 0
        self._started_at = clock()

    @property
    def listener(self) -> IngestListener | None:
        """Evidence is no affair of notifications."""
        return None

    async def start(self, core: Core) -> None:
        """Raises `StartError` where a receiver's CA file cannot be read."""
        self._core, self._started_at = core, self._clock()
        directory = core.settings.source.parent
        wanted = [Receiver("webhook", one, directory) for one in self._section.webhook]
        wanted += [Receiver("alertmanager", one, directory) for one in self._section.alertmanager]
        for receiver in wanted:
            try:
                self._channels.append(Channel(receiver, receiver.client()))
            except OSError as error:
                where = f"notify {receiver.name}: {directory / receiver.section.ca_file}"
                raise StartError(f"{where}: {error.strerror or error}; write the CA of its certificate there") from None
        if self._channels:
            self._tasks = [asyncio.create_task(self._look_on())]
            self._tasks += [asyncio.create_task(self._deliver_on(channel)) for channel in self._channels]

    async def stop(self) -> None:
        """What waits stays in the database."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()
        for channel in self._channels:
            await channel.client.aclose()
        self._channels.clear()

    def checks(self) -> tuple[Check, ...]:
        """One per receiver; none of them makes the collector unready."""
        return tuple(
            Check(f"notify {one.receiver.name}", "warning" if one.problem else "ok", one.problem or "delivers")
            for one in self._channels
        )

    def counters(self) -> dict[str, float]:
        """By full metric name."""
        if not self._channels:
            return {}
        return {
            "chainwatch_notifications_delivered_total": float(sum(one.delivered for one in self._channels)),
            "chainwatch_notifications_failed_total": float(sum(one.failed for one in self._channels)),
            "chainwatch_notifications_given_up_total": float(sum(one.given_up for one in self._channels)),
            "chainwatch_notifications_waiting": float(self._waiting),
        }

    # --- what is to be told -----------------------------------------------------------------------------------

    async def _look_on(self) -> None:
        seen, is_settled, looked_at = -1, False, self._clock()
        while True:
            revision = self._board.hub.revision
            if revision != seen or not is_settled or self._clock() - looked_at > LOOK_ANYWAY:
                with contextlib.suppress(*_AWAY):
                    is_settled = await self._look()
                    seen, looked_at = revision, self._clock()
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> bool:
        """Tell every channel what changed for it; whether nothing waits to be told."""
        # One snapshot for the whole look: an answer that comes meanwhile would make incidents over that it has.
        now, answers = self._clock(), self._board.answers
        bodies = self._bodies(answers, now)
        present = list(incidents(bodies))
        settled = self._settling.settled(present, now)
        for channel in self._channels:
            name = channel.receiver.name
            told = await self._read(lambda c, name=name: known(c, name))  # type: ignore[misc]  # mypy cannot infer it
            over = {one.incident: why_over(one.incident, bodies) for one in told}
            gone = self._gone_pools(told, answers, now)
            over |= {one.incident: "its pool is not watched any more" for one in told if _pool_of(one) in gone}
            changes = self._changes(channel, told, present, settled, over, answers.keys() | gone)
            if changes:
                await self._write(partial(tell, channel=name, tellings=changes, now=now))
        self._waiting = await self._read(waiting_count)
        return len(settled) == len(present)

    def _gone_pools(self, told: list[Known], answers: Mapping[str, Answer], now: datetime) -> set[str]:
        """Pools that a channel was told of and that this collector has neither a picture nor an answer of. At a start
        pictures take a while, also of pools that do not answer."""
        if now - self._started_at < GONE_AFTER:
            return set()
        return {_pool_of(one) for one in told} - self._board.pictures.keys() - answers.keys()

    def _changes(
        self,
        channel: Channel,
        told: list[Known],
        present: list[Incident],
        settled: list[Incident],
        over: Mapping[str, str],
        judged_pools: Set[str],
    ) -> list[Telling]:
        section = channel.receiver.section
        concerned = [one for one in present if _concerns(section, one)]
        ready = [one for one in settled if _concerns(section, one)]
        made = tellings(told, concerned, ready, judged_pools, over, self._describe)
        # An Alertmanager has the severity as a label; people are not woken to hear that it is less bad.
        return [_for_channel(one, channel) for one in made]

    def _describe(self, incident: Incident) -> Json:
        assert self._core is not None
        return incident_body(incident, self._core.settings.web.external_url)

    def _bodies(self, answers: Mapping[str, Answer], now: datetime) -> list[FindingBody]:
        board = self._board
        mutes = [mute for mute in board.registered.mutes if mute.until > now]
        found = [
            compose.finding_body(finding, pool, pool_name(board, pool), mutes)
            for pool, answer in answers.items()
            for finding in answer.findings
        ]
        return sorted(found, key=compose.finding_key)

    # --- delivery ---------------------------------------------------------------------------------------------

    async def _deliver_on(self, channel: Channel) -> None:
        name = channel.receiver.name
        while True:
            waiting = None
            with contextlib.suppress(*_AWAY):
                work = partial(claim, channel=name, now=self._clock(), lease_seconds=_LEASE_SECONDS)
                waiting = await self._write(work)
                if waiting is not None:
                    await self._deliver(channel, waiting)
                elif channel.receiver.kind == "alertmanager":
                    await self._repeat(channel)
            if waiting is None:
                await asyncio.sleep(LOOK_SECONDS)

    async def _deliver(self, channel: Channel, waiting: Waiting) -> None:
        now = self._clock()
        try:
            if too_old(waiting, now, self._section.keep_hours):
                raise ReceiverError(f"given up after {self._section.keep_hours:g} h", is_final=True)
            await post(channel.client, channel.receiver, channel.receiver.message(waiting, now), waiting.key)
        except ReceiverError as error:
            channel.went(str(error))
            if not error.is_final:
                channel.failed += 1
                later = self._clock() + timedelta(seconds=pause_seconds(waiting.tries))
                await self._write(partial(try_later, message_id=waiting.message_id, at=later))
                return
            channel.given_up += 1
            LOG.error("notify %s: a message is given up: %s", channel.receiver.name, error)
        else:
            channel.delivered += 1
            channel.went("")
        await self._write(partial(sent, message_id=waiting.message_id))

    async def _repeat(self, channel: Channel) -> None:
        now = self._clock()
        if channel.repeated_at is not None and now - channel.repeated_at < timedelta(seconds=REPEAT_SECONDS):
            return
        channel.repeated_at = now
        told = await self._read(lambda c: known(c, channel.receiver.name))
        try:
            await repeat(channel.client, channel.receiver, told, now)
        except ReceiverError as error:
            channel.went(str(error))

    async def _read(self, work: Callable[[Connection], T]) -> T:
        assert self._core is not None
        return await self._core.readers.read(work)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        assert self._core is not None
        return await asyncio.wrap_future(self._core.writer.submit(work, priority=Priority.HOUSEKEEPING))


def _pool_of(told: Known) -> str:
    return str(told.body["incident"]["pool"]["uuid"])


def _concerns(section: ChannelSection, incident: Incident) -> bool:
    root = incident.root
    named = not section.pools or not {root.pool_uuid, root.pool_name}.isdisjoint(section.pools)
    return named and RANK[incident.severity] <= RANK[section.min_severity]


def _for_channel(telling: Telling, channel: Channel) -> Telling:
    """Whether the change is sent to this channel or only noted."""
    if telling.event != "better":
        return telling
    return telling._replace(is_sent=channel.receiver.kind == "alertmanager")

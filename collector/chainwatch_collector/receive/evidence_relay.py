"""Raw lines of a host whose stream may end at another collector of the same database (proto/README.md 9.4).

Whoever is asked and has not the stream leaves a request in the database; the collector that has it looks there twice a
second, asks the agent and leaves the reply, which is deleted as it is collected, or when nobody waits any more.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar

from chainwatch.v1 import ingest_service_pb2
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from chainwatch_collector.keep.readers import QueryTimeoutError, Readers
from chainwatch_collector.keep.requests import (
    ANSWERED,
    Reply,
    TakenRequest,
    add_request,
    answer_request,
    collect_reply,
    drop_expired,
    due_requests,
    end_request,
    request_state,
    take_requests,
)
from chainwatch_collector.keep.rows import from_us
from chainwatch_collector.keep.streams import HostStanding, host_standing
from chainwatch_collector.keep.writer import Writer, WriterBusyError, WriterClosedError
from chainwatch_collector.receive.evidence_requests import EvidencePart, EvidenceRefusedError
from chainwatch_collector.receive.evidence_wire import (
    WireError,
    parts_from_bytes,
    parts_to_bytes,
    request_from_text,
    request_to_text,
)
from chainwatch_collector.receive.service import IngestService
from chainwatch_collector.words import age

LOG = logging.getLogger(__name__)
T = TypeVar("T")
KIND: Final = "evidence"
LOOK_SECONDS: Final = 0.5
COLLECT_SECONDS: Final = 0.2
# From here on another collector is waited for: until it takes the request, and beyond what the agent may need.
TAKEN_SECONDS: Final = 10.0
BEYOND_SECONDS: Final = 8.0
# So much of the time that is left is for the way of the reply, not for the agent.
WAY_SECONDS: Final = 3.0
_AWAY: Final = (SQLAlchemyError, QueryTimeoutError, WriterBusyError, WriterClosedError)


class EvidenceRelay:
    """`ask` serves the surfaces of this collector, `start` begins to serve the others. In the event loop's thread.

    `shared`: other collectors use the database too; without them nothing is ever left in it.
    """

    def __init__(
        self,
        ingest: IngestService,
        writer: Writer,
        readers: Readers,
        *,
        shared: bool,
        taken_seconds: float = TAKEN_SECONDS,
        beyond_seconds: float = BEYOND_SECONDS,
        way_seconds: float = WAY_SECONDS,
    ) -> None:
        self._ingest, self._writer, self._readers, self._shared = ingest, writer, readers, shared
        self._taken_seconds, self._beyond_seconds, self._way_seconds = taken_seconds, beyond_seconds, way_seconds
        self._looking: asyncio.Task[None] | None = None
        self._answering: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Look for what other collectors ask."""
        if self._shared:
            self._looking = asyncio.create_task(self._look_on(), name="evidence-relay")

    async def stop(self) -> None:
        """What is being answered is given up; whoever waits for it learns that by the deadline."""
        tasks = [*self._answering, *([self._looking] if self._looking is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._looking = None

    # --- asking -------------------------------------------------------------------------------------------------

    async def ask(self, host_uuid: str, request: ingest_service_pb2.EvidenceRequest) -> list[EvidencePart]:
        """From the agent, through whichever collector has its stream. Raises `EvidenceRefusedError`."""
        try:
            standing = await self._readers.read(partial(host_standing, host_uuid=host_uuid))
            self._check(standing)
            if not self._shared or self._ingest.held.get(host_uuid) == standing.stream_epoch:
                return await self._ingest.request_evidence(host_uuid, request)
            return await self._ask_another(host_uuid, request)
        except _AWAY as error:
            LOG.warning("raw lines of host %s: %s", host_uuid, str(error).split("\n", 1)[0])
            raise EvidenceRefusedError("the collector's database does not answer: try again in a moment") from None

    def _check(self, standing: HostStanding) -> None:
        shared = self._ingest.shared
        if standing.stream_epoch == 0:
            raise EvidenceRefusedError(
                "no agent of this host was ever connected: chainwatch agent enroll brings one in"
            )
        silent_for = (shared.now_us() - standing.last_seen_at_us) / 1e6
        if not standing.stream_open or silent_for > shared.limits.silent_seconds:
            seen = from_us(standing.last_seen_at_us)
            heard = f", last heard of {age(seen, datetime.now(UTC))}" if seen is not None else ""
            raise EvidenceRefusedError(f"no agent of this host is connected to any collector{heard}")
        if "evidence" not in standing.features:
            raise EvidenceRefusedError(
                "the agent does not hand out evidence: set [evidence] allow=yes in its agent.conf"
            )

    async def _ask_another(self, host_uuid: str, request: ingest_service_pb2.EvidenceRequest) -> list[EvidencePart]:
        shared = self._ingest.shared
        request.max_bytes = min(request.max_bytes or shared.limits.evidence_bytes, shared.limits.evidence_bytes)
        seconds = min(request.deadline_seconds or 30, 60) + self._beyond_seconds
        work = partial(add_request, kind=KIND, target=host_uuid, body=request_to_text(request), seconds=seconds)
        request_id = await self._write(work)
        if request_id is None:
            raise EvidenceRefusedError("this host is answering another request: try again in a few seconds")
        try:
            reply = await self._reply(request_id, seconds)
        finally:
            self._forget(request_id)
        return _parts_of(reply, request.max_bytes)

    async def _reply(self, request_id: int, seconds: float) -> Reply:
        began = time.monotonic()
        while True:
            state = await self._readers.read(partial(request_state, request_id=request_id))
            waited = time.monotonic() - began
            if state in ANSWERED:
                reply = await self._write(partial(collect_reply, request_id=request_id))
                if reply is not None:
                    return reply
            if state == "asked" and waited > self._taken_seconds:
                raise EvidenceRefusedError(
                    f"the collector that has this host's stream did not take the request within"
                    f" {self._taken_seconds:g} s: if it just ended, its agents come back within a minute"
                )
            if state is None or waited > seconds:
                raise EvidenceRefusedError(
                    f"the collector that has this host's stream took the request and did not answer within"
                    f" {seconds:g} s: try again, and look at its log"
                )
            await asyncio.sleep(COLLECT_SECONDS)

    def _forget(self, request_id: int) -> None:
        # Where this fails the row goes by its deadline.
        with contextlib.suppress(WriterBusyError, WriterClosedError):
            self._writer.submit(partial(end_request, request_id=request_id))

    # --- answering ----------------------------------------------------------------------------------------------

    async def _look_on(self) -> None:
        told = ""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look()
                told = ""
            except _AWAY as error:
                reason = str(error).split("\n", 1)[0]
                if reason != told:
                    LOG.warning("what other collectors ask cannot be read: %s", reason)
                told = reason

    async def _look(self) -> None:
        due = await self._readers.read(partial(due_requests, kind=KIND))
        if due.expired:
            await self._write(drop_expired)
        held = self._ingest.held
        if not due.targets & held.keys():
            return
        for taken in await self._write(partial(take_requests, kind=KIND, held=held)):
            task = asyncio.create_task(self._answer(taken))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _answer(self, taken: TakenRequest) -> None:
        try:
            reply = await self._asked_here(taken)
            kept = await self._write(
                partial(answer_request, request_id=taken.request_id, reply=reply), weight=1024 + len(reply.data)
            )
        except _AWAY as error:
            LOG.warning("raw lines of host %s: %s", taken.target, str(error).split("\n", 1)[0])
            return
        size = len(reply.data) if reply.state == "done" else 0
        late = "" if kept else ", too late"
        LOG.info("raw lines of host %s for another collector: %s, %d bytes%s", taken.target, reply.state, size, late)

    async def _asked_here(self, taken: TakenRequest) -> Reply:
        try:
            request = request_from_text(taken.body)
            left = max(1, int(taken.seconds_left - self._way_seconds))
            request.deadline_seconds = min(request.deadline_seconds or left, left)
            parts = await self._ingest.request_evidence(taken.target, request)
        except (EvidenceRefusedError, WireError) as error:
            return Reply("refused", str(error).encode())
        return Reply("done", parts_to_bytes(parts))

    async def _write(self, work: Callable[[Connection], T], weight: int = 1024) -> T:
        return await asyncio.wrap_future(self._writer.submit(work, weight=weight))


def _parts_of(reply: Reply, max_bytes: int) -> list[EvidencePart]:
    if reply.state == "refused":
        raise EvidenceRefusedError(reply.data.decode("utf-8", "replace")[:500])
    try:
        return parts_from_bytes(reply.data, max_bytes)
    except WireError as error:
        raise EvidenceRefusedError(f"{error}: do both run the same chainwatch?") from None

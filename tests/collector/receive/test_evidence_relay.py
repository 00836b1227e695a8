"""Raw lines through the collector that has the host's stream: two services on one database, an agent by hand."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from chainwatch.v1 import ingest_service_pb2
from chainwatch_collector.keep.projection_tables import REQUESTS
from chainwatch_collector.keep.requests import take_requests
from chainwatch_collector.keep.tables import HOSTS
from chainwatch_collector.keep.writer import Writer
from chainwatch_collector.receive.evidence_relay import KIND, EvidenceRelay
from chainwatch_collector.receive.evidence_requests import EvidencePart, EvidenceRefusedError
from chainwatch_collector.receive.service import IngestService
from chainwatch_collector.receive.shared import NoListener, Shared
from lab.wire import SMLOG, Wire, hello
from sqlalchemy import func, select

from .conftest import HOST, Ingest

FEATURES_WITHOUT = [word for word in hello().features if word != "evidence"]


@dataclass
class Two:
    """`near` is asked and has no stream, `far` has the agents."""

    near: EvidenceRelay
    far: EvidenceRelay
    ingest: Ingest
    writer: Writer

    def be_short(self, *, taken: float, beyond: float) -> None:
        """`near` loses its patience after so many seconds."""
        service = self.near._ingest
        self.near = EvidenceRelay(
            service, self.writer, self.ingest.readers, shared=True, taken_seconds=taken, beyond_seconds=beyond
        )

    async def ask(self, host_uuid: str = HOST, seconds: int = 20) -> list[EvidencePart]:
        wanted = ingest_service_pb2.EvidenceRequest(log=SMLOG, around_us=1, literals=["word"], deadline_seconds=seconds)
        return await self.near.ask(host_uuid, wanted)

    async def refused(self, host_uuid: str = HOST, seconds: int = 20) -> str:
        with pytest.raises(EvidenceRefusedError) as error:
            await self.ask(host_uuid, seconds)
        return str(error.value)

    async def kept(self) -> int:
        """Rows, when what was submitted before is written."""
        await asyncio.wrap_future(self.writer.submit(lambda c: None))
        return self.ingest.readers.call(lambda c: c.execute(select(func.count()).select_from(REQUESTS)).scalar_one())


@pytest.fixture
async def two(ingest: Ingest, writer: Writer) -> AsyncIterator[Two]:
    asked = IngestService(Shared(writer, ingest.service.shared.limits, NoListener()), version="0.1.0")
    near = EvidenceRelay(asked, writer, ingest.readers, shared=True, taken_seconds=60.0, beyond_seconds=60.0)
    far = EvidenceRelay(ingest.service, writer, ingest.readers, shared=True)
    far.start()
    made = Two(near, far, ingest, writer)
    yield made
    await made.far.stop()


async def answer(wire: Wire, *, data: bytes = b"", error: str = "") -> ingest_service_pb2.EvidenceRequest:
    """Play the agent for one request; what was asked."""
    message = await wire.receive()
    asked = message.evidence_request
    reply = ingest_service_pb2.EvidenceReply(
        request_id=asked.request_id, data=data, from_offset=7, error=error, last=True
    )
    await wire.send(evidence_reply=reply)
    return asked


async def test_lines_come_through_the_other_collector_and_nothing_stays(two: Two) -> None:
    async with two.ingest.connect() as wire:
        await wire.welcome()
        lines, asked = await asyncio.gather(two.ask(), answer(wire, data=b"a word\nmore words\n"))
        assert [(part.from_offset, part.data, part.truncated) for part in lines] == [
            (7, b"a word\nmore words\n", False)
        ]
        assert (asked.log, list(asked.literals), asked.max_bytes) == (SMLOG, ["word"], 1024 * 1024)
        assert asked.deadline_seconds == 20
        assert await two.kept() == 0


async def test_more_than_a_mebibyte_is_cut(two: Two) -> None:
    async with two.ingest.connect() as wire:
        await wire.welcome()

        async def flood() -> None:
            request_id = (await wire.receive()).evidence_request.request_id
            for _ in range(3):
                reply = ingest_service_pb2.EvidenceReply(request_id=request_id, data=b"x" * 500_000)
                await wire.send(evidence_reply=reply)

        lines, _ = await asyncio.gather(two.ask(), flood())
        assert sum(len(part.data) for part in lines) == 1024 * 1024
        assert lines[-1].truncated


async def test_what_the_agent_refuses_is_said_in_its_words(two: Two) -> None:
    async with two.ingest.connect() as wire:
        await wire.welcome()
        said, _ = await asyncio.gather(two.refused(), answer(wire, error="/var/log/SMlog: there is no such file"))
        assert said == "/var/log/SMlog: there is no such file"
        assert await two.kept() == 0


async def test_one_request_at_a_time(two: Two) -> None:
    async with two.ingest.connect() as wire:
        await wire.welcome()
        first = asyncio.create_task(two.ask())
        await wire.receive()
        assert "is answering another request" in await two.refused()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert await two.kept() == 0


async def test_hosts_that_nobody_has(two: Two) -> None:
    assert "no agent of this host was ever connected" in await two.refused("b2c5c1d2-1f0e-4a53-8f6e-0c1d2e3f4a5b")
    async with two.ingest.connect() as wire:
        await wire.welcome(features=FEATURES_WITHOUT)
        assert "allow=yes in its agent.conf" in await two.refused()
    while two.ingest.heard.streams[-1] != (HOST, False):
        await asyncio.sleep(0.01)
    assert await two.kept() == 0
    assert "no agent of this host is connected to any collector, last heard of" in await two.refused()


async def test_a_collector_that_is_gone_does_not_take_it(two: Two) -> None:
    async with two.ingest.connect() as wire:
        await wire.welcome()
        await two.far.stop()
        two.be_short(taken=1.0, beyond=60.0)
        assert "did not take the request within 1 s" in await two.refused()
        assert await two.kept() == 0


async def test_a_collector_that_ends_in_the_middle_does_not_answer(two: Two) -> None:
    async with two.ingest.connect() as wire:
        await wire.welcome()
        await two.far.stop()
        two.be_short(taken=60.0, beyond=4.0)
        asking = asyncio.create_task(two.refused(seconds=1))
        epoch = two.ingest.readers.call(lambda c: c.execute(select(HOSTS.c.stream_epoch)).scalar_one())
        while not await asyncio.wrap_future(two.writer.submit(lambda c: take_requests(c, KIND, {HOST: epoch}))):
            await asyncio.sleep(0.05)
        assert "took the request and did not answer within 5 s" in await asking
        assert await two.kept() == 0


async def test_an_agent_that_says_nothing_times_out_there(two: Two) -> None:
    async with two.ingest.connect() as wire:
        await wire.welcome()
        # The other collector gives its agent what is left of the time, less the way of the reply.
        await two.far.stop()
        two.far = EvidenceRelay(two.ingest.service, two.writer, two.ingest.readers, shared=True, way_seconds=79.0)
        two.far.start()
        assert "the agent did not answer within 1 s" in await two.refused()

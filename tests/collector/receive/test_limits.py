"""Every limit of the ingest port (proto/README.md 6): what is beyond it is cut off, with a status and a text."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any, cast

import grpc
import pytest
from chainwatch.v1 import evidence_pb2, ingest_service_pb2, ingest_service_pb2_grpc
from chainwatch_collector.fold.trusted import trust_seen
from chainwatch_collector.receive import limits as most
from chainwatch_collector.receive import pace, stream
from chainwatch_collector.receive.evidence_requests import EvidenceRequests
from chainwatch_collector.receive.limits import IngestLimits
from chainwatch_collector.receive.messages import MessageError, hello_of, item_of
from chainwatch_collector.receive.shared import Budget
from chainwatch_collector.track.observations import AgentFaults
from lab.wire import SMLOG, file_seen, hello, key_of, span

from .conftest import HOST, Ingest, status_of

OTHER = HOST[:-2] + "ff"
PATIENCE_SECONDS = 20.0
LOG = b"".join(b"Nov 24 10:00:%02d xcp-1 SMGC: [123] line %d\n" % (n, n) for n in range(10))
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE = 3, 6
Message = ingest_service_pb2.AgentMessage


@pytest.mark.parametrize("limits", [IngestLimits(max_streams=1, drain_seconds=0.3)])
async def test_streams(ingest: Ingest) -> None:
    async with ingest.connect() as first:
        await first.welcome()
        async with ingest.connect(OTHER) as second:
            ended = await second.ended()
    assert status_of(ended) == "RESOURCE_EXHAUSTED"
    assert "raise max_streams" in ended[1]


@pytest.mark.parametrize("limits", [IngestLimits(stream_opens_burst=3, drain_seconds=0.3)])
async def test_how_often_a_host_opens_a_stream(ingest: Ingest, caplog: pytest.LogCaptureFixture) -> None:
    """Another host is not concerned."""
    for _ in range(3):
        async with ingest.connect() as wire:
            await wire.welcome()
    async with ingest.connect() as wire, ingest.connect(OTHER) as other:
        ended = await wire.ended()
        await other.welcome()
    assert status_of(ended) == "UNAVAILABLE"
    assert ended[1].startswith("this host opens streams too often: wait ")


async def test_what_breaks_the_rules_again_and_again_waits(ingest: Ingest, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its name once in ten seconds; another host is not concerned."""
    for _ in range(4):
        async with ingest.connect() as wire:
            await wire.send(file_seen=file_seen(LOG))
            assert status_of(await wire.ended()) == "INVALID_ARGUMENT"
    async with ingest.connect() as wire, ingest.connect(OTHER) as other:
        await other.welcome()
        ended = await wire.ended()
    assert status_of(ended) == "UNAVAILABLE"
    assert ended[1].startswith("streams of this host were ended 4 times for its agent's fault: wait ")
    said = [record.getMessage() for record in caplog.records if "streams ended" in record.getMessage()]
    assert [one.split(" at ipv4:")[0] for one in said] == [f"host {HOST}"]
    assert said[0].endswith(": 1 streams ended: the first message must be hello")


@pytest.mark.parametrize("limits", [IngestLimits(hello_seconds=0.2, drain_seconds=0.3)])
async def test_time_for_a_hello(ingest: Ingest) -> None:
    async with ingest.connect() as wire:
        ended = await wire.ended()
    assert (status_of(ended), ended[1]) == ("INVALID_ARGUMENT", "no Hello within 0.2 s")


@pytest.mark.parametrize("limits", [IngestLimits(silent_seconds=0.4, drain_seconds=0.3)])
async def test_time_between_two_messages(ingest: Ingest) -> None:
    async with ingest.connect() as wire:
        await wire.welcome()
        ended = await wire.ended()
    assert (status_of(ended), ended[1]) == ("UNAVAILABLE", "no message for 0.4 s")


@pytest.mark.parametrize("limits", [IngestLimits(max_message_bytes=65_536, drain_seconds=0.3)])
async def test_a_message(ingest: Ingest) -> None:
    data = LOG + b"x" * 80_000 + b"\n"
    async with ingest.connect() as wire:
        await wire.welcome()
        await wire.send(span=span(data, 0, len(data)))
        ended = await wire.ended()
    assert status_of(ended) == "RESOURCE_EXHAUSTED"
    assert "is larger than max_message_bytes, 65536" in ended[1]
    assert "larger than max_message_bytes" in (await told(ingest)).text


@pytest.mark.parametrize("limits", [IngestLimits(max_message_bytes=65_536, drain_seconds=0.3)])
async def test_a_message_that_is_not_even_read(ingest: Ingest) -> None:
    data = LOG + b"x" * 200_000 + b"\n"
    async with ingest.connect() as wire:
        await wire.welcome()
        await wire.send(span=span(data, 0, len(data)))
        ended = await wire.ended()
    assert (status_of(ended), "larger than max" in ended[1]) == ("RESOURCE_EXHAUSTED", True)


async def test_evidence_that_nobody_asked_for(ingest: Ingest) -> None:
    async with ingest.connect() as wire:
        await wire.welcome()
        await wire.send(evidence_reply=evidence_reply(1, LOG))
        ended = await wire.ended()
    assert (status_of(ended), ended[1].split(":")[0]) == ("INVALID_ARGUMENT", "evidence_reply")
    assert (await told(ingest)).text == ended[1]


@pytest.mark.parametrize("limits", [IngestLimits(points_burst=1, points_per_second=0.01, drain_seconds=0.3)])
async def test_who_says_too_much_for_long_is_named(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "LASTING_SECONDS", 0.0)
    async with ingest.connect() as wire:
        await wire.welcome()
        for _ in range(3):
            await wire.call.write(Message())
        found = await told(ingest)
    assert (found.slowed, found.text, found.times) == (True, "says more than any agent should", 1)


async def told(ingest: Ingest) -> AgentFaults:
    """What is known of the host's faults, for who judges it."""
    while not (found := ingest.readers.call(trust_seen).faults):
        await asyncio.sleep(0.01)
    return found[HOST]


async def test_files_of_a_stream(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_FILES_SEEN", 3)
    async with ingest.connect() as wire:
        await wire.welcome()
        for number in range(4):
            await wire.send(file_seen=file_seen(b"%d" % number + LOG))
        ended = await wire.ended()
    assert (status_of(ended), ended[1]) == ("RESOURCE_EXHAUSTED", "file_seen: more than 3 files in one stream")


async def test_headers_of_a_call(ingest: Ingest) -> None:
    identity = ingest.pki.host(HOST)
    trust, key, certificate = (path.read_bytes() for path in (ingest.pki.ca, identity.key, identity.certificate))
    credentials = grpc.ssl_channel_credentials(trust, key, certificate)
    async with grpc.aio.secure_channel(f"localhost:{ingest.port}", credentials) as channel:
        stub = cast("Any", ingest_service_pb2_grpc.IngestServiceStub(channel))
        call = stub.StreamEvidence(metadata=(("x-long", "x" * 40_000),))
        assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def tls_of(ingest: Ingest) -> ssl.SSLContext:
    identity = ingest.pki.host(HOST)
    context = ssl.create_default_context(cafile=str(ingest.pki.ca))
    context.load_cert_chain(identity.certificate, identity.key)
    context.set_alpn_protocols(["h2"])
    return context


async def opened(ingest: Ingest, tls: ssl.SSLContext | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    name = "localhost" if tls is not None else None
    return await asyncio.open_connection("127.0.0.1", ingest.port, ssl=tls, server_hostname=name)


async def cut_off(reader: asyncio.StreamReader) -> None:
    """Until the collector ends the connection."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        with contextlib.suppress(ConnectionError):
            while await reader.read(4096):
                pass


@pytest.mark.parametrize("limits", [IngestLimits(handshake_seconds=0.5, drain_seconds=0.3)])
@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01"])
async def test_time_for_a_handshake(ingest: Ingest, said: bytes) -> None:
    reader, writer = await opened(ingest, None)
    writer.write(said)
    await cut_off(reader)
    writer.close()


@pytest.mark.parametrize("limits", [IngestLimits(idle_connection_seconds=0.5, drain_seconds=0.3)])
async def test_time_without_a_stream(ingest: Ingest) -> None:
    reader, writer = await opened(ingest, tls_of(ingest))
    writer.write(PREFACE + SETTINGS)
    await cut_off(reader)
    writer.close()


@pytest.mark.parametrize("limits", [IngestLimits(max_streams=1, spare_connections=1, drain_seconds=0.3)])
async def test_connections(ingest: Ingest) -> None:
    """The third of two is closed at once, those that are open go on."""
    async with ingest.connect() as wire, contextlib.AsyncExitStack() as ends:
        await wire.welcome()
        for _ in range(2):
            reader, writer = await opened(ingest, None)
            ends.callback(writer.close)
        await cut_off(reader)
        await wire.send(file_seen=file_seen(LOG))
        await wire.send(span=span(LOG, 0, len(LOG)))
        await wire.acked_to(key_of(LOG), len(LOG))


async def test_streams_and_headers_of_a_connection(ingest: Ingest) -> None:
    """HTTP/2's own limits (RFC 9113 6.5.2), as the collector tells them."""
    reader, writer = await opened(ingest, tls_of(ingest))
    writer.write(PREFACE + SETTINGS)
    head = await asyncio.wait_for(reader.readexactly(9), PATIENCE_SECONDS)
    body = await reader.readexactly(int.from_bytes(head[:3], "big"))
    writer.close()
    pairs = (body[at : at + 6] for at in range(0, len(body), 6))
    told = {int.from_bytes(pair[:2], "big"): int.from_bytes(pair[2:], "big") for pair in pairs}
    assert (head[3], told[MAX_CONCURRENT_STREAMS]) == (4, 16)
    # gRPC adds a quarter: within it a call is refused, beyond it the connection may be.
    assert told[MAX_HEADER_LIST_SIZE] == 20 * 1024


async def test_bytes_of_all_streams_that_are_not_committed() -> None:
    budget = Budget(100)
    budget.take(101)
    waiting = asyncio.ensure_future(budget.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    budget.give_back(1)
    await asyncio.wait_for(waiting, PATIENCE_SECONDS)
    assert budget.held_bytes == 100


async def test_bytes_of_an_evidence_reply() -> None:
    requests = EvidenceRequests()
    asked = ingest_service_pb2.EvidenceRequest(max_bytes=10)
    future = requests.begin(HOST, asked)
    for _ in range(3):
        reply = evidence_reply(asked.request_id, b"seven..")
        requests.reply(HOST, reply)
    parts = await asyncio.wait_for(future, PATIENCE_SECONDS)
    assert [(part.data, part.truncated) for part in parts] == [(b"seven..", False), (b"sev", True)]


@pytest.mark.parametrize("limits", [IngestLimits(points_per_second=50, points_burst=2, drain_seconds=0.3)])
async def test_messages_of_a_host(ingest: Ingest, caplog: pytest.LogCaptureFixture) -> None:
    """What is too much waits; it is read all the same, and said once."""
    async with ingest.connect() as wire:
        await wire.welcome()
        for _ in range(20):
            await wire.call.write(Message())
        await wire.send(file_seen=file_seen(LOG))
        await wire.send(span=span(LOG, 0, len(LOG)))
        await wire.acked_to(key_of(LOG), len(LOG))
    counters = ingest.service.shared.counters
    assert counters.unknown_messages_total == 20
    assert counters.slowed_total > 0
    assert [record.getMessage() for record in caplog.records if "slowed" in record.getMessage()] == [
        f"host {HOST}: its agent says more than any should: its stream is slowed"
    ]


@pytest.mark.parametrize(
    "limits", [IngestLimits(stream_opens_burst=1, stream_opens_per_minute=1, refusal_seconds=60, drain_seconds=0.3)]
)
async def test_who_comes_too_soon_waits_for_his_answer(ingest: Ingest) -> None:
    async with ingest.connect() as wire:
        await wire.welcome()
    async with ingest.connect() as wire, ingest.connect(OTHER) as other:
        await other.welcome()
        with pytest.raises(TimeoutError):
            await wire.receive(0.3)


def evidence_reply(request_id: int, data: bytes) -> ingest_service_pb2.EvidenceReply:
    return ingest_service_pb2.EvidenceReply(request_id=request_id, file=key_of(LOG), data=data)


def status(**fields: Any) -> Message:
    return Message(status=evidence_pb2.Status(agent_epoch=1, seq=1, at_us=1, **fields))


def samples(**fields: Any) -> Message:
    return Message(samples=evidence_pb2.Samples(agent_epoch=1, seq=1, at_us=1, **fields))


def long_line() -> Message:
    data = b"x" * (most.MAX_LINE_BYTES + 1) + b"\n"
    return Message(span=span(data, 0, len(data)))


def many_slices() -> Message:
    count = most.MAX_SLICES + 1
    data = b"x\n" * count
    message = Message(span=span(data, 0, len(data)))
    message.span.slices.CopyFrom(
        evidence_pb2.Slices(skipped_bytes=[0] * count, size_bytes=[2] * count, data=data),
    )
    return message


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (long_line, f"has a line of more than {most.MAX_LINE_BYTES} bytes"),
        (lambda: Message(file_seen=file_seen(b"x" * 9000 + b"\n")), f"first_line: 9001 bytes, at most {8192}"),
        (lambda: Message(file_seen=file_seen(LOG, log="/" + "x" * 4096)), "log: 4097 characters, at most 4096"),
        (lambda: Message(gap=evidence_pb2.Gap(log=SMLOG, detail="x" * 5000)), "gap.detail: 5000 characters"),
        (lambda: status(problems=["x"] * 257), "status.problems: 257 entries, at most 256"),
        (lambda: status(counters={str(n): 1.0 for n in range(257)}), "status.counters: 257 entries, at most 256"),
        (many_slices, "span.slices.size_bytes: 32769 entries, at most 32768"),
        (lambda: samples(processes=[evidence_pb2.ProcessSample()] * 1025), "samples.processes: 1025 entries"),
    ],
)
def test_fields_of_a_message(make: Callable[[], Message], said: str) -> None:
    with pytest.raises(MessageError) as raised:
        item_of(make(), {0: 1})
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"hostname": "x" * 257}, "hello.hostname: 257 characters, at most 256"),
        ({"features": ["x"] * 65}, "hello.features: 65 entries, at most 64"),
        ({"logs": [SMLOG] * 65}, "hello.logs: 65 entries, at most 64"),
        ({"logs": ["/" + "x" * 4000] * 40}, f"at most {most.MAX_POLICY_BYTES}"),
    ],
)
def test_fields_of_a_hello(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(MessageError) as raised:
        hello_of(hello(**fields), HOST, None)
    assert said in str(raised.value)

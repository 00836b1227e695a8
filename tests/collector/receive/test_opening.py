"""How streams begin, and which of two is the host's (proto/README.md 2), over real TLS, on both databases."""

import asyncio

from chainwatch.v1 import ingest_service_pb2
from chainwatch_collector.fold.trusted import trust_seen
from chainwatch_collector.keep.tables import HOSTS
from lab.wire import file_seen, hello, key_of, span
from sqlalchemy import select

from .conftest import HOST, Ingest, status_of

LOG = b"".join(b"Nov 24 10:00:%02d xcp-1 SMGC: [123] line %d\n" % (n, n) for n in range(10))


async def test_the_epoch_is_durable_before_the_welcome(ingest: Ingest) -> None:
    for epoch in (1, 2):
        async with ingest.connect() as wire:
            assert (await wire.welcome()).stream_epoch == epoch
            stored = ingest.readers.call(lambda c: c.execute(select(HOSTS.c.stream_epoch)).scalar())
            assert stored == epoch


async def test_of_two_streams_the_newer_one_writes(ingest: Ingest) -> None:
    async with ingest.connect() as older, ingest.connect() as newer:
        await older.welcome()
        await newer.welcome()
        ended = await older.ended()
        assert status_of(ended) == "ABORTED"
        assert ended[1].startswith("superseded")
        await newer.send(file_seen=file_seen(LOG))
        await newer.send(span=span(LOG, 0, len(LOG)))
        await newer.acked_to(key_of(LOG), len(LOG))


async def test_a_second_hello_ends_the_stream(ingest: Ingest) -> None:
    async with ingest.connect() as wire:
        await wire.welcome()
        await wire.send(hello=hello())
        ended = await wire.ended()
    assert status_of(ended) == "INVALID_ARGUMENT"
    assert "second time" in ended[1]


async def test_another_machine_is_refused_while_the_first_one_lives(ingest: Ingest) -> None:
    async with ingest.connect() as wire:
        await wire.welcome()
        async with ingest.connect() as clone:
            await clone.send(hello=hello(machine_id="b" * 32, hostname="clone"))
            ended = await clone.ended()
        assert status_of(ended) == "FAILED_PRECONDITION"
        assert ended[1].startswith("duplicate host")
        (told,) = ingest.heard.duplicates
        assert (told.host_uuid, told.live_machine_id, told.machine_id) == (HOST, "a" * 32, "b" * 32)
        assert (told.hostname, ":" in told.peer) == ("clone", True)
        # Kept as well, for the collector that judges the host, which may be another one; the last one counts.
        async with ingest.connect() as clone:
            await clone.send(hello=hello(machine_id="c" * 32, hostname="other"))
            await clone.ended()
        assert list(ingest.readers.call(trust_seen).duplicates.values()) == [ingest.heard.duplicates[-1]]
        await wire.send(file_seen=file_seen(LOG))
        await wire.send(span=span(LOG, 0, len(LOG)))
        await wire.acked_to(key_of(LOG), len(LOG))


async def test_an_installation_after_the_former_ones_stream_is_no_duplicate(ingest: Ingest) -> None:
    async with ingest.connect() as wire:
        await wire.welcome()
    while ingest.heard.streams[-1] != (HOST, False):
        await asyncio.sleep(0.01)
    async with ingest.connect() as wire:
        await wire.welcome(machine_id="b" * 32)
    assert ingest.heard.duplicates == []


async def test_the_first_message_is_a_hello(ingest: Ingest) -> None:
    async with ingest.connect() as wire:
        await wire.send(file_seen=file_seen(LOG))
        assert status_of(await wire.ended()) == "INVALID_ARGUMENT"
    async with ingest.connect() as wire:
        # Nothing at all within `hello_seconds`.
        assert status_of(await wire.ended()) == "INVALID_ARGUMENT"


async def test_what_is_unknown_is_ignored_and_counted(ingest: Ingest) -> None:
    async with ingest.connect() as wire:
        await wire.welcome()
        await wire.call.write(ingest_service_pb2.AgentMessage())
        await wire.send(file_seen=file_seen(LOG))
        await wire.send(span=span(LOG, 0, len(LOG)))
        await wire.acked_to(key_of(LOG), len(LOG))
    assert ingest.service.shared.counters.unknown_messages_total == 1


async def test_a_span_of_a_file_that_was_not_announced_is_refused(ingest: Ingest) -> None:
    async with ingest.connect() as wire:
        await wire.welcome()
        await wire.send(span=span(LOG, 0, len(LOG)))
        ended = await wire.ended()
    assert status_of(ended) == "FAILED_PRECONDITION"
    assert ended[1].startswith("unknown file")

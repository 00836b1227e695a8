"""Whoever crowds the web port: refused by address, and never more than one accepted at a turn of the event loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
import uvicorn
from chainwatch_collector.serve.admission import ADDRESS_BURST, Admission, AdmissionLimits
from chainwatch_collector.serve.one_port import OnePort
from chainwatch_collector.serve.timed_http import TimedHttp
from starlette.types import Receive, Scope, Send

CROWD = 100
PATIENCE_SECONDS = 30.0
ASKED = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
Address = tuple[str, int]


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(4 * CROWD)
        yield listener


@contextlib.asynccontextmanager
async def serving(listener: socket.socket, admission: Admission | None, most: int = 1000) -> AsyncIterator[Address]:
    config = uvicorn.Config(hello, http=TimedHttp, lifespan="off", log_config=None)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    port = OnePort(listener, server, 1, admission, most)
    task = asyncio.create_task(port.serve())
    try:
        yield listener.getsockname()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await port.close()


async def answer(address: Address, source: str) -> bytes:
    """What a client at `source` gets; nothing where it is closed unread."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection(*address, local_addr=(source, 0))
        try:
            writer.write(ASKED)
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


async def test_who_crowds_is_closed_unread_and_others_are_served(listener: socket.socket) -> None:
    admission = Admission(AdmissionLimits(connections_per_second=10_000, address_connections_per_second=1))
    async with serving(listener, admission) as address:
        for _ in range(ADDRESS_BURST):
            assert admission.admits("127.0.0.2", asyncio.get_running_loop().time())
        crowd = await asyncio.gather(*(answer(address, "127.0.0.2") for _ in range(10)))
        assert crowd.count(b"") >= 5
        assert admission.refused == crowd.count(b"")
        assert (await answer(address, "127.0.0.1")).endswith(b"hi")


async def test_a_full_backlog_leaves_turns_to_others(listener: socket.socket) -> None:
    with contextlib.ExitStack() as crowd:
        for _ in range(CROWD):
            crowd.enter_context(socket.create_connection(listener.getsockname()))
        async with serving(listener, None) as address:
            while len(asyncio.all_tasks()) < CROWD // 2:
                before = len(asyncio.all_tasks())
                await asyncio.sleep(0)
                # Each stays as a task that awaits its client's first words.
                assert len(asyncio.all_tasks()) - before <= 1
            assert (await answer(address, "127.0.0.1")).endswith(b"hi")


async def test_everybody_together_comes_in_at_a_pace(listener: socket.socket) -> None:
    """A pace of one a second: of a crowd no more than a burst is in after the first turns; it gets in by and by."""
    admission = Admission(AdmissionLimits(connections_per_second=1, address_connections_per_second=10_000))
    with contextlib.ExitStack() as crowd:
        for _ in range(CROWD):
            crowd.enter_context(socket.create_connection(listener.getsockname()))
        async with serving(listener, admission):
            before = len(asyncio.all_tasks())
            for _ in range(3 * CROWD):
                await asyncio.sleep(0)
            assert 1 <= len(asyncio.all_tasks()) - before <= 12


async def test_an_address_holds_a_fifth_of_all_and_all_no_more_than_there_are(listener: socket.socket) -> None:
    limits = AdmissionLimits(connections_per_second=10_000, address_connections_per_second=10_000)
    async with serving(listener, Admission(limits), most=15) as address:
        async with contextlib.AsyncExitStack() as crowd:
            for number in range(5):
                for _ in range(3):
                    await crowd.enter_async_context(held(address, f"127.0.0.{number + 2}"))
                assert await answer(address, f"127.0.0.{number + 2}") == b""
            assert await answer(address, "127.0.0.1") == b""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (await answer(address, "127.0.0.1")).endswith(b"hi"):
                pass


@contextlib.asynccontextmanager
async def held(address: Address, source: str) -> AsyncIterator[None]:
    """A connection that was answered once and stays."""
    reader, writer = await asyncio.open_connection(*address, local_addr=(source, 0))
    try:
        writer.write(ASKED.replace(b"close", b"keep-alive"))
        assert (await reader.readuntil(b"hi")).startswith(b"HTTP/1.1 200")
        yield
    finally:
        writer.close()

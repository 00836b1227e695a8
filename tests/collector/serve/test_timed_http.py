"""A client that drips the head of a request is cut off, also after a good one, and one that takes no answer; those that
behave are not.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from chainwatch_collector.serve.timed_http import TimedHttp
from starlette.types import Receive, Scope, Send

GOOD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


GAVE_UP = threading.Event()


class ShortHead(TimedHttp):
    head_seconds = 0.5
    reader_seconds = 0.5


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/endless":
        await endless(send, receive)
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


async def endless(send: Send, receive: Receive) -> None:
    """Until the client is gone: uvicorn drops what is sent then, and `receive` says so."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    gone = asyncio.ensure_future(until_gone(receive))
    while not gone.done():
        await send({"type": "http.response.body", "body": bytes(65_536), "more_body": True})
        await asyncio.sleep(0)
    GAVE_UP.set()


async def until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(hello, http=ShortHead, lifespan="off", log_level="critical", timeout_keep_alive=30)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()
    server.should_exit = True
    thread.join(10)
    listener.close()


def reply(connection: socket.socket) -> bool:
    """The whole answer came."""
    data = b""
    while not data.endswith(b"hi"):
        more = connection.recv(1000)
        if not more:
            return False
        data += more
    return True


def ended(connection: socket.socket) -> bool:
    """The server closes it, by a reset or an end."""
    connection.settimeout(20)
    try:
        return connection.recv(1000) == b""
    except ConnectionResetError:
        return True


def test_silence_and_a_head_without_end(address: tuple[str, int]) -> None:
    for begin in (b"", b"GET / HTTP/1.1\r\nX: "):
        with socket.create_connection(address) as connection:
            connection.sendall(begin)
            assert ended(connection)


def test_a_second_head_without_end(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(GOOD)
        assert reply(connection)
        connection.sendall(b"GET / HTTP")
        assert ended(connection)


def test_a_client_may_be_idle_between_two_requests(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        connection.settimeout(20)
        for _ in range(2):
            connection.sendall(GOOD)
            assert reply(connection)
            time.sleep(2 * ShortHead.head_seconds)


def test_a_client_that_takes_no_answer(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert GAVE_UP.wait(20)

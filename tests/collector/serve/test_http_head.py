"""A client that drips the head of a request is cut off, also after a good one; those that behave are not."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from chainwatch_collector.serve.http_head import HeadTimeout
from starlette.types import Receive, Scope, Send

GOOD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class ShortHead(HeadTimeout):
    head_seconds = 0.5


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


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

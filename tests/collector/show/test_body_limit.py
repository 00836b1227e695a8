"""Bodies that are too large or too slow, through a real server."""

import json
import socket
from collections.abc import Iterator

import pytest
from chainwatch_collector.show.api.stream import Streams
from chainwatch_collector.show.app import build_app
from chainwatch_collector.show.body_limit import MAX_BODY_BYTES, BodyLimit
from chainwatch_collector.show.settings import ShowSettings
from collector.show.estate import estate
from collector.show.serving import NamedGuard, served
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

HEAD = "POST /api/v1/mutes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with served(build_app(estate(), NamedGuard(), ShowSettings())) as url:
        yield address_of(url)


def answer(address: tuple[str, int], *parts: bytes) -> str:
    with socket.create_connection(address, timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        return connection.recv(65536).decode()


def test_a_body_that_says_it_is_too_large_or_is_so(address: tuple[str, int]) -> None:
    large = b"x" * (MAX_BODY_BYTES + 1)
    said = HEAD + f"Content-Length: {len(large)}\r\n\r\n"
    assert " 413 " in answer(address, said.encode(), large)
    chunked = HEAD + "Transfer-Encoding: chunked\r\n\r\n"
    assert " 413 " in answer(address, chunked.encode(), b"%x\r\n%b\r\n" % (len(large), large))


def test_a_body_of_ours_comes_whole(address: tuple[str, int]) -> None:
    body = json.dumps({"code": "SR_SPACE_LOW", "seconds": 60, "reason": "x"}).encode()
    head = HEAD + f"Content-Length: {len(body)}\r\n\r\n"
    assert " 201 " in answer(address, head.encode(), body[:7], body[7:])


def test_a_body_that_drips_is_cut_off() -> None:
    app = FastAPI()
    app.add_middleware(BodyLimit, seconds=0.2)

    @app.post("/")
    async def post(request: Request) -> int:
        return len(await request.body())

    @app.get("/")
    async def get() -> int:
        return 1

    with TestClient(app) as client:
        assert client.post("/", content=b"abc").json() == 3
        assert client.get("/").json() == 1
    app.state.streams = Streams()
    with served(app) as url:
        dripping = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
        assert " 408 " in answer(address_of(url), dripping.encode(), b"abc")


def address_of(url: str) -> tuple[str, int]:
    host, _, port = url.rpartition("//")[2].partition(":")
    return host, int(port)

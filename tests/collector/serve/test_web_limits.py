"""Every limit of the web port, asked of a real collector: what is beyond it is refused with a status."""

import contextlib
import socket
import ssl
from collections.abc import Iterator

import httpx2 as httpx
import pytest
from collector.serve.live_collector import Rest
from lab.collector_process import CollectorProcess
from lab.pki import Pki

PATIENCE_SECONDS = 30.0


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    directory = tmp_path_factory.mktemp("limits")
    process = CollectorProcess(directory / "collector", Pki(directory / "pki"))
    process.start()
    yield process
    assert process.stop() == 0


@pytest.fixture
def client(collector: CollectorProcess) -> Iterator[httpx.Client]:
    rest = Rest(collector)
    yield rest.client
    rest.close()


def first_line(collector: CollectorProcess, said: bytes) -> bytes:
    """Of the answer; nothing where the connection was closed before all was sent."""
    trust = ssl.create_default_context(cafile=str(collector.pki.ca))
    with (
        socket.create_connection(("127.0.0.1", collector.web_port), PATIENCE_SECONDS) as plain,
        trust.wrap_socket(plain, server_hostname="localhost") as client,
    ):
        data = b""
        with contextlib.suppress(OSError):
            client.sendall(said)
            while more := client.recv(65_536):
                data += more
        return data.split(b"\r\n", 1)[0]


@pytest.mark.parametrize(
    "said",
    [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"GET /healthz?" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["header", "headers", "query"],
)
def test_a_head(collector: CollectorProcess, client: httpx.Client, said: bytes) -> None:
    assert first_line(collector, said) in (b"HTTP/1.1 400 Bad Request", b"")
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/v1/findings?sr=" + "x" * 301, "sr"),
        ("/api/v1/events?grep=" + "x" * 201, "grep"),
        ("/api/v1/events?limit=1001", "limit"),
        ("/api/v1/findings?limit=100000000000000000000", "limit"),
    ],
)
def test_a_parameter_and_the_size_of_a_result(client: httpx.Client, path: str, field: str) -> None:
    response = client.get(path)
    assert response.status_code == 422
    assert field in response.json()["error"]["message"]


def test_a_body(client: httpx.Client) -> None:
    response = client.post("/api/v1/login", content=bytes(300 << 10))
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")


def test_a_body_that_is_compressed_is_not_unpacked(client: httpx.Client) -> None:
    response = client.post("/api/v1/login", content=b"\x1f\x8b" + bytes(100), headers={"Content-Encoding": "gzip"})
    assert response.status_code == 422

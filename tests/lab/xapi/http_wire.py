"""HTTP/1.1 as xapi's own server does it: small headers, Content-Length both ways, keep-alive unless told otherwise."""

import asyncio
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

HEADER_LIMIT_BYTES = 1024
BODY_LIMIT_BYTES = 300 * 1024
_CHUNK_BYTES = 1 << 18


class HttpError(Exception):
    """The request is refused with `status`; the connection closes."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


@dataclass(frozen=True)
class Request:
    """A request. Header names are in lower case; `query` keeps every value."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    keep_alive: bool


@dataclass(frozen=True)
class Response:
    """A reply; `close` ends the connection after it."""

    status: HTTPStatus
    content_type: str
    body: list[bytes]
    close: bool = False
    headers: dict[str, str] = field(default_factory=dict)


async def read(reader: asyncio.StreamReader) -> Request | None:
    """The next request, None at the end. Raises `HttpError`, and IncompleteReadError when the client goes midway."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    except asyncio.LimitOverrunError:
        raise HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE) from None
    if len(head) > HEADER_LIMIT_BYTES:
        raise HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise HttpError(HTTPStatus.BAD_REQUEST)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    url = urlsplit(parts[1])
    body = await _body(reader, headers)
    keep = parts[2] == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    return Request(parts[0], url.path, parse_qs(url.query), headers, body, keep)


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    """xapi reads no chunked requests."""
    if "transfer-encoding" in headers:
        raise HttpError(HTTPStatus.NOT_IMPLEMENTED)
    text = headers.get("content-length", "0")
    if not text.isdecimal():
        raise HttpError(HTTPStatus.BAD_REQUEST)
    if int(text) > BODY_LIMIT_BYTES:
        raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return await reader.readexactly(int(text))


def error_page(status: HTTPStatus) -> Response:
    """The page that a browser would get."""
    page = f"<html><body><h1>HTTP {status.value} {status.phrase.lower()}</h1></body></html>"
    return Response(status, "text/html", [page.encode()], close=True)


async def write(writer: asyncio.StreamWriter, response: Response, cut_at_bytes: int | None = None) -> None:
    """Send it; `cut_at_bytes` of the body is where a broken connection ends it."""
    body = memoryview(b"".join(response.body))
    lines = [
        f"HTTP/1.1 {response.status.value} {response.status.phrase}",
        f"content-type: {response.content_type}",
        f"content-length: {len(body)}",
        f"connection: {'close' if response.close else 'keep-alive'}",
        "cache-control: no-cache, no-store",
        *(f"{name}: {value}" for name, value in response.headers.items()),
    ]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    for start in range(0, len(body[:cut_at_bytes]), _CHUNK_BYTES):
        writer.write(body[:cut_at_bytes][start : start + _CHUNK_BYTES])
        await writer.drain()
    await writer.drain()

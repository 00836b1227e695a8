"""A gRPC call by hand: HTTP/2 frames over TLS, many messages in one frame, as fast as flow control lets them go.

gRPC's own client takes more CPU for a message than a collector does. What is in the answers is not looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK: Final = 1
END_STREAM: Final = 1
END_HEADERS: Final = 4
CANCEL: Final = 8
MAX_FRAME_BYTES: Final = 16_384
_INITIAL_WINDOW: Final = 4
_HEAD: Final = struct.Struct(">BHBBI")
_PAIR: Final = struct.Struct(">HI")
_NUMBER: Final = struct.Struct(">I")
# What the server says to these clients: it ends them, or its answer comes too late.
ENDED: Final = (OSError, EOFError, ssl.SSLError, TimeoutError)


def frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
    """RFC 9113 4.1."""
    return _HEAD.pack(len(body) >> 16, len(body) & 0xFFFF, kind, flags, stream) + body


def message(body: bytes) -> bytes:
    """A message as gRPC frames it, not compressed."""
    return b"\0" + _NUMBER.pack(len(body)) + body


def head_of(path: str) -> bytes:
    """The header block of a call: literals without indexing, without Huffman (RFC 7541 6.2.2)."""
    pairs = {
        b":method": b"POST",
        b":scheme": b"https",
        b":path": path.encode(),
        b":authority": b"localhost",
        b"te": b"trailers",
        b"content-type": b"application/grpc",
    }
    return b"".join(b"\0%c%b%c%b" % (len(name), name, len(value), value) for name, value in pairs.items())


class Connection:
    """One TLS connection; `call` opens a call on it, of which `send` writes to the newest."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.over = asyncio.Event()
        self.answered = asyncio.Event()
        self._reader = reader
        self._writer = writer
        self._stream = -1
        self._initial = self._left = self._connection_left = 65_535
        self._more = asyncio.Event()
        all_of_it = _PAIR.pack(_INITIAL_WINDOW, (1 << 31) - 1)
        room = _NUMBER.pack(1 << 30)
        writer.write(PREFACE + frame(SETTINGS, 0, 0, all_of_it) + frame(WINDOW_UPDATE, 0, 0, room))

    def call(self, head: bytes) -> None:
        """Begin another call."""
        self._stream += 2
        self._left = self._initial
        self.answered.clear()
        self.over.clear()
        self._writer.write(frame(HEADERS, END_HEADERS, self._stream, head))

    async def send(self, data: bytes) -> None:
        """As the server makes room. Raises EOFError where it ended the call."""
        for start in range(0, len(data), MAX_FRAME_BYTES):
            part = data[start : start + MAX_FRAME_BYTES]
            while part:
                room = min(len(part), self._left, self._connection_left)
                if self.over.is_set():
                    raise EOFError("the server ended the call")
                if room <= 0:
                    self._more.clear()
                    await self._more.wait()
                    continue
                self._left -= room
                self._connection_left -= room
                self._writer.write(frame(DATA, 0, self._stream, part[:room]))
                part = part[room:]
            await self._writer.drain()

    async def reset(self) -> None:
        """Give the call up."""
        self._writer.write(frame(RST_STREAM, 0, self._stream, _NUMBER.pack(CANCEL)))
        await self._writer.drain()

    async def listen(self) -> None:
        """Do what HTTP/2 demands of a client, until the server goes."""
        try:
            while True:
                high, low, kind, flags, stream = _HEAD.unpack(await self._reader.readexactly(_HEAD.size))
                self._heard(kind, flags, stream, await self._reader.readexactly(high << 16 | low))
        finally:
            self.over.set()
            self.answered.set()
            self._more.set()

    def _heard(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        mine = stream == self._stream
        if kind == SETTINGS and not flags & ACK:
            told = dict(_PAIR.iter_unpack(body))
            more = told.get(_INITIAL_WINDOW, self._initial) - self._initial
            self._initial, self._left = self._initial + more, self._left + more
            self._writer.write(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self._writer.write(frame(PING, ACK, 0, body))
        elif kind == WINDOW_UPDATE:
            self._connection_left += _NUMBER.unpack(body)[0] if stream == 0 else 0
            self._left += _NUMBER.unpack(body)[0] if mine else 0
        elif kind == DATA and mine:
            self.answered.set()
        elif kind == GOAWAY or (mine and (kind == RST_STREAM or (kind == HEADERS and flags & END_STREAM))):
            self.over.set()
            self.answered.set()
        self._more.set()


@contextlib.asynccontextmanager
async def connection(port: int, tls: ssl.SSLContext) -> AsyncIterator[Connection]:
    """On loopback; aborted at the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    opened = Connection(reader, writer)
    listening = asyncio.ensure_future(opened.listen())
    try:
        yield opened
    finally:
        listening.cancel()
        writer.transport.abort()
        await asyncio.gather(listening, return_exceptions=True)

"""Clients that open connections and then say nothing, half of something, or noise; in waves, from a process of its own.

`python -m fuzz.hostile_peers`: its `Flood` as a line of JSON on stdin, then a line for each piece of work: `wave SIZE`
opens so many connections and holds them, `burn SECONDS` works alike without a collector. Each is answered by a line:
how many connections were opened, 0.

Real attackers have machines of their own. These take only what CPU is left (SCHED_IDLE), so that what is measured
beside them is what their connections cost the collector; `burn` takes the same of it while nobody attacks.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import random
import resource
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DRIP_SECONDS: Final = 0.1
OPENING_SECONDS: Final = 20.0
# Of one kind of machine each; honest clients come from 127.0.0.1.
ADDRESSES: Final = ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5")
SETTINGS: Final = b"\0\0\0\x04\0\0\0\0\0"
# What the server says to these clients: it ends them, as it should, or is told too late.
_ENDED: Final = (OSError, EOFError, ssl.SSLError, TimeoutError)


@dataclass(frozen=True)
class Flood:
    """A wave is held for `hold_seconds` when nearly all of it is open. `certificate` and `key` are an agent's."""

    ingest_port: int
    web_port: int
    certificate: str
    key: str
    hold_seconds: float
    seed: int


Peer = Callable[["Peers", int], Awaitable[None]]


class Peers:
    """One kind of client per method; each returns when the server cut it off."""

    def __init__(self, flood: Flood) -> None:
        self.flood = flood
        self.opened = 0
        self.refused = 0
        self._kinds = itertools.cycle(itertools.product(KINDS, (flood.ingest_port, flood.web_port)))
        self._addresses = itertools.cycle(ADDRESSES)
        self._chance = random.Random(flood.seed)
        self._agent = tls_client(("h2",))
        self._agent.load_cert_chain(flood.certificate, flood.key)
        self._browser = tls_client(("http/1.1",))
        self._nobody = tls_client(("h2",))
        self._hello = client_hello(self._nobody)

    async def silent(self, port: int) -> None:
        """Not a byte."""
        await self._say(port, [b""])

    async def half_hello(self, port: int) -> None:
        """The beginning of a TLS hello."""
        await self._say(port, [self._hello[: self._chance.randrange(1, 150)]])

    async def dripped_hello(self, port: int) -> None:
        """A TLS hello, a byte at a time."""
        await self._say(port, [bytes((byte,)) for byte in self._hello])

    async def noise(self, port: int) -> None:
        """Bytes that are no protocol."""
        await self._say(port, [self._chance.randbytes(self._chance.randrange(1, 4000))])

    async def plain_http2(self, port: int) -> None:
        """HTTP/2 without TLS, with the half of a frame."""
        await self._say(port, [PREFACE, b"\0\0\x10\x04"])

    async def half_http2(self, _port: int) -> None:
        """An agent's certificate, and then the half of HTTP/2's first words."""
        await self._say(self.flood.ingest_port, [PREFACE[:11]], self._agent)

    async def idle_http2(self, _port: int) -> None:
        """An agent's certificate and HTTP/2's first frames, and then no stream."""
        await self._say(self.flood.ingest_port, [PREFACE + SETTINGS], self._agent)

    async def no_certificate(self, _port: int) -> None:
        """The ingest port's TLS without a certificate."""
        await self._say(self.flood.ingest_port, [PREFACE], self._nobody)

    async def dripped_head(self, _port: int) -> None:
        """Slow loris: a request whose head does not end."""
        drops = itertools.chain([b"GET /api/v1/pools HTTP/1.1\r\nHost: x\r\n"], itertools.repeat(b"X: y\r\n", 1000))
        await self._say(self.flood.web_port, drops, self._browser)

    async def dripped_body(self, _port: int) -> None:
        """A request whose body does not end."""
        head = (
            b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\nContent-Type: application/json\r\n\r\n{"
        )
        await self._say(self.flood.web_port, itertools.chain([head], itertools.repeat(b" ", 1000)), self._browser)

    async def no_reader(self, _port: int) -> None:
        """Asks and asks, and takes no answer."""
        asked = b"GET /login HTTP/1.1\r\nHost: x\r\n\r\n"
        await self._say(self.flood.web_port, itertools.repeat(asked, 1000), self._browser, reads=False)

    async def _say(
        self, port: int, parts: Iterable[bytes], tls: ssl.SSLContext | None = None, *, reads: bool = True
    ) -> None:
        writer = None
        with contextlib.suppress(*_ENDED):
            try:
                source = (next(self._addresses), 0)
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, local_addr=source)
                self.opened += 1
                if not reads:
                    writer.transport.pause_reading()  # type: ignore[attr-defined]
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(DRIP_SECONDS)
                while await reader.read(4096):
                    pass
            finally:
                if writer is None:
                    self.refused += 1
                else:
                    writer.transport.abort()

    async def wave(self, size: int) -> int:
        """All kinds in turn on both ports, held; how many were opened."""
        self.opened = self.refused = 0
        tasks = [asyncio.ensure_future(kind(self, port)) for kind, port in itertools.islice(self._kinds, size)]
        deadline = time.monotonic() + OPENING_SECONDS
        while self.opened + self.refused < 0.95 * size and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        await asyncio.sleep(self.flood.hold_seconds)
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        return self.opened

    async def burn(self, seconds: float) -> int:
        """TLS hellos that nobody hears."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            client_hello(self._nobody)
            await asyncio.sleep(0)
        return 0


KINDS: Final[tuple[Peer, ...]] = (
    Peers.silent,
    Peers.half_hello,
    Peers.dripped_hello,
    Peers.noise,
    Peers.plain_http2,
    Peers.half_http2,
    Peers.idle_http2,
    Peers.no_certificate,
    Peers.dripped_head,
    Peers.dripped_body,
    Peers.no_reader,
)


def tls_client(protocols: tuple[str, ...]) -> ssl.SSLContext:
    """Whom it talks to is nothing to such a client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(protocols)
    return context


def client_hello(context: ssl.SSLContext) -> bytes:
    """The first bytes of a gRPC client."""
    sent = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


async def main() -> None:
    """Work until stdin ends."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Of connections that were cut while something was written to them.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    peers = Peers(Flood(**json.loads(sys.stdin.readline())))
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        what, number = line.split()
        print(await (peers.wave(int(number)) if what == "wave" else peers.burn(float(number))), flush=True)


if __name__ == "__main__":
    asyncio.run(main())

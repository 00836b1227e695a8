"""REST, web and QueryService on one port: each connection goes to the server that speaks its client's protocol.

uvicorn speaks HTTP/1.1, gRPC needs HTTP/2. What a client offers stands in its first bytes, which are looked at, not
taken; then uvicorn gets the very socket, so that it sees the client's address, and a gRPC client is joined to the gRPC
server on a loopback port of its own. TLS and tokens are the same on both ways.
"""

import asyncio
import contextlib
import functools
import logging
import socket
from collections import Counter
from typing import Final

import uvicorn

from chainwatch_collector.serve.admission import Admission
from chainwatch_collector.serve.client_hello import MOST_BYTES, IncompleteError, Speaks, speaks
from chainwatch_collector.serve.timed_http import TimedHttp

LOG = logging.getLogger(__name__)
_FIRST_BYTES_SECONDS: Final = 10.0
_HANDSHAKE_SECONDS: Final = 10.0
_LOOK_AGAIN_SECONDS: Final = 0.02
_LOOK_AGAIN_MOST_SECONDS: Final = 1.0
_COPY_BYTES: Final = 65_536
_BUSY_SECONDS: Final = 0.1


class OnePort:
    """Serves one listening socket. `web` must have been started with no sockets of its own. `admission` is None where a
    proxy on this machine stands in front: every connection is the proxy's then. `most` connections are open at once, a
    fifth of them from one address.
    """

    def __init__(
        self, listener: socket.socket, web: uvicorn.Server, query_port: int, admission: Admission | None, most: int
    ) -> None:
        self._listener = listener
        self._web = web
        self._query_port = query_port
        self._admission = admission
        self._most = most
        self._from: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Accept until cancelled, one at a turn of the event loop: a full backlog must not hold up what else waits."""
        self._listener.setblocking(False)
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(self._listener)
            except OSError as error:
                # Out of file descriptors, or the client is gone already.
                LOG.warning("web: a connection was not accepted: %s", error.strerror)
                await asyncio.sleep(_BUSY_SECONDS)
                continue
            await self._let_in(connection, str(address[0]))

    async def _let_in(self, connection: socket.socket, address: str) -> None:
        now = asyncio.get_running_loop().time
        if self._full(address) or (self._admission is not None and not self._admission.admits(address, now())):
            connection.close()
            await asyncio.sleep(0)
            return
        connection.setblocking(False)
        self._from[address] += 1
        task = asyncio.create_task(self._hand_over(connection))
        self._tasks.add(task)
        task.add_done_callback(functools.partial(self._handed_over, address))
        await asyncio.sleep(0)
        while self._admission is not None and (wait := self._admission.wait_seconds(now())):
            await asyncio.sleep(wait)

    def _full(self, address: str) -> bool:
        """A connection of TLS may take a third of a megabyte, so that all together and those of one address are few."""
        web = [one for one in self._web.server_state.connections if isinstance(one, TimedHttp)]
        clients = [one.client[0] for one in web if one.client is not None]
        if len(self._tasks) + len(clients) >= self._most:
            return True
        return self._admission is not None and self._from[address] + clients.count(address) >= self._most // 5

    def _handed_over(self, address: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._from[address] -= 1
        if not self._from[address]:
            del self._from[address]

    async def close(self) -> None:
        """End what goes on and listen no more."""
        self._listener.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _hand_over(self, connection: socket.socket) -> None:
        try:
            async with asyncio.timeout(_FIRST_BYTES_SECONDS):
                kind = await _first_bytes(connection)
            if kind == "grpc":
                await self._to_query(connection)
            else:
                await self._to_web(connection)
        except (OSError, TimeoutError):
            # The client went away, said nothing, or its TLS is not ours: nothing was lost but its connection.
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise

    async def _to_web(self, connection: socket.socket) -> None:
        config, loop = self._web.config, asyncio.get_running_loop()

        def protocol() -> asyncio.Protocol:
            made = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=self._web.server_state, app_state=self._web.lifespan.state, _loop=loop
            )
            assert isinstance(made, asyncio.Protocol)
            return made

        patience = _HANDSHAKE_SECONDS if config.ssl is not None else None
        await loop.connect_accepted_socket(
            protocol, connection, ssl=config.ssl, ssl_handshake_timeout=patience, ssl_shutdown_timeout=patience
        )

    async def _to_query(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._query_port)
        except OSError:
            writer.close()
            raise
        ways = [asyncio.create_task(_copy(reader, server_writer)), asyncio.create_task(_copy(server_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, server_writer):
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()


async def _first_bytes(connection: socket.socket) -> Speaks:
    """Look at what the client sends first; it stays to be read. The longer a client takes, the rarer it is looked at:
    what was looked at keeps the socket readable, so that nothing else tells of more.
    """
    pause = _LOOK_AGAIN_SECONDS
    while True:
        await _readable(connection)
        data = connection.recv(MOST_BYTES, socket.MSG_PEEK)
        if not data:
            raise ConnectionResetError
        try:
            return speaks(data)
        except IncompleteError:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LOOK_AGAIN_MOST_SECONDS)


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(connection, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(connection)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction, as fast as the slower end takes it."""
    while True:
        data = await reader.read(_COPY_BYTES)
        if not data:
            return
        writer.write(data)
        await writer.drain()

"""One host's HTTPS endpoint: its xapi behind TLS, on the pool's port and an address of its own."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from lab.xapi import http_wire, rpc_json, rpc_xml
from lab.xapi.certificates import HostCertificate
from lab.xapi.failures import XapiError
from lab.xapi.faults import Faults
from lab.xapi.http_wire import HttpError, Request, Response

Dispatch = Callable[["HostServer", str, list[Any]], Awaitable[Any]]
Get = Callable[["HostServer", Request], Awaitable[Response]]
_TLS_SHUTDOWN_SECONDS = 1.0


@dataclass
class HostServer:
    """Listens while the host is on. `dispatch` runs a call, `get` answers everything that is not RPC."""

    ref: str
    address: str
    port: int
    certificate: HostCertificate
    dispatch: Dispatch
    get: Get
    faults: Faults = field(default_factory=Faults)
    _server: asyncio.Server | None = None
    _connections: set["asyncio.Task[None]"] = field(default_factory=set)
    _forgotten: set["asyncio.Task[None]"] = field(default_factory=set)

    async def start(self) -> None:
        """Raises `OSError` when the address is taken. Listening already is nothing."""
        if self._server is None:
            self._server = await asyncio.start_server(
                self._accept,
                self.address,
                self.port,
                ssl=self.certificate.context(),
                ssl_shutdown_timeout=_TLS_SHUTDOWN_SECONDS,
                backlog=512,
            )
            self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Power off: no listener, every connection cut."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.cut()

    async def cut(self) -> None:
        """Cut every connection; the listener stays."""
        tasks = [task for task in self._connections if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def forget(self) -> None:
        """Half-open: the connections that there are stay, and never get an answer any more; new ones work."""
        self._forgotten |= self._connections

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._converse(reader, writer)
            writer.close()
        except asyncio.CancelledError:
            writer.transport.abort()  # the only one who cancels is `cut`, which waits for this
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, TimeoutError):
            writer.transport.abort()
        finally:
            self._connections.discard(task)
            self._forgotten.discard(task)
            if not writer.is_closing():
                writer.transport.abort()
            with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests and replies until either side has enough."""
        while not self.faults.down:
            try:
                request = await http_wire.read(reader)
            except HttpError as error:
                await http_wire.write(writer, http_wire.error_page(error.status))
                return
            if request is None or self.faults.down:
                return
            method, response = await self._answer(request)
            if self.faults.silent or asyncio.current_task() in self._forgotten:
                await asyncio.Event().wait()
            if self.faults.truncates(method):
                size = sum(len(piece) for piece in response.body)
                await http_wire.write(writer, response, cut_at_bytes=size // 2)
                return
            await http_wire.write(writer, response)
            if response.close or not request.keep_alive:
                return

    async def _answer(self, request: Request) -> tuple[str, Response]:
        """The method called, or the path, and the reply. A POST that nothing else matches is XML-RPC, as in xapi."""
        if request.method != "POST":
            return request.path, await self.get(self, request)
        try:
            if not request.path.startswith("/jsonrpc"):
                return await self._xml(request.body)
            if self.faults.json_rpc:
                return await self._json(request.body)
            pieces = rpc_xml.failure(XapiError("INTERNAL_ERROR", "Xml.Error"))
            return request.path, self._reply(request.path, rpc_xml.CONTENT_TYPE, pieces)
        except ValueError:
            return request.path, http_wire.error_page(HTTPStatus.INTERNAL_SERVER_ERROR)

    async def _json(self, body: bytes) -> tuple[str, Response]:
        call = rpc_json.parse(body)
        try:
            pieces = rpc_json.success(call, await self.dispatch(self, call.method, call.params))
        except XapiError as error:
            pieces = rpc_json.failure(call, error)
        return call.method, self._reply(call.method, rpc_json.CONTENT_TYPE, pieces)

    async def _xml(self, body: bytes) -> tuple[str, Response]:
        call = rpc_xml.parse(body)
        try:
            pieces = rpc_xml.success(await self.dispatch(self, call.method, call.params))
        except XapiError as error:
            pieces = rpc_xml.failure(error)
        return call.method, self._reply(call.method, rpc_xml.CONTENT_TYPE, pieces)

    def _reply(self, method: str, content_type: str, pieces: list[bytes]) -> Response:
        status = self.faults.status(method)
        if status:
            return http_wire.error_page(HTTPStatus(status))
        return Response(HTTPStatus.OK, content_type, pieces)

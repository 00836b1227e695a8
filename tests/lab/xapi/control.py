"""A control port on loopback: one JSON object a line, `{"do": NAME, "args": {…}}`, answered by `{"result": …}`.

An operation that fails answers `{"error": TEXT}`. `{"do": "stop"}` ends the process.
"""

import asyncio
import json
from typing import Any

from lab.xapi import operations
from lab.xapi.failures import XapiError
from lab.xapi.pool import XapiPool

LINE_LIMIT_BYTES = 64 << 20


class ControlPort:
    """Runs operations of one pool. `stopped` is set by `stop`."""

    def __init__(self, pool: XapiPool) -> None:
        self._pool = pool
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.stopped = asyncio.Event()

    async def start(self, port: int = 0) -> int:
        """Listens; the port. Raises `OSError`."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port, limit=LINE_LIMIT_BYTES)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            return
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            order = json.loads(line)
            if order["do"] == "stop":
                self.stopped.set()
                return {"result": None}
            return {"result": await operations.run(self._pool, order["do"], order.get("args", {}))}
        except (ValueError, KeyError, TypeError, XapiError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

"""The lab's pool for a test: `with lab_pool("xcp1", "xcp2") as pool`, in a thread with an event loop of its own.

Everything that touches the pool's objects goes through `call` (or `do`, a named operation), because the loop's thread
owns them. Leaving the block stops servers, connections, loop and thread and removes the files.
"""

import asyncio
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from lab.xapi import operations
from lab.xapi.calls import CallRecord
from lab.xapi.pool import MONITOR, ROOT, XapiPool
from lab.xapi.values import Record

Result = TypeVar("Result")
CALL_SECONDS = 120.0


class LabPool:
    """A running pool, for other threads."""

    def __init__(self, server: XapiPool, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self.port = server.port
        self.ca_file = server.ca_file
        self.user, self.password = ROOT.name, ROOT.password
        self.reader, self.reader_password = MONITOR.name, MONITOR.password

    @property
    def address(self) -> str:
        """The coordinator's address now."""
        return self.call(lambda pool: pool.coordinator.address)

    @property
    def addresses(self) -> dict[str, str]:
        """Host name → address."""
        return self.call(_addresses)

    @property
    def url(self) -> str:
        """The coordinator's, with the port."""
        return f"https://{self.address}:{self.port}"

    @property
    def uuid(self) -> str:
        """The pool's."""
        return self.call(lambda pool: str(pool.database.get("pool", pool.estate.pool_ref)["uuid"]))

    @property
    def calls(self) -> list[CallRecord]:
        """The latest calls, oldest first."""
        return self.call(lambda pool: list(pool.calls))

    @property
    def methods_called(self) -> dict[str, int]:
        """Method → how often, since the start."""
        return self.call(lambda pool: dict(pool.methods_called))

    @property
    def writes_called(self) -> list[str]:
        """Methods called that a read-only client must never call: the negative control wants it empty."""
        return self.call(lambda pool: pool.writes_called)

    def call(self, function: Callable[[XapiPool], Result]) -> Result:
        """Run it in the pool's thread, atomically for its clients; its result."""

        async def run() -> Result:
            return function(self._server)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(CALL_SECONDS)

    def do(self, name: str, /, **arguments: Any) -> Any:
        """A named operation of `operations.py`, as the control port runs it."""
        running = operations.run(self._server, name, arguments)
        return asyncio.run_coroutine_threadsafe(running, self._loop).result(CALL_SECONDS)

    def dump(self) -> dict[str, dict[str, Record]]:
        """The inventory as XenAPI would return it, by class and reference, not scrubbed."""
        return self.call(operations.dump)


@contextmanager
def lab_pool(
    *host_names: str,
    build: Callable[[XapiPool], object] | None = None,
    name: str = "pool",
    directory: Path | None = None,
    uuids: Mapping[str, str] | None = None,
) -> Iterator[LabPool]:
    """A pool of these hosts (one named xcp1 by default), filled by `build` before it listens; the first coordinates."""
    with tempfile.TemporaryDirectory(prefix="lab-xapi-", dir=directory) as files, _loop_thread() as loop:

        async def start() -> XapiPool:
            pool = XapiPool(Path(files), host_names or ("xcp1",), name, uuids=uuids)
            if build is not None:
                build(pool)
            await pool.start()
            return pool

        server = asyncio.run_coroutine_threadsafe(start(), loop).result(CALL_SECONDS)
        try:
            yield LabPool(server, loop)
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result(CALL_SECONDS)


@contextmanager
def _loop_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """A running loop; what is left in it at the end, such as half a handshake, is cancelled."""
    runner = asyncio.Runner()
    loop = runner.get_loop()

    def run() -> None:
        with runner:
            loop.run_forever()

    thread = threading.Thread(target=run, name="lab-xapi")
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def _addresses(pool: XapiPool) -> dict[str, str]:
    hosts = pool.database.tables["host"].rows
    return {hosts[ref].fields["name_label"]: server.address for ref, server in pool.servers.items()}

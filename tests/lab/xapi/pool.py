"""A pool: its database, its sessions, its hosts' servers, who is the coordinator, and what was called."""

import asyncio
import itertools
import os
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lab.xapi import certificates, roles, rrd
from lab.xapi.calls import CallRecord
from lab.xapi.collection import Collection
from lab.xapi.database import Database
from lab.xapi.disks import Disks
from lab.xapi.dispatch import dispatch
from lab.xapi.estate import Estate
from lab.xapi.guests import Guests
from lab.xapi.host_server import HostServer
from lab.xapi.http_wire import Request, Response
from lab.xapi.messages import Messages
from lab.xapi.sessions import Sessions, User
from lab.xapi.storage_manager import StorageManager

CALLS_KEPT = 10_000
_PORT_TRIES = 5
"""A port that one address has free may be taken on the next."""
ROOT = User("root", "lab-root-password")
MONITOR = User("monitor", "lab-monitor-password", "read-only")
_POOL_NUMBERS = itertools.count(1)


class Changed:
    """Wakes everybody who waits for a change."""

    def __init__(self) -> None:
        self._future: asyncio.Future[None] | None = None

    def next(self) -> "asyncio.Future[None]":
        """Done at the next change."""
        if self._future is None or self._future.done():
            self._future = asyncio.get_running_loop().create_future()
        return self._future

    def set(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(None)


class XapiPool:
    """One pool as a server. Everything is called in its event loop's thread.

    Hosts listen on loopback addresses of their own (127.a.b.1, 127.a.b.2 …), all on one port: XenAPI tells a
    bare address where to go on HOST_IS_SLAVE.
    """

    def __init__(
        self,
        directory: Path,
        host_names: Iterable[str] = ("xcp1",),
        name: str = "pool",
        port: int = 0,
        uuids: Mapping[str, str] | None = None,
    ) -> None:
        """`uuids`: host name → uuid, for hosts whose dom0 somebody else plays."""
        self.directory = directory
        self.port = port
        self.changed = Changed()
        self.database = Database(self.changed.set)
        self.messages: Messages = Messages(self.database)
        self.sessions = Sessions(self.database, {user.name: user for user in (ROOT, MONITOR)})
        self.estate = Estate(self.database, self.messages, name)
        self.disks = Disks(self.estate)
        self.storage = StorageManager(self.disks)
        self.guests = Guests(self.disks)
        self.collections: dict[str, Collection] = {}
        self.servers: dict[str, HostServer] = {}
        self.calls: deque[CallRecord] = deque(maxlen=CALLS_KEPT)
        self.methods_called: Counter[str] = Counter()
        self._network = _network()
        for host_name in host_names:
            self._add_host(host_name, (uuids or {}).get(host_name, ""))
        self.database.set("pool", self.estate.pool_ref, master=next(iter(self.servers)))

    @property
    def coordinator_ref(self) -> str:
        ref: str = self.database.get("pool", self.estate.pool_ref)["master"]
        return ref

    @property
    def coordinator(self) -> HostServer:
        return self.servers[self.coordinator_ref]

    @property
    def ca_file(self) -> Path:
        """Every host's certificate: trust in each of them."""
        return self.directory / "ca.pem"

    @property
    def writes_called(self) -> list[str]:
        """Methods called that a read-only client must never call."""
        return sorted(name for name in self.methods_called if not roles.is_read_only(name))

    def server_of(self, host_ref: str) -> HostServer:
        """Raises HANDLE_INVALID."""
        self.database.get("host", host_ref)
        return self.servers[host_ref]

    def host(self, name: str) -> str:
        """A host's reference by its name. Raises `KeyError`."""
        return self.estate.find("host", name)

    def record(self, call: CallRecord) -> None:
        self.calls.append(call)
        self.methods_called[call.method] += 1

    async def start(self) -> None:
        """Every host listens, on one port. Raises `OSError` when the port is given and taken, or none is to be had."""
        chosen = self.port
        for attempt in range(_PORT_TRIES):
            try:
                await self._listen()
                break
            except OSError:
                await asyncio.gather(*(server.stop() for server in self.servers.values()))
                self.port = chosen
                if chosen or attempt == _PORT_TRIES - 1:
                    raise
        self.ca_file.write_text("".join(server.certificate.pem for server in self.servers.values()))

    async def stop(self) -> None:
        """No listener, no connection, no session left."""
        self.sessions.drop_all()
        for server in self.servers.values():
            await server.stop()

    async def add_host(self, name: str) -> str:
        """A host joins while the pool runs; its reference."""
        ref = self._add_host(name)
        await self.start()
        return ref

    async def scan(self, sr_ref: str) -> None:
        """SR.scan: an operation begins, ends, and sizes are what SM finds."""
        task = self.estate.begin_task("SR.scan", sr_ref)
        self.database.put("SR", sr_ref, "current_operations", {task: "scan"})
        await asyncio.sleep(0)
        self.disks.refresh_sr(sr_ref)
        self.database.remove_from("SR", sr_ref, "current_operations", task)
        self.estate.end_task(task)

    async def _listen(self) -> None:
        for server in self.servers.values():
            server.port = self.port
            await server.start()
            self.port = server.port

    def _add_host(self, name: str, uuid: str = "") -> str:
        address = f"{self._network}.{len(self.servers) + 1}"
        ref = self.estate.add_host(name, address, uuid)
        uuid = self.database.get("host", ref)["uuid"]
        certificate = certificates.issue(self.directory, uuid, name, address)
        self.database.create(
            "Certificate",
            host=ref,
            type="host",
            fingerprint=certificate.fingerprint,
            not_before=certificate.not_before,
            not_after=certificate.not_after,
        )
        self.servers[ref] = HostServer(ref, address, self.port, certificate, self._dispatch, self._get)
        return ref

    async def _dispatch(self, host: HostServer, method: str, params: list[Any]) -> Any:
        return await dispatch(self, host, method, params)

    async def _get(self, host: HostServer, request: Request) -> Response:
        return rrd.answer(self, host, request)


def _network() -> str:
    """A loopback network for one pool of this process: pools of parallel test runs do not meet."""
    number = os.getpid() * 31 + next(_POOL_NUMBERS)
    return f"127.{1 + number % 250}.{number // 250 % 250}"

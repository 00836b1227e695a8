"""Plain clients for the lab's own tests: the XenAPI package, JSON-RPC over http.client, bytes over a TLS socket."""

import http.client
import json
import socket
import ssl
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import XenAPI

from lab.xapi.handle import LabPool

JsonCall = Callable[..., dict[str, Any]]
TIMEOUT_SECONDS = 30.0


def context(pool: LabPool) -> ssl.SSLContext:
    """Trusts the pool's hosts, and checks their addresses."""
    return ssl.create_default_context(cafile=pool.ca_file)


@contextmanager
def xenapi(pool: LabPool, address: str = "") -> Iterator[Any]:
    """The package's session, not logged in."""
    session = XenAPI.Session(
        f"https://{address or pool.address}:{pool.port}", transport=xmlrpc.client.SafeTransport(context=context(pool))
    )
    try:
        yield session
    finally:
        session("close")()


@contextmanager
def json_rpc(pool: LabPool, version: int = 2, address: str = "") -> Iterator[JsonCall]:
    """A function `call(method, *params)` on one connection that returns the whole reply."""
    connection = http.client.HTTPSConnection(
        address or pool.address, pool.port, context=context(pool), timeout=TIMEOUT_SECONDS
    )
    with closing(connection):

        def call(method: str, *params: Any) -> dict[str, Any]:
            body = {"method": method, "params": params, "id": 7, **({"jsonrpc": "2.0"} if version == 2 else {})}
            connection.request("POST", "/jsonrpc", json.dumps(body), {"content-type": "application/json"})
            reply: dict[str, Any] = json.loads(connection.getresponse().read())
            return reply

        yield call


def login(call: JsonCall, pool: LabPool, reader: bool = False) -> str:
    """A session's reference; of the read-only user if `reader`."""
    user, password = (pool.reader, pool.reader_password) if reader else (pool.user, pool.password)
    session: str = call("session.login_with_password", user, password, "1.0", "lab-test")["result"]
    return session


@contextmanager
def tls_socket(pool: LabPool) -> Iterator[ssl.SSLSocket]:
    """A connection to the coordinator to send bytes on."""
    with (
        socket.create_connection((pool.address, pool.port), TIMEOUT_SECONDS) as raw,
        context(pool).wrap_socket(raw, server_hostname=pool.address) as wrapped,
    ):
        yield wrapped

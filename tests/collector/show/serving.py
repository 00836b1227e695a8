"""The application on a real port: uvicorn in a thread, loopback only, gone at the end."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import uvicorn
from chainwatch_collector.show.guard import Credentials, Principal, RefusedError, Role
from fastapi import FastAPI

ROLES = {"view": Role.VIEWER, "operate": Role.OPERATOR, "admin": Role.ADMIN}


class NamedGuard:
    """The token is the role's name; `view@UUID` is limited to that pool. A cookie works as a browser's session."""

    async def identify(self, credentials: Credentials) -> Principal:
        cookie = credentials.cookies.get("chainwatch_session")
        name, _, pool = (credentials.bearer or cookie or "").partition("@")
        if name not in ROLES:
            raise RefusedError(401, "a token is needed", "chainwatch login")
        csrf = "csrf-of-this-session" if credentials.bearer is None else None
        return Principal(name, ROLES[name], frozenset({pool}) if pool else None, csrf)


class OpenGuard:
    """Everybody is an administrator: for pages that are looked at, and benches."""

    async def identify(self, credentials: Credentials) -> Principal:
        return Principal("local", Role.ADMIN)


@contextlib.contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The address that answers; the server and its thread end with the block."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=2, lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < deadline, "the server did not start in time"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        app.state.streams.close()
        server.should_exit = True
        thread.join(10)
        listener.close()
        assert not thread.is_alive(), "the server did not stop"

"""A receiver of notifications over real HTTP, which may be told to refuse."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """One request that was answered with 200."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class HookServer:
    """`answer` is the status of the next requests; what was refused is counted."""

    port: int = 0
    answer: int = 200
    refused: int = 0
    received: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def events(self) -> list[tuple[str, str]]:
        """(event, code) of every message to a webhook."""
        return [(one.body["event"], one.body["incident"]["code"]) for one in self.received if "event" in one.body]


@contextmanager
def hook_server() -> Iterator[HookServer]:
    """On loopback, until the end of the block."""
    hook = HookServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            if hook.answer == 200:
                hook.received.append(Received(self.path, dict(self.headers.items()), json.loads(raw)))
            else:
                hook.refused += 1
            self.send_response(hook.answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

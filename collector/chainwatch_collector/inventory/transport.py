"""One kept-alive HTTPS connection to a xapi, for the package's XML-RPC and for JSON-RPC alike.

xapi answers 431 from 1,024 bytes of request headers on (`max_header_length_tcp`), so there are few. Nothing is sent
twice here: who calls knows whether that is safe.
"""

import http.client
import socket
import ssl
import time
import xmlrpc.client
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Any, Final

from chainwatch_collector.inventory.json_stream import READ_BYTES
from chainwatch_collector.inventory.tls import Trust

USER_AGENT: Final = f"chainwatch/{version('chainwatch')}"
MAX_REPLY_BYTES: Final = 2 * 1024**3
REPLY_SECONDS: Final = 600.0
"""A reply that goes on longer than this is given up, however steadily it drips."""


class PoolTransport(xmlrpc.client.SafeTransport):
    """`connect_seconds` bound TCP and TLS; `call_seconds` every read, see `patience`."""

    user_agent = USER_AGENT
    accept_gzip_encoding = False

    def __init__(
        self, trust: Trust, connect_seconds: float, call_seconds: float, context: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(context=context or trust.context())
        self._trust = trust
        self._connect_seconds = connect_seconds
        self._call_seconds = call_seconds

    def another(self) -> "PoolTransport":
        """For a second connection to the same server."""
        return PoolTransport(self._trust, self._connect_seconds, self._call_seconds, self._ssl_context())

    def patience(self, seconds: float, connect_seconds: float | None = None) -> None:
        """How long the next calls wait for the server's next byte, and for a connection if they need one."""
        self._call_seconds = seconds
        self._connect_seconds = self._connect_seconds if connect_seconds is None else connect_seconds
        connection = self._connection[1]
        if isinstance(connection, _Connection) and connection.sock is not None:
            connection.sock.settimeout(seconds)

    def make_connection(self, host: Any) -> http.client.HTTPSConnection:
        """The connection in use, or a new one. Raises what connecting raises, and `UntrustedCertificateError`."""
        kept = self._connection[1]
        if isinstance(kept, _Connection) and kept.sock is not None and self._connection[0] == host:
            return kept
        name, self._extra_headers, _options = self.get_host_info(host)
        connection = _Connection(name, timeout=self._connect_seconds, context=self._ssl_context())
        try:
            connection.connect()
            self._trust.check(connection.peer_certificate())
            connection.sock.settimeout(self._call_seconds)
        except BaseException:
            connection.close()
            raise
        self._connection = host, connection
        return connection

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> tuple[Any, ...]:
        """One XML-RPC call, once: the base class would repeat it after a lost connection."""
        return self.single_request(host, handler, request_body, verbose)

    def send_headers(self, connection: http.client.HTTPConnection, headers: Iterable[tuple[str, str]]) -> None:
        """As the base class, for type checkers too."""
        for key, value in headers:
            connection.putheader(key, value)

    def send(self, host: str, handler: str, body: bytes) -> None:
        """One JSON-RPC call, once; `receive` waits for its reply."""
        connection = self.make_connection(host)
        headers = {"Content-Type": "application/json", "User-Agent": USER_AGENT, "Accept": "application/json"}
        try:
            connection.request("POST", handler, body, headers)
        except BaseException:
            self.close()
            raise

    def receive(self) -> "Reply":
        """The reply to what was sent. It must be read to its end or the transport closed."""
        connection = self._connection[1]
        if not isinstance(connection, _Connection):
            raise ConnectionError("the connection was closed before the reply")
        try:
            return Reply(connection.getresponse())
        except BaseException:
            self.close()
            raise

    def abort(self) -> None:
        """End a call that another thread waits in."""
        connection = self._connection[1]
        sock = connection.sock if isinstance(connection, _Connection) else None
        if sock is not None:
            try:
                # Not SSLSocket's: that one would take its TLS away under the reading thread.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                pass  # it ended by itself meanwhile

    def _ssl_context(self) -> ssl.SSLContext:
        context: ssl.SSLContext = self.context  # type: ignore[attr-defined]
        return context


class Reply:
    """A response as it arrives, within `REPLY_SECONDS` and `MAX_REPLY_BYTES`."""

    def __init__(self, response: http.client.HTTPResponse, clock: Callable[[], float] = time.monotonic) -> None:
        self.status = response.status
        self.content_type = response.headers.get_content_type()
        self._response = response
        self._clock = clock
        self._until = clock() + REPLY_SECONDS
        self._left = MAX_REPLY_BYTES

    def read(self, size: int = READ_BYTES) -> bytes:
        """The next piece, b"" at the end. Raises OSError, also where it takes too long or is too much."""
        piece = self._response.read1(size)
        if not piece:
            self._response.read()  # gives the connection back, or raises IncompleteRead where the body was cut
        self._left -= len(piece)
        if self._left < 0 or self._clock() > self._until:
            raise TimeoutError("the reply has no end")
        return piece

    def drain(self) -> bool:
        """Read the rest of a reply that is not needed; False where that is much: then the connection must be closed."""
        return any(not self.read() for _ in range(16))

    def close(self) -> None:
        """Whatever is left of it."""
        self._response.close()


class _Connection(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        # A peer that vanished without a word is noticed in seconds, also while a call waits for its answer.
        for option, value in (("TCP_KEEPIDLE", 2), ("TCP_KEEPINTVL", 1), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, option):
                self.sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def peer_certificate(self) -> bytes | None:
        """The server's certificate as DER."""
        return self.sock.getpeercert(binary_form=True) if isinstance(self.sock, ssl.SSLSocket) else None

"""`PoolSession`: the package's session that reads only, never logs in again by itself and never keeps a password.

Calls go by JSON-RPC where the host offers it (a tenth of the CPU) and by the package's XML-RPC otherwise. One session
is used by one thread at a time: the connection underneath carries one call.
"""

import itertools
import json
import xmlrpc.client
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from typing import Any, Final, NamedTuple
from xml.parsers.expat import ExpatError

import XenAPI

from chainwatch_collector.inventory.json_stream import BrokenReplyError, Parse, Path, walk, walk_value
from chainwatch_collector.inventory.methods import check_allowed
from chainwatch_collector.inventory.record_parser import record_parser
from chainwatch_collector.inventory.records import Ref
from chainwatch_collector.inventory.tls import Trust
from chainwatch_collector.inventory.transport import PoolTransport, Reply

ORIGINATOR: Final = "chainwatch"
"""xapi counts sessions by originator; without one, other people's leaks would end ours (xapi_session.ml)."""
_WHOLE: Final = frozenset[Path]({()})
_RECORDS: Final = frozenset[Path]({(), ("result",)})
_EVENTS: Final = frozenset[Path]({(), ("result",), ("result", "events")})
_NO_JSON: Final = frozenset({404, 405, 501})


class Timeouts(NamedTuple):
    """Seconds: TCP and TLS together; the wait for the next byte of a call, of a login, of a logout.

    xapi makes the whole of a reply before it sends any, and holds a wrong password for 5 s.
    """

    connect: float = 3.0
    call: float = 60.0
    login: float = 20.0
    logout: float = 2.0


class EventBatch(NamedTuple):
    """What `event.from` returned. `events` is read as it arrives; `token` and `counts` are whole after it."""

    events: list[dict[str, Any]]
    token: str
    counts: dict[str, int]


class Query(NamedTuple):
    """Records that are wanted: all of a class, or those for which `where` holds."""

    class_name: str
    where: str = ""


def vdis_of(sr_ref: Ref) -> Query:
    """The VDIs of one SR."""
    return Query("VDI", f'field "SR" = "{sr_ref}"')


class _Asked(NamedTuple):
    """A call whose answer is to come over `transport`."""

    transport: PoolTransport
    method: str
    params: tuple[Any, ...]


Records = Iterator[tuple[Ref, dict[str, Any]]]


class PoolSession(XenAPI.Session):  # type: ignore[misc]
    """A session with the xapi at `address` (host or host:port). Raises `TrustError`.

    Calls raise `XenAPI.Failure`, one of `problems.TRANSPORT_ERRORS`, or `MethodNotAllowedError` before anything is
    sent. After an error of the transport the next call connects anew with the same session.
    """

    def __init__(self, address: str, trust: Trust, timeouts: Timeouts | None = None, *, json_rpc: bool = True) -> None:
        self.timeouts = timeouts or Timeouts()
        self.address = address
        self.json_rpc = json_rpc
        self._pool_transport = PoolTransport(trust, self.timeouts.connect, self.timeouts.call)
        self._second_transport = self._pool_transport.another()
        self._netloc = netloc(address)
        self._ids = itertools.count(1)
        super().__init__(f"https://{self._netloc}/RPC2", transport=self._pool_transport)

    def __getattr__(self, name: str) -> Any:
        if name in ("handle", "xenapi"):
            return super().__getattr__(name)
        raise AttributeError(f"{name}: raw calls are closed, use call() or xenapi.{name}")

    def login(self, username: str, password: str) -> None:
        """Log in. xapi waits 5 s before it refuses a password, and counts it. Raises as calls do, without a secret."""
        self._session = None
        try:
            params = (username, password, "1.0", ORIGINATOR)
            handle = self._result("session.login_with_password", params, _WHOLE)
        except XenAPI.Failure as failure:
            raise _scrubbed(failure, password) from None
        if not isinstance(handle, str) or not handle:
            raise BrokenReplyError("login gave no session")
        self._session = handle

    def login_with_password(self, username: str, password: str, *_version_and_originator: str) -> None:
        """`login` by the package's name."""
        self.login(username, password)

    def logout(self) -> None:
        """End the session and the connection; best effort, the session goes by itself after a day."""
        handle, self._session = self._session, None
        try:
            if handle is not None:
                self._pool_transport.patience(self.timeouts.logout, self.timeouts.logout)
                self._result("session.logout", (handle,), _WHOLE)
        finally:
            self.close()

    def end_session(self, handle: str) -> None:
        """End another session of ours that nobody uses any more; best effort."""
        try:
            self._result("session.logout", (handle,), _WHOLE)
        except XenAPI.Failure:
            pass  # it is gone already

    def close(self) -> None:
        """End the connection, not the session."""
        self._pool_transport.close()
        self._second_transport.close()

    def abort(self) -> None:
        """End a call that another thread waits in."""
        self._pool_transport.abort()
        self._second_transport.abort()

    def patience(self, seconds: float | None = None) -> None:
        """How long calls wait for the next byte; None: as configured."""
        for transport in (self._pool_transport, self._second_transport):
            transport.patience(self.timeouts.call if seconds is None else seconds)

    def xenapi_request(self, methodname: str, params: tuple[Any, ...]) -> Any:
        """What `session.xenapi.CLASS.method(...)` does: no second login, ever."""
        if methodname in ("login_with_password", "session.login_with_password"):
            return self.login(*params[:2])
        if methodname in ("logout", "session.logout"):
            return self.logout()
        return self.call(methodname, *params)

    def call(self, method: str, *params: Any) -> Any:
        """The value that `method` returns."""
        return self._result(method, (self._session or "", *params), _WHOLE)

    def records(self, class_name: str, where: str = "") -> Records:
        """(ref, record) of a class one by one, as they arrive. `where` is XenAPI's query language."""
        asked = self._ask(self._pool_transport, *self._query(class_name, where))
        yield from self._records(asked)

    def record_sets(self, wanted: Iterable[Query]) -> Generator[tuple[str, Records]]:
        """(class, its records) of each query. Each set is to be read to its end before the next is taken.

        The next one is asked for on a second connection while one is read: xapi makes the whole of a reply before it
        sends any, and that takes as long as reading it does.
        """
        lanes = itertools.cycle((self._pool_transport, self._second_transport))
        asked: deque[tuple[str, _Asked]] = deque()
        try:
            for query in wanted:
                asked.append((query.class_name, self._ask(next(lanes), *self._query(*query))))
                if len(asked) > 1:
                    class_name, first = asked.popleft()
                    yield class_name, self._records(first)
            while asked:
                class_name, first = asked.popleft()
                yield class_name, self._records(first)
        finally:
            self._second_transport.close()
            if asked:
                self._pool_transport.close()

    def events(self, classes: tuple[str, ...], token: str, seconds: float) -> EventBatch:
        """`event.from`: what changed since `token`, waiting up to `seconds` for it."""
        batch = EventBatch([], token, {})
        for path, value in self._results("event.from", (self._session or "", list(classes), token, seconds), _EVENTS):
            if path == ("result", "events", "*") and isinstance(value, dict):
                batch.events.append(value)
            elif path == ("result", "token"):
                batch = batch._replace(token=str(value))
            elif path == ("result", "valid_ref_counts") and isinstance(value, dict):
                batch.counts.update({str(name).lower(): count for name, count in value.items() if type(count) is int})
        return batch

    def _check(self, method: str) -> None:
        """Raises `MethodNotAllowedError`."""
        check_allowed(method)

    def _result(self, method: str, params: tuple[Any, ...], descend: frozenset[Path]) -> Any:
        found = [value for path, value in self._results(method, params, descend) if path == ("result",)]
        if not found:
            raise BrokenReplyError(f"{method}: the reply has neither result nor error")
        return found[0]

    def _query(self, class_name: str, where: str) -> tuple[str, tuple[Any, ...]]:
        if where:
            return f"{class_name}.get_all_records_where", (self._session or "", where)
        return f"{class_name}.get_all_records", (self._session or "",)

    def _records(self, asked: _Asked) -> Records:
        parse = record_parser(asked.method.partition(".")[0])
        for path, value in self._answer(asked, _RECORDS, parse):
            if len(path) == 2 and isinstance(value, dict):
                yield path[1], value

    def _results(self, method: str, params: tuple[Any, ...], descend: frozenset[Path]) -> Iterator[tuple[Path, Any]]:
        yield from self._answer(self._ask(self._pool_transport, method, params), descend)

    def _ask(self, transport: PoolTransport, method: str, params: tuple[Any, ...]) -> _Asked:
        """Send a call, where that can be done without waiting for its reply."""
        self._check(method)
        if self.json_rpc:
            call = {"jsonrpc": "2.0", "method": method, "params": params, "id": next(self._ids)}
            transport.send(self._netloc, "/jsonrpc", json.dumps(call, default=_json_form).encode())
        return _Asked(transport, method, params)

    def _answer(
        self, asked: _Asked, descend: frozenset[Path], parse: Parse | None = None
    ) -> Iterator[tuple[Path, Any]]:
        if self.json_rpc:
            reply = self._receive(asked.transport)
            if reply is not None:
                yield from self._read_json(reply, descend, parse)
                return
        yield from walk_value({"result": self._call_xml(asked.method, asked.params)}, descend)

    def _receive(self, transport: PoolTransport) -> Reply | None:
        """The reply, None where this host has no JSON-RPC (old ones answer in XML)."""
        reply = transport.receive()
        if reply.status == 200 and reply.content_type not in ("text/xml", "text/html"):
            return reply
        reply.close()
        self.close()
        if reply.status in _NO_JSON or reply.status == 200:
            self.json_rpc = False
            return None
        raise xmlrpc.client.ProtocolError(self._netloc, reply.status, "", {})

    def _read_json(self, reply: Reply, descend: frozenset[Path], parse: Parse | None) -> Iterator[tuple[Path, Any]]:
        whole = False
        try:
            for path, value in walk(reply.read, descend, parse):
                if path == ("error",) and value is not None:
                    whole = reply.drain()
                    raise XenAPI.Failure(_error_description(value))
                yield path, value
            whole = True
        finally:
            if not whole:
                reply.close()
                self.close()

    def _call_xml(self, method: str, params: tuple[Any, ...]) -> Any:
        try:
            envelope = xmlrpc.client.ServerProxy.__getattr__(self, method)(*params)
        except (ExpatError, UnicodeDecodeError, ValueError) as error:
            self.close()
            raise BrokenReplyError(f"{method}: the reply is no XML or ended early: {error}") from None
        if not isinstance(envelope, dict) or "Status" not in envelope:
            raise BrokenReplyError(f"{method}: the reply has no Status")
        if envelope["Status"] == "Success":
            return envelope.get("Value", "")
        raise XenAPI.Failure(_error_description(envelope.get("ErrorDescription")))


def netloc(address: str) -> str:
    """host:port of an address, an IPv6 one in brackets: HOST_IS_SLAVE gives them bare."""
    return f"[{address}]" if address.count(":") > 1 and not address.startswith("[") else address


def _error_description(error: Any) -> list[str]:
    """[code, params...] of `{"code": 1, "message": CODE, "data": [...]}`, of `[CODE, ...]`, of anything."""
    if isinstance(error, dict):
        data = error.get("data")
        return [str(error.get("message", "INTERNAL_ERROR")), *map(str, data if isinstance(data, list) else [])]
    if isinstance(error, list) and error:
        return [str(part) for part in error]
    return ["INTERNAL_ERROR", str(error)[:200]]


def _json_form(value: object) -> str:
    if isinstance(value, xmlrpc.client.DateTime):
        return str(value.value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _scrubbed(failure: Any, password: str) -> Any:
    hidden = [str(part).replace(password, "***") if password else str(part) for part in failure.details]
    return XenAPI.Failure(hidden)

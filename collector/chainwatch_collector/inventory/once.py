"""One login, for a command: test a pool, dump it."""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import XenAPI

from chainwatch_collector.inventory.connection import Connection
from chainwatch_collector.inventory.dial import Dialer, LoggedIn, log_out
from chainwatch_collector.inventory.member_certificates import member_fingerprints
from chainwatch_collector.inventory.messages import MessageLog
from chainwatch_collector.inventory.methods import CLASSES
from chainwatch_collector.inventory.pool_config import PoolSettings
from chainwatch_collector.inventory.problems import TRANSPORT_ERRORS, Problem, problem_of
from chainwatch_collector.inventory.records import Ref
from chainwatch_collector.inventory.scrub import scrubbed
from chainwatch_collector.inventory.session import Timeouts, netloc
from chainwatch_collector.inventory.tls import Trust, fingerprint
from chainwatch_collector.inventory.transport import PoolTransport


class PoolProblemError(Exception):
    """The pool cannot be asked; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


class Member(NamedTuple):
    """A host and the SHA-256 of its certificate, empty where this xapi does not tell."""

    name: str
    address: str
    version: str
    fingerprint: str


class Report(NamedTuple):
    """What `pool test` found. `superuser`: the user may do everything, which is more than is needed."""

    address: str
    json_rpc: bool
    pool_name: str
    pool_uuid: str
    superuser: bool
    members: tuple[Member, ...]
    counts: Mapping[str, int]


@contextmanager
def logged_in(pool: PoolSettings, timeouts: Timeouts | None = None) -> Iterator[LoggedIn]:
    """A session, ended afterwards. Raises `PoolProblemError`, also for what goes wrong within the block."""
    stop = threading.Event()
    problems: list[Problem] = []

    def give_up(problem: Problem) -> None:
        problems.append(problem)
        stop.set()

    connection = Connection(pool.bare_addresses)
    dialer = Dialer(connection, pool.credentials(), pool.trust(), timeouts or Timeouts(), stop, give_up)
    try:
        found = dialer.dial()
    finally:
        dialer.close()
    if found is None:
        raise PoolProblemError(problems[0])
    try:
        yield found
    except (XenAPI.Failure, *TRANSPORT_ERRORS) as error:
        problem = problem_of(error)
        raise PoolProblemError(problem._replace(text=f"{found.session.address}: {problem.text}")) from None
    finally:
        log_out(found.session)


def examine(found: LoggedIn) -> Report:
    """Read a little of everything that following the pool takes. Raises as calls do."""
    session = found.session
    pools = dict(session.records("pool"))
    ref, record = next(iter(pools.items()), ("", {}))
    session.call("event.inject", "pool", ref)
    certificates = member_fingerprints(session)
    members = tuple(
        Member(
            str(host.get("name_label", "")),
            str(host.get("address", "")),
            _version(host.get("software_version")),
            certificates.get(host_ref, ""),
        )
        for host_ref, host in session.records("host")
    )
    return Report(
        session.address,
        session.json_rpc,
        str(record.get("name_label", "")),
        found.pool_uuid,
        bool(session.call("session.get_is_local_superuser", session.handle)),
        members,
        {kind: len(session.call(f"{kind}.get_all")) for kind in CLASSES},
    )


def dump(found: LoggedIn, now: datetime) -> dict[str, dict[Ref, dict[str, Any]]]:
    """The inventory JSON of interfaces.md section 1, scrubbed. Raises as calls do."""
    session = found.session
    body = {kind: dict(scrubbed(kind, dict(session.records(kind)))) for kind in CLASSES}
    messages = session.call("message.get_since", MessageLog().since(now))
    body["message"] = dict(scrubbed("message", messages if isinstance(messages, dict) else {}))
    return body


def shown_certificate(address: str, timeouts: Timeouts | None = None) -> str:
    """The SHA-256 of what the server shows; nothing is sent to it. Raises OSError."""
    limits = timeouts or Timeouts()
    transport = PoolTransport(Trust(insecure=True), limits.connect, limits.call)
    try:
        sock = transport.make_connection(netloc(address)).sock
        assert isinstance(sock, ssl.SSLSocket)
        return fingerprint(sock.getpeercert(binary_form=True) or b"")
    finally:
        transport.close()


def _version(software: Any) -> str:
    words = software if isinstance(software, Mapping) else {}
    return " ".join(str(words[key]) for key in ("product_brand", "product_version") if words.get(key))

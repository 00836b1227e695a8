"""The session against the lab's xapi: reads only, keeps no secret, trusts whom it is told to."""

import hashlib
import itertools
import ssl
import time
import traceback
import xmlrpc.client
from collections.abc import Iterator
from http.client import IncompleteRead
from pathlib import Path

import pytest
import XenAPI
from chainwatch_collector.inventory.json_stream import BrokenReplyError
from chainwatch_collector.inventory.methods import READ_ONLY_METHODS, MethodNotAllowedError
from chainwatch_collector.inventory.problems import TRANSPORT_ERRORS, problem_of
from chainwatch_collector.inventory.session import ORIGINATOR, PoolSession, Query, Timeouts, netloc
from chainwatch_collector.inventory.tls import Trust, TrustError, UntrustedCertificateError, parse_fingerprint
from chainwatch_collector.inventory.transport import USER_AGENT
from lab.xapi.handle import LabPool, lab_pool

FAST = Timeouts(connect=5, call=5, logout=2)


@pytest.fixture(scope="module")
def shared_pool() -> Iterator[LabPool]:
    with lab_pool("xcp1", "xcp2", build=lambda pool: pool.estate.add_sr("nfs", "nfs-1")) as pool:
        yield pool


@pytest.fixture
def pool(shared_pool: LabPool) -> Iterator[LabPool]:
    yield shared_pool
    shared_pool.do("heal")


def make_session(pool: LabPool, trust: Trust | None = None, *, json_rpc: bool = True, host: str = "") -> PoolSession:
    address = pool.addresses[host] if host else pool.address
    trust = trust or Trust(ca_file=pool.ca_file)
    return PoolSession(f"{address}:{pool.port}", trust, FAST, json_rpc=json_rpc)


@pytest.fixture(params=["json", "xml"])
def session(pool: LabPool, request: pytest.FixtureRequest) -> Iterator[PoolSession]:
    session = make_session(pool, json_rpc=request.param == "json")
    session.login(pool.reader, pool.reader_password)
    yield session
    session.close()


def test_records_and_events(pool: LabPool, session: PoolSession) -> None:
    [(pool_ref, record)] = session.records("pool")
    assert record["uuid"] == pool.uuid
    token = session.call("event.inject", "pool", pool_ref)
    batch = session.events(("pool", "sr"), token, 0.1)
    assert [event["ref"] for event in batch.events] in ([], [pool_ref])
    assert batch.counts["pool"] == 1
    assert batch.token >= token
    [(sr_ref, _)] = session.records("SR")
    assert list(session.records("VDI", f'field "SR" = "{sr_ref}"')) == []
    since = xmlrpc.client.DateTime("19700101T00:00:00Z")
    assert session.call("message.get_since", since) == {}


def test_both_ways_say_the_same(pool: LabPool) -> None:
    seen = []
    for json_rpc in (True, False):
        session = make_session(pool, json_rpc=json_rpc)
        session.login(pool.reader, pool.reader_password)
        seen.append({ref: record["uuid"] for ref, record in session.records("host")})
        session.logout()
    assert seen[0] == seen[1]
    assert len(seen[0]) == 2


def test_calls_of_the_package_go_the_same_way(session: PoolSession) -> None:
    assert len(session.xenapi.host.get_all()) == 2
    assert session.handle
    session.xenapi.session.logout()
    assert session.handle is None


@pytest.mark.parametrize(
    "method",
    [
        "VDI.destroy",
        "SR.scan",
        "VM.start",
        "event.from ",
        "vdi.get_all",
        "event_from",
        "host.call_plugin",
        "task.cancel",
    ],
)
def test_no_other_method_is_sent(pool: LabPool, session: PoolSession, method: str) -> None:
    before = pool.methods_called
    with pytest.raises(MethodNotAllowedError, match="nothing was sent"):
        session.call(method, "x")
    with pytest.raises(MethodNotAllowedError):
        session.xenapi_request(method, ("x",))
    with pytest.raises(AttributeError):
        _ = session.VDI
    assert pool.methods_called == before


def test_the_list_is_what_a_read_only_role_may(pool: LabPool, session: PoolSession) -> None:
    codes = set()
    for method in sorted(READ_ONLY_METHODS):
        try:
            session.call(method)
        except XenAPI.Failure as failure:
            codes.add(failure.details[0])
    assert "RBAC_PERMISSION_DENIED" not in codes
    assert pool.writes_called == []


def test_no_second_login_behind_our_back(pool: LabPool, session: PoolSession) -> None:
    logins = pool.methods_called["session.login_with_password"]
    pool.do("drop_sessions")
    with pytest.raises(XenAPI.Failure, match="SESSION_INVALID") as caught:
        session.call("pool.get_all")
    assert problem_of(caught.value).kind == "session"
    assert pool.methods_called["session.login_with_password"] == logins


def test_a_slave_says_who_the_master_is(pool: LabPool) -> None:
    session = make_session(pool, host="xcp2")
    with pytest.raises(XenAPI.Failure) as caught:
        session.login(pool.reader, pool.reader_password)
    session.close()
    problem = problem_of(caught.value)
    assert (problem.kind, problem.master) == ("slave", pool.address)


@pytest.mark.parametrize("json_rpc", [True, False])
def test_a_password_is_kept_nowhere(pool: LabPool, json_rpc: bool) -> None:
    secret = "s3cret-of-the-test"
    pool.do(
        "fault", failures={"session.login_with_password": ["SESSION_AUTHENTICATION_FAILED", "root", f"no {secret}"]}
    )
    session = make_session(pool, json_rpc=json_rpc)
    with pytest.raises(XenAPI.Failure) as caught:
        session.login("root", secret)
    session.close()
    assert problem_of(caught.value).kind == "login"
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(caught.value)
    assert secret not in told + repr(session) + repr(vars(session))
    pool.do("heal")
    session.login(pool.reader, pool.reader_password)
    assert session.last_login_params is None
    assert pool.reader_password not in repr(session) + repr(vars(session))
    session.logout()


def test_one_connection_for_every_call(pool: LabPool) -> None:
    session = make_session(pool)
    session.login(pool.reader, pool.reader_password)
    for _ in range(5):
        session.call("pool.get_all")
    first = session._pool_transport._connection[1]
    list(session.records("host"))
    assert session._pool_transport._connection[1] is first
    session.logout()


@pytest.mark.parametrize("json_rpc", [True, False])
def test_several_classes_the_next_asked_for_while_one_is_read(pool: LabPool, json_rpc: bool) -> None:
    session = make_session(pool, json_rpc=json_rpc)
    session.login(pool.reader, pool.reader_password)
    seen, asked = [], []
    for name, records in session.record_sets(Query(name) for name in ("host", "SR", "pool", "VM")):
        asked.append(pool.methods_called.get("VM.get_all_records", 0))
        seen.append((name, {record["uuid"] for _, record in records}))
    assert [name for name, _ in seen] == ["host", "SR", "pool", "VM"]
    assert seen == [(name, {record["uuid"] for _, record in session.records(name)}) for name, _ in seen]
    assert asked[1] == asked[0]
    assert session._second_transport._connection[1] is None
    session.logout()


def test_of_several_classes_not_all_are_wanted(pool: LabPool) -> None:
    session = make_session(pool)
    session.login(pool.reader, pool.reader_password)
    sets = session.record_sets(Query(name) for name in ("host", "SR", "pool", "VM"))
    _, records = next(sets)
    assert len(list(records)) == 2
    sets.close()
    assert [len(list(session.records(name))) for name in ("host", "pool")] == [2, 1]
    session.logout()


def test_a_set_that_breaks_off_leaves_nothing_behind(pool: LabPool) -> None:
    session = make_session(pool)
    session.login(pool.reader, pool.reader_password)
    pool.do("fault", truncate={"SR.get_all_records": 1})
    sets = session.record_sets(Query(name) for name in ("host", "SR", "pool"))
    with pytest.raises((BrokenReplyError, IncompleteRead)):
        list(itertools.chain.from_iterable(records for _, records in sets))
    sets.close()
    assert len(list(session.records("host"))) == 2
    session.logout()


@pytest.mark.parametrize("json_rpc", [True, False])
def test_headers_are_far_below_what_xapi_takes(pool: LabPool, json_rpc: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.xapi.http_wire.HEADER_LIMIT_BYTES", 400)
    session = make_session(pool, json_rpc=json_rpc)
    session.login(pool.reader, pool.reader_password)
    assert len(list(session.records("host"))) == 2
    session.logout()


@pytest.mark.parametrize("limit", ["MAX_REPLY_BYTES", "REPLY_SECONDS"])
def test_a_reply_without_end_is_given_up(pool: LabPool, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    session = make_session(pool)
    session.login(pool.reader, pool.reader_password)
    monkeypatch.setattr(f"chainwatch_collector.inventory.transport.{limit}", -1)
    with pytest.raises(TimeoutError, match="no end"):
        list(session.records("host"))
    monkeypatch.undo()
    assert len(list(session.records("host"))) == 2
    session.logout()


def test_sessions_are_counted_as_ours(pool: LabPool) -> None:
    session = make_session(pool)
    session.login(pool.reader, pool.reader_password)
    originators = pool.call(lambda server: [one.originator for one in server.sessions.open.values()])
    assert ORIGINATOR in originators
    assert len(USER_AGENT) <= 64
    session.logout()


@pytest.mark.parametrize("json_rpc", [True, False])
def test_a_body_cut_short_is_an_error_and_the_next_call_works(pool: LabPool, json_rpc: bool) -> None:
    session = make_session(pool, json_rpc=json_rpc)
    session.login(pool.reader, pool.reader_password)
    pool.do("fault", truncate={"host.get_all_records": 1})
    with pytest.raises((BrokenReplyError, IncompleteRead)) as caught:
        list(session.records("host"))
    assert problem_of(caught.value).kind == "network"
    assert len(list(session.records("host"))) == 2
    session.logout()


@pytest.mark.parametrize("json_rpc", [True, False])
def test_a_silent_server_is_given_up(pool: LabPool, json_rpc: bool) -> None:
    session = make_session(pool, json_rpc=json_rpc)
    session.login(pool.reader, pool.reader_password)
    pool.do("fault", silent=True)
    session.patience(0.2)
    with pytest.raises(TimeoutError) as caught:
        session.call("pool.get_all")
    assert problem_of(caught.value) == ("network", "no answer in time", "")
    session.close()


@pytest.mark.parametrize("changes", [{"down": True}, {"http_status": {"*": 503}}])
def test_what_a_host_in_trouble_does(pool: LabPool, changes: dict[str, object]) -> None:
    pool.do("fault", **changes)
    session = make_session(pool)
    with pytest.raises(TRANSPORT_ERRORS) as caught:
        session.login(pool.reader, pool.reader_password)
    session.close()
    assert problem_of(caught.value).kind in ("network", "reply")


def test_without_json_rpc_the_packages_own_way(pool: LabPool) -> None:
    pool.do("fault", http_status={"session.login_with_password": 404})
    session = make_session(pool)
    with pytest.raises(xmlrpc.client.ProtocolError):
        session.login(pool.reader, pool.reader_password)
    assert session.json_rpc is False
    pool.do("heal")
    session.login(pool.reader, pool.reader_password)
    assert len(list(session.records("host"))) == 2
    session.logout()


def test_whom_it_trusts(pool: LabPool, tmp_path: Path) -> None:
    pem = pool.ca_file.read_text()
    pins = {
        hashlib.sha256(ssl.PEM_cert_to_DER_cert(part + "-----END CERTIFICATE-----\n")).hexdigest()
        for part in pem.split("-----END CERTIFICATE-----\n")[:-1]
    }
    for trust in (Trust(fingerprints=frozenset(pins)), Trust(insecure=True)):
        session = make_session(pool, trust)
        session.login(pool.reader, pool.reader_password)
        session.logout()
    calls = pool.methods_called
    for trust, error in (
        (Trust(), ssl.SSLCertVerificationError),
        (Trust(fingerprints=frozenset({"0" * 64})), UntrustedCertificateError),
    ):
        session = make_session(pool, trust)
        with pytest.raises(error) as caught:
            session.login(pool.reader, pool.reader_password)
        assert problem_of(caught.value).kind == "tls"
    assert pool.methods_called == calls


def test_a_ca_file_that_is_none(tmp_path: Path) -> None:
    empty = tmp_path / "ca.pem"
    with pytest.raises(TrustError, match="cannot be read"):
        Trust(ca_file=empty).context()
    empty.write_text("hello")
    with pytest.raises(TrustError, match="no PEM certificates"):
        Trust(ca_file=empty).context()


def test_fingerprints_and_addresses() -> None:
    digits = "AB" * 32
    assert parse_fingerprint(f"sha256:{':'.join([digits[:2]] * 32)}") == digits.lower()
    with pytest.raises(ValueError, match="is no SHA-256 fingerprint"):
        parse_fingerprint("ab")
    assert [netloc(text) for text in ("10.0.0.1", "h:444", "fe80::1", "[::1]:443")] == [
        "10.0.0.1",
        "h:444",
        "[fe80::1]",
        "[::1]:443",
    ]


def test_logout_is_brief_and_frees_the_session(pool: LabPool) -> None:
    session = make_session(pool)
    session.login(pool.reader, pool.reader_password)
    pool.do("fault", silent=True)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        session.logout()
    assert time.monotonic() - began < 10
    assert session.handle is None

"""Clients that are not ours work against the lab's XenAPI server: the XenAPI package and a plain JSON-RPC client."""

import ssl
from collections.abc import Iterator

import pytest
import XenAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.xapi import schema
from lab.xapi.clients import json_rpc, login, tls_socket, xenapi
from lab.xapi.handle import LabPool, lab_pool
from lab.xapi.methods import SPECIAL, find
from lab.xapi.pool import XapiPool


def two_srs(pool: XapiPool) -> None:
    pool.estate.add_sr("nfs", "shared")
    pool.estate.add_sr("ext", 'it\'s <local> & "odd"')


@pytest.fixture
def pool() -> Iterator[LabPool]:
    with lab_pool("xcp1", "xcp2", build=two_srs) as pool:
        yield pool


def test_the_xenapi_package_logs_in_reads_and_follows_events(pool: LabPool) -> None:
    with xenapi(pool) as session:
        session.login_with_password(pool.user, pool.password, "1.0", "lab-test")
        found = session.xenapi.SR.get_all_records_where('field "type" = "nfs" and field "shared" = "true"')
        assert [record["name_label"] for record in found.values()] == ["shared"]
        token = session.xenapi.event.inject("pool", session.xenapi.pool.get_all()[0])
        batch = session.xenapi.event_from(["pool"], token, 5.0)
        assert [event["operation"] for event in batch["events"]] == ["mod"]
        assert batch["valid_ref_counts"]["sr"] == 2
        session.xenapi.session.logout()
    assert pool.writes_called == []


def test_every_record_is_the_same_over_both_protocols(pool: LabPool) -> None:
    """Integers are text in XML-RPC and numbers in JSON-RPC, as xapi's encoders have it; all else is equal."""
    with xenapi(pool) as session, json_rpc(pool) as call:
        session.login_with_password(pool.user, pool.password, "1.0", "lab-test")
        reference = login(call, pool)
        for class_name in ("SR", "PBD", "host", "pool", "SM", "VM", "Certificate"):
            over_json = call(f"{class_name}.get_all_records", reference)["result"]
            over_xml = getattr(session.xenapi, class_name).get_all_records()
            assert over_json
            assert as_text(over_json) == as_text(over_xml), class_name


def as_text(value: object) -> object:
    """XML-RPC's untyped view: integers and times are text."""
    if isinstance(value, dict):
        return {key: as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_text(item) for item in value]
    return value if isinstance(value, bool | float) else str(value)


def test_a_slave_sends_its_client_to_the_coordinator_before_it_looks_at_the_password(pool: LabPool) -> None:
    with xenapi(pool, pool.addresses["xcp2"]) as session, pytest.raises(XenAPI.Failure) as caught:
        session.login_with_password(pool.user, "wrong even", "1.0", "lab-test")
    assert caught.value.details == ["HOST_IS_SLAVE", pool.addresses["xcp1"]]


def test_json_rpc_two_has_numbers_and_error_objects(pool: LabPool) -> None:
    with json_rpc(pool) as call:
        session = login(call, pool)
        records = call("SR.get_all_records", session)["result"]
        assert {record["physical_size"] for record in records.values()} == {1 << 40}
        error = call("SR.get_record", session, "OpaqueRef:none")["error"]
        assert error == {"code": 1, "message": "HANDLE_INVALID", "data": ["SR", "OpaqueRef:none"]}


def test_json_rpc_one_has_the_description_as_its_error(pool: LabPool) -> None:
    with json_rpc(pool, version=1) as call:
        reply = call("session.login_with_password", pool.user, "wrong", "1.0", "lab-test")
    assert reply["error"] == ["SESSION_AUTHENTICATION_FAILED", "root", "Authentication failure"]
    assert reply["result"] is None


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("SR.get_nothing", [], "MESSAGE_METHOD_UNKNOWN"),
        ("nonsense", [], "MESSAGE_METHOD_UNKNOWN"),
        ("SR.get_all", ["one too many"], "MESSAGE_PARAMETER_COUNT_MISMATCH"),
        ("SR.get_by_uuid", ["none"], "UUID_INVALID"),
        ("event.from", [["sr"], "not a token", 0.0], "EVENT_FROM_TOKEN_PARSE_FAILURE"),
        ("event.from", [["sr/x/y"], "", 0.0], "EVENT_SUBSCRIPTION_PARSE_FAILURE"),
        ("SR.get_all_records_where", ['field "type" ='], "INTERNAL_ERROR"),
    ],
)
def test_wrong_calls_fail_with_their_code(pool: LabPool, method: str, params: list[object], code: str) -> None:
    with json_rpc(pool) as call:
        assert call(method, login(call, pool), *params)["error"]["message"] == code


def test_the_bytes_of_an_xml_reply_are_xapis(pool: LabPool) -> None:
    """ocaml-rpc's encoding to the byte: untyped integers, i4 for counts, no hyphens in a time."""
    with json_rpc(pool) as call, tls_socket(pool) as raw:
        session = login(call, pool)

        def ask(method: str, *parameters: str) -> str:
            params = "".join(f"<param><value>{value}</value></param>" for value in (session, *parameters))
            body = f"<methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>"
            raw.sendall(f"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
            return receive(raw).decode()

        nothing = ask("event.from", "<array><data/></array>", "", "<double>0.0</double>")
        assert nothing.count("<i4>") == len(schema.CLASSES)
        sr = pool.call(lambda lab: lab.estate.find("SR", "shared"))
        assert "<name>Value</name><value>1099511627776</value>" in ask("SR.get_physical_size", sr)
        assert "<value><boolean>1</boolean></value>" in ask("SR.get_shared", sr)
        assert "<value><array><data></data></array></value>" in ask("SR.get_tags", sr)
        odd = ask("SR.get_all_records_where", "field 'type' = 'ext'")
        assert "it&apos;s &lt;local&gt; &amp; &quot;odd&quot;" in odd
        assert "HANDLE_INVALID" in ask("SR.get_shared", "OpaqueRef:NULL")


def receive(raw: ssl.SSLSocket) -> bytes:
    """One reply's body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += raw.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:")).split(b":")[1])
    while len(body) < length:
        body += raw.recv(65_536)
    return body


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST / HTTP/1.1\r\nbaggage: " + b"x" * 1024 + b"\r\n\r\n", b"431"),
        (b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\n<a>", b"500"),
        (b"POST /jsonrpc HTTP/1.1\r\ncontent-length: 2\r\n\r\n[]", b"500"),
        (b"POST / HTTP/1.1\r\ncontent-length: 400000\r\n\r\n", b"413"),
        (b"GET /rrd_updates HTTP/1.1\r\n\r\n", b"401"),
        (b"GET /nothing HTTP/1.1\r\n\r\n", b"404"),
        (b"nonsense\r\n\r\n", b"400"),
    ],
)
def test_bad_requests_get_a_page_and_the_connection_closes(pool: LabPool, request_bytes: bytes, status: bytes) -> None:
    with tls_socket(pool) as raw:
        raw.sendall(request_bytes)
        answer = b""
        while piece := raw.recv(65_536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"text/html" in answer


def test_only_tls_1_2_and_a_certificate_of_its_own_for_each_host(pool: LabPool) -> None:
    with tls_socket(pool) as raw:
        assert raw.version() == "TLSv1.2"
    with json_rpc(pool) as call:
        session = login(call, pool)
        hosts = call("host.get_all", session)["result"]
        pems = [call("host.get_server_certificate", session, host)["result"] for host in hosts]
        assert len(set(pems)) == 2
        assert all(pem in pool.ca_file.read_text() for pem in pems)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


def test_no_parameter_breaks_a_connection() -> None:
    """Whatever the types, every message answers with a result or a code."""
    with lab_pool(build=two_srs) as pool, json_rpc(pool) as call:
        session = login(call, pool)
        unblocked = sorted(set(SPECIAL) - {"session.logout", "event.from"})

        @settings(max_examples=150, deadline=None)
        @given(st.sampled_from([*unblocked, "SR.get_record", "VM.set_tags", "VDI.add_to_sm_config"]), st.data())
        def ask(method: str, data: st.DataObject) -> None:
            count = find(method).count
            params = data.draw(st.lists(JSON_VALUES, min_size=count, max_size=count))
            reply = call(method, session, *params)
            assert ("result" in reply) != ("error" in reply)

        ask()

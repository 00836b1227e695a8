"""Clients that are not ours work against the lab's XenAPI server: the XenAPI package and a plain JSON-RPC client."""

import http.client
import json
import ssl
import xmlrpc.client
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import XenAPI

from lab.xapi.handle import LabPool, lab_pool
from lab.xapi.pool import XapiPool


def two_srs(pool: XapiPool) -> None:
    pool.estate.add_sr("nfs", "shared")
    pool.estate.add_sr("ext", "local")


@pytest.fixture
def pool() -> Iterator[LabPool]:
    with lab_pool("xcp1", "xcp2", build=two_srs) as pool:
        yield pool


@contextmanager
def xenapi(pool: LabPool, address: str = "") -> Iterator[Any]:
    """The package's session, verifying the host's certificate; not logged in."""
    context = ssl.create_default_context(cafile=pool.ca_file)
    session = XenAPI.Session(
        f"https://{address or pool.address}:{pool.port}", transport=xmlrpc.client.SafeTransport(context=context)
    )
    yield session
    session("close")()


@contextmanager
def json_rpc(pool: LabPool, version: int = 2) -> Iterator[Any]:
    """A function `call(method, *params)` that returns the whole reply."""
    context = ssl.create_default_context(cafile=pool.ca_file)
    with closing(http.client.HTTPSConnection(pool.address, pool.port, context=context, timeout=30)) as connection:

        def call(method: str, *params: Any) -> Any:
            body = {"method": method, "params": params, "id": 7, **({"jsonrpc": "2.0"} if version == 2 else {})}
            connection.request("POST", "/jsonrpc", json.dumps(body), {"content-type": "application/json"})
            return json.loads(connection.getresponse().read())

        yield call


def test_the_xenapi_package_logs_in_reads_and_follows_events(pool: LabPool) -> None:
    with xenapi(pool) as session:
        session.login_with_password(pool.user, pool.password, "1.0", "chainwatch-test")
        found = session.xenapi.SR.get_all_records_where('field "type" = "nfs" and field "shared" = "true"')
        assert [record["name_label"] for record in found.values()] == ["shared"]
        token = session.xenapi.event.inject("pool", session.xenapi.pool.get_all()[0])
        batch = session.xenapi.event_from(["pool"], token, 5.0)
        assert [event["operation"] for event in batch["events"]] == ["mod"]
        assert batch["valid_ref_counts"]["sr"] == 2
        session.xenapi.session.logout()


def test_a_slave_sends_its_client_to_the_coordinator(pool: LabPool) -> None:
    with xenapi(pool, pool.addresses["xcp2"]) as session, pytest.raises(XenAPI.Failure) as caught:
        session.login_with_password(pool.user, "wrong even", "1.0", "chainwatch-test")
    assert caught.value.details == ["HOST_IS_SLAVE", pool.addresses["xcp1"]]


def test_json_rpc_two_has_numbers_and_error_objects(pool: LabPool) -> None:
    with json_rpc(pool) as call:
        session = call("session.login_with_password", pool.user, pool.password, "1.0", "chainwatch-test")["result"]
        records = call("SR.get_all_records", session)["result"]
        assert {record["physical_size"] for record in records.values()} == {1 << 40}
        error = call("SR.get_record", session, "OpaqueRef:none")["error"]
        assert error == {"code": 1, "message": "HANDLE_INVALID", "data": ["SR", "OpaqueRef:none"]}


def test_json_rpc_one_has_the_description_as_its_error(pool: LabPool) -> None:
    with json_rpc(pool, version=1) as call:
        reply = call("session.login_with_password", pool.user, "wrong", "1.0", "chainwatch-test")
    assert reply["error"] == ["SESSION_AUTHENTICATION_FAILED", "root", "Authentication failure"]
    assert reply["result"] is None

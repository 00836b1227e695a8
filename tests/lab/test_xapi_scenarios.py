"""What goes wrong with a pool, as a client meets it: sessions, roles, restarts, failover, broken connections."""

import contextlib
import http.client
import itertools
import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lab.xapi.clients import context, json_rpc, login, tls_socket
from lab.xapi.handle import LabPool, lab_pool
from lab.xapi.pool import XapiPool


def estate(pool: XapiPool) -> None:
    sr = pool.estate.add_sr("lvmoiscsi", "san")
    pool.estate.add_vm("app", pool.host("xcp1"), [pool.disks.ref(pool.disks.add_vdi(sr, "disk of app"))])


@pytest.fixture
def pool() -> Iterator[LabPool]:
    with lab_pool("xcp1", "xcp2", build=estate) as pool:
        yield pool


def code(reply: dict[str, Any]) -> str:
    """Of a failure."""
    return str(reply["error"]["message"])


def test_a_reader_may_read_and_nothing_else(pool: LabPool) -> None:
    with json_rpc(pool) as call:
        session = login(call, pool, reader=True)
        sr = call("SR.get_all", session)["result"][0]
        assert call("event.inject", session, "sr", sr)["result"]
        refused = call("SR.scan", session, sr)["error"]
        assert refused["message"] == "RBAC_PERMISSION_DENIED"
        assert refused["data"][0] == "sr.scan"
        assert code(call("SR.set_name_label", session, sr, "other")) == "RBAC_PERMISSION_DENIED"
        assert call("session.get_is_local_superuser", session, session)["result"] is False
        assert call("session.get_rbac_permissions", session, session)["result"] == ["read-only"]
    assert pool.writes_called == ["SR.scan", "SR.set_name_label"]


def test_a_denied_method_is_denied_to_root_too(pool: LabPool) -> None:
    pool.do("fault", denied=["VDI.get_all_records"])
    with json_rpc(pool) as call:
        session = login(call, pool)
        assert code(call("VDI.get_all_records", session)) == "RBAC_PERMISSION_DENIED"
        pool.do("heal")
        assert call("VDI.get_all_records", session)["result"]


def test_sessions_over_the_cap_of_their_originator_go_oldest_first(pool: LabPool) -> None:
    pool.call(lambda lab: setattr(lab.sessions, "per_originator", 3))
    with json_rpc(pool) as call:
        sessions = [login(call, pool) for _ in range(4)]
        assert code(call("pool.get_all", sessions[0])) == "SESSION_INVALID"
        assert all(call("pool.get_all", session)["result"] for session in sessions[1:])
        other = call("session.login_with_password", pool.user, pool.password, "1.0", "somebody else")["result"]
        assert call("pool.get_all", sessions[1])["result"]
        counts = call("event.from", other, ["task"], "", 0.0)["result"]["valid_ref_counts"]
        assert counts["session"] == 4


def test_a_session_in_use_outlives_an_idle_one(pool: LabPool) -> None:
    times = (datetime(2026, 1, 1, 0, minute, tzinfo=UTC) for minute in itertools.count())
    pool.call(lambda lab: setattr(lab.sessions, "clock", lambda: next(times)))
    pool.call(lambda lab: setattr(lab.sessions, "per_originator", 2))
    with json_rpc(pool) as call:
        used, idle = login(call, pool), login(call, pool)
        assert call("pool.get_all", used)["result"]
        login(call, pool)
        assert code(call("pool.get_all", idle)) == "SESSION_INVALID"
        assert call("pool.get_all", used)["result"]


def test_an_idle_session_expires(pool: LabPool) -> None:
    with json_rpc(pool) as call:
        session = login(call, pool)
        tomorrow = datetime.now(UTC) + timedelta(hours=25)
        pool.call(lambda lab: setattr(lab.sessions, "clock", lambda: tomorrow))
        assert code(call("pool.get_all", session)) == "SESSION_INVALID"


def test_a_restart_ends_sessions_connections_and_the_memory_of_deletions(pool: LabPool) -> None:
    with json_rpc(pool) as call:
        session = login(call, pool)
        pool.do("add_vdi", sr="san", name="gone soon")
        token = call("event.from", session, ["vdi"], "", 0.0)["result"]["token"]
        pool.do("burst_delete", count=1, prefix="gone")
        pool.do("restart_xapi")
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError, ssl.SSLError)):
            call("pool.get_all", session)
    with json_rpc(pool) as call:
        assert code(call("pool.get_all", session)) == "SESSION_INVALID"
        batch = call("event.from", login(call, pool), ["vdi"], token, 0.0)["result"]
        assert [event for event in batch["events"] if event["operation"] == "del"] == []
        assert batch["valid_ref_counts"]["vdi"] == 1


def test_failover_makes_the_old_coordinator_a_slave_with_an_older_database(pool: LabPool) -> None:
    with json_rpc(pool) as call:
        before = call("event.from", login(call, pool), ["sr"], "", 0.0)["result"]["token"]
    pool.do("fail_over", to="xcp2", lost_generations=10)
    assert pool.address == pool.addresses["xcp2"]
    with json_rpc(pool, address=pool.addresses["xcp1"]) as call:
        error = call("session.login_with_password", pool.user, pool.password, "1.0", "lab-test")["error"]
        assert (error["message"], error["data"]) == ("HOST_IS_SLAVE", [pool.addresses["xcp2"]])
    with json_rpc(pool) as call:
        after = call("event.from", login(call, pool), ["sr"], "", 0.0)["result"]["token"]
    assert after < before


def test_a_host_that_is_off_refuses_and_comes_back(pool: LabPool) -> None:
    pool.do("power_off", host="xcp2")
    with pytest.raises(ConnectionRefusedError), json_rpc(pool, address=pool.addresses["xcp2"]) as call:
        call("pool.get_all", "")
    live = {record["live"] for record in pool.dump()["host_metrics"].values()}
    assert live == {True, False}
    pool.do("power_on", host="xcp2")
    with json_rpc(pool, address=pool.addresses["xcp2"]) as call:
        assert code(call("pool.get_all", "")) == "HOST_IS_SLAVE"


@pytest.mark.parametrize("emergency", [["HOST_STILL_BOOTING"], ["HOST_HAS_NO_MANAGEMENT_IP"], ["HOST_BROKEN"]])
def test_emergency_mode_answers_every_call_with_its_code(pool: LabPool, emergency: list[str]) -> None:
    pool.do("fault", emergency=emergency)
    with json_rpc(pool) as call:
        assert code(call("session.login_with_password", pool.user, pool.password)) == emergency[0]
        assert call("host.is_in_emergency_mode", "")["result"] is True


def test_xapi_down_behind_tls_closes_the_connection(pool: LabPool) -> None:
    pool.do("fault", down=True)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError, ssl.SSLError)), json_rpc(pool) as call:
        call("pool.get_all", "")


def test_a_truncated_body_ends_before_its_length_and_only_as_often_as_asked(pool: LabPool) -> None:
    pool.do("fault", truncate={"SM.get_all_records": 1})
    with json_rpc(pool) as call:
        session = login(call, pool)
        with pytest.raises(http.client.IncompleteRead):
            call("SM.get_all_records", session)
    with json_rpc(pool) as call:
        assert call("SM.get_all_records", session)["result"]


def test_a_half_open_connection_stays_and_says_nothing(pool: LabPool) -> None:
    pool.do("fault", silent=True)
    with tls_socket(pool) as raw:
        raw.settimeout(0.2)
        raw.sendall(b"POST /jsonrpc HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}")
        with pytest.raises(TimeoutError):
            raw.recv(1)
        pool.do("heal")
        raw.settimeout(10)
        with contextlib.suppress(ConnectionError):
            assert raw.recv(1) == b""


def test_slow_answers_and_http_errors_and_failures_on_demand(pool: LabPool) -> None:
    with json_rpc(pool) as call:
        session = login(call, pool)
        pool.do("fault", failures={"SR.get_all": ["TOO_MANY_PENDING_TASKS"]}, delay_seconds={"pool.get_all": 0.05})
        assert code(call("SR.get_all", session)) == "TOO_MANY_PENDING_TASKS"
        assert call("pool.get_all", session)["result"]
        pool.do("heal")
        pool.do("fault", http_status={"*": 503})
        with pytest.raises(json.JSONDecodeError):
            call("pool.get_all", session)


def test_an_unknown_fault_or_operation_is_an_error(pool: LabPool) -> None:
    with pytest.raises(TypeError, match="no fault"):
        pool.do("fault", brokken=True)
    with pytest.raises(KeyError, match="no operation"):
        pool.do("nothing of this name")


def test_rrd_updates_are_per_host_with_text_values_and_nan(pool: LabPool) -> None:
    with json_rpc(pool) as call:
        session = login(call, pool)
    first, second = (rrd(pool, host, session) for host in ("xcp1", "xcp2"))
    assert first["meta"]["legend"] != second["meta"]["legend"]
    assert len(first["data"][0]["values"]) == first["meta"]["columns"] == len(first["meta"]["legend"])
    assert "NaN" in first["data"][0]["values"]
    assert any(name.startswith("AVERAGE:vm:") and name.endswith("vbd_xvda_read") for name in first["meta"]["legend"])
    assert all(isinstance(value, str) for row in first["data"] for value in row["values"])


def rrd(pool: LabPool, host: str, session: str) -> dict[str, Any]:
    connection = http.client.HTTPSConnection(pool.addresses[host], pool.port, context=context(pool), timeout=10)
    try:
        connection.request("GET", f"/rrd_updates?session_id={session}&start=-60&interval=5&host=true")
        reply = connection.getresponse()
        assert reply.headers["connection"] == "close"
        answer: dict[str, Any] = json.loads(reply.read())
        return answer
    finally:
        connection.close()


def test_messages_since_a_time(pool: LabPool) -> None:
    pool.do("message", name="ALARM", priority=5, class_name="SR", uuid="one", at="20260101T00:00:00Z")
    pool.do("message", name="ALARM", priority=5, class_name="SR", uuid="two", at="20260201T00:00:00Z")
    with json_rpc(pool) as call:
        session = login(call, pool)
        for since in ("20260115T00:00:00Z", "2026-01-15T00:00:00Z"):
            found = call("message.get_since", session, since)["result"]
            assert [record["obj_uuid"] for record in found.values()] == ["two"]
        assert call("message.get_since", session, "20260201T00:00:00Z")["result"] == {}
        assert len(call("message.get", session, "SR", "two", "20260131T23:59:59Z")["result"]) == 1
        assert call("message.get", session, "SR", "two", "20260201T00:00:00Z")["result"] == {}
        assert len(call("message.get_all_records", session)["result"]) == 2


def test_a_message_of_this_second_is_since_this_second(pool: LabPool) -> None:
    """The file's name has the fraction that the record lacks."""
    ref = pool.do("message", name="ALARM", priority=5, class_name="SR", uuid="now")
    with json_rpc(pool) as call:
        stamp = pool.dump()["message"][ref]["timestamp"]
        assert list(call("message.get_since", login(call, pool), stamp)["result"]) == [ref]


def test_a_backup_window_snapshots_heartbeats_and_alarms(pool: LabPool) -> None:
    with json_rpc(pool) as call:
        session = login(call, pool)
        token = call("event.from", session, ["vm", "vdi", "message"], "", 0.0)["result"]["token"]
        assert pool.do("burst_snapshot", prefix="app", name="backup of") == 1
        pool.do("heartbeat")
        pool.do("burst_messages", count=5)
        events = call("event.from", session, ["vm", "vdi", "message"], token, 5.0)["result"]["events"]
    assert sorted((event["class"], event["operation"]) for event in events) == [
        *[("message", "add")] * 5,
        ("vdi", "add"),  # base copy and snapshot
        ("vdi", "add"),
        ("vdi", "mod"),
        ("vm", "add"),
        ("vm", "mod"),
    ]


def test_fields_and_references_of_other_versions_go_over_the_wire(pool: LabPool) -> None:
    pool.do("set_unknown_field", class_name="SR", name="san", field="from_the_future", value={"a": ["b"]})
    pool.do("set_fields", class_name="VDI", name_or_ref="disk of app", snapshot_of="", type="type_of_tomorrow")
    with json_rpc(pool) as call:
        session = login(call, pool)
        (sr,) = call("SR.get_all_records", session)["result"].values()
        (vdi,) = call("VDI.get_all_records", session)["result"].values()
    assert sr["from_the_future"] == {"a": ["b"]}
    assert (vdi["snapshot_of"], vdi["type"]) == ("", "type_of_tomorrow")


def test_a_collection_in_real_time_ends_without_its_task(pool: LabPool) -> None:
    pool.do("add_chain", sr="san", name="long", depth=4)
    assert len(pool.do("gc_play", sr="san", seconds_each=0.01, linger_seconds=0.01)) == 3
    assert pool.dump()["task"] == {}

"""The lab's pool in a thread and in a process: it starts at once, serves at scale, and leaves nothing behind."""

import gc
import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lab.xapi import images
from lab.xapi.clients import json_rpc, login
from lab.xapi.handle import lab_pool
from lab.xapi.process import LabError, LabProcess, lab_process

BUILD = [["add_sr", {"kind": "nfs", "name": "vms"}], ["fill", {"vdis": 500, "srs": 2}]]


def test_a_pool_leaves_no_thread_and_no_file() -> None:
    threads = threading.active_count()
    with lab_pool("xcp1", "xcp2") as pool, json_rpc(pool) as call:
        login(call, pool)
        directory = pool.ca_file.parent
    assert threading.active_count() == threads
    assert not directory.exists()


def test_a_pool_ends_with_half_a_handshake_open(recwarn: pytest.WarningsRecorder) -> None:
    """What the loop would leave pending shows as a ResourceWarning when it is collected."""
    with lab_pool() as pool:
        client = socket.create_connection((pool.address, pool.port), timeout=10)
        pool.call(lambda lab: None)
    with client:
        assert client.recv(1) == b""
    gc.collect()
    assert [warning for warning in recwarn if warning.category is ResourceWarning] == []


def test_two_pools_do_not_meet() -> None:
    with lab_pool() as first, lab_pool() as second:
        assert first.address != second.address
        assert first.uuid != second.uuid


def test_a_process_is_built_asked_and_ended() -> None:
    with lab_process(name="second", hosts=["a", "b"], build=BUILD) as pool:
        inventory = pool.dump()
        assert len(inventory["VDI"]) == 500
        assert [record["name_label"] for record in inventory["pool"].values()] == ["second"]
        assert pool.do("add_vdi", sr="vms", name="one more")
        assert len(pool.dump()["VDI"]) == 501
        with pytest.raises(LabError, match="no operation"):
            pool.do("no such thing")
        assert can_log_in(pool)
        process = pool.process
    assert process.returncode == 0


def can_log_in(pool: LabProcess) -> bool:
    """With the password that it told, trusting the file that it named."""
    context = ssl.create_default_context(cafile=pool.ca_file)
    connection = http.client.HTTPSConnection(pool.address, pool.port, context=context, timeout=10)
    body = {"jsonrpc": "2.0", "id": 1, "method": "session.login_with_password", "params": [pool.user, pool.password]}
    try:
        connection.request("POST", "/jsonrpc", json.dumps(body))
        return "result" in json.loads(connection.getresponse().read())
    finally:
        connection.close()


def test_objects_keep_the_uuids_that_a_dom0_knows_them_by() -> None:
    host, sr, root, leaf = (f"{letter * 8}-0000-4000-8000-000000000001" for letter in "abcd")
    build = [
        ["add_sr", {"kind": "ext", "name": "local", "uuid": sr}],
        ["add_image", {"sr": sr, "uuid": root, "size_bytes": 1 << 30, "blocks": [0, 3], "hidden": True}],
        ["add_image", {"sr": sr, "uuid": leaf, "size_bytes": 1 << 30, "parent": root, "name": "disk"}],
        ["publish_blocks", {"sr": sr}],
    ]
    with lab_process(hosts=["xcp9"], uuids={"xcp9": host}, build=build) as pool:
        assert pool.host_uuids == {"xcp9": host}
        vdis = {record["uuid"]: record for record in pool.dump()["VDI"].values()}
    assert vdis[leaf]["sm_config"]["vhd-parent"] == root
    assert images.decode_blocks(vdis[root]["sm_config"]["vhd-blocks"]) == 0b1001


def test_stop_over_the_control_port_ends_it() -> None:
    with lab_process() as pool:
        pool.do("stop")
        assert pool.process.wait(20) == 0


def test_a_config_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"hsots": ["a"]}')
    command = [sys.executable, "-m", "lab.xapi", "--config", str(config)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert "unknown keys ['hsots']" in done.stderr


def test_sigterm_ends_it_with_connections_open() -> None:
    with lab_process() as pool, socket.create_connection((pool.address, pool.port)):
        pool.process.send_signal(signal.SIGTERM)
        assert pool.process.wait(20) == 0


def test_changes_keep_their_rate_and_reach_a_client() -> None:
    with lab_pool() as pool, json_rpc(pool) as call:
        pool.do("fill", vdis=2000, srs=2)
        session = login(call, pool)
        token = call("event.inject", session, "pool", call("pool.get_all", session)["result"][0])["result"]
        assert pool.do("churn", per_second=100, seconds=1.0) == 100
        batch = call("event.from", session, ["vdi"], token, 5.0)["result"]
        assert len(batch["events"]) > 90  # of 2,000 VDIs a few were drawn twice
        assert all(event["operation"] == "mod" for event in batch["events"])


def test_a_burst_of_deletions_is_done_at_once() -> None:
    with lab_pool(build=lambda pool: pool.estate.add_sr("nfs", "vms")) as pool:
        assert len(pool.do("burst_add", sr="vms", count=2000)) == 2000
        assert pool.do("burst_delete", count=2000) == 2000
        assert pool.dump()["VDI"] == {}


def test_the_inventory_has_the_form_that_diagnose_reads() -> None:
    with lab_pool("a", "b") as pool:
        pool.do("fill", vdis=20, srs=1)
        inventory = json.loads(json.dumps(pool.dump()))
    assert {"SR", "VDI", "VM", "VBD", "PBD", "host", "pool", "SM"} <= inventory.keys()
    (sr,) = inventory["SR"].values()
    assert len(sr["VDIs"]) == 20
    assert sr["VDIs"] == list(inventory["VDI"])
    parents = {record["sm_config"].get("vhd-parent") for record in inventory["VDI"].values()} - {None}
    assert parents <= {record["uuid"] for record in inventory["VDI"].values()}
    assert time.strptime(next(iter(inventory["host_metrics"].values()))["last_updated"], "%Y%m%dT%H:%M:%SZ")

"""The host's facts, from a tree of files as dom0 has it and from this machine."""

import os
import platform
import time

import pytest
from agent.dom0_tree import HOST, write, write_dom0
from chainwatch_agent.clock_sync import clock_synchronized
from chainwatch_agent.host_facts import HostFacts, host_message, read_host_facts, read_inventory, timezone_name
from chainwatch_agent.processes import ProcFs


def test_a_dom0(tmp_path: "os.PathLike[str]") -> None:
    root = str(tmp_path)
    write_dom0(root)
    facts = read_host_facts(root)
    assert facts == HostFacts(
        host_uuid=HOST,
        hostname="xcp-1",
        machine_id="b" * 32,
        boot_id="3f2c0d52-0000-4000-8000-000000000001",
        booted_at_us=1795619949000000,
        timezone="Europe/Berlin",
        utc_offset_seconds=time.localtime().tm_gmtoff,
        product_version="8.3",
        product_brand="XCP-ng",
        sm_version="3.2.12",
        kernel="4.19.0+1",
        python=platform.python_version(),
    )
    message = host_message(root, facts)
    assert (message.hostname, message.load_1m) == ("xcp-1", 1.25)
    assert (message.memory_total_bytes, message.memory_available_bytes) == (2048000 * 1024, 512000 * 1024)
    assert 0 < message.log_free_bytes <= message.log_total_bytes
    assert 0 < message.root_free_bytes <= message.root_total_bytes
    assert message.clock_synchronized == clock_synchronized()
    assert not message.no_sm_log
    write(root, "etc/xensource/no_sm_log", "")
    assert host_message(root, facts).no_sm_log


def test_nothing_there_is_no_error(tmp_path: "os.PathLike[str]") -> None:
    root = str(tmp_path)
    facts = read_host_facts(root)
    assert (facts.host_uuid, facts.machine_id, facts.boot_id, facts.booted_at_us, facts.sm_version) == (
        "",
        "",
        "",
        0,
        "",
    )
    assert host_message(root, facts).memory_total_bytes == 0


def test_this_machine() -> None:
    facts = read_host_facts("/")
    assert facts.hostname == platform.node()
    assert facts.kernel == platform.release()
    assert abs(facts.booted_at_us / 1e6 + ProcFs("/").uptime_seconds() - time.time()) < 60
    message = host_message("/", facts)
    assert 0 < message.memory_available_bytes <= message.memory_total_bytes


def test_the_inventory_is_shell(tmp_path: "os.PathLike[str]") -> None:
    write(str(tmp_path), "etc/xensource-inventory", "A='1'\nB=2\n\n# C='3'\nD=\nE='a b'\n")
    assert read_inventory(str(tmp_path)) == {"A": "1", "B": "2", "D": "", "E": "a b"}


@pytest.mark.parametrize(
    ("path", "text", "zone"),
    [
        ("etc/timezone", "America/Port-au-Prince\n", "America/Port-au-Prince"),
        ("etc/sysconfig/clock", '# x\nZONE="Etc/GMT+8"\n', "Etc/GMT+8"),
        ("etc/timezone", "$(reboot)\n", ""),
        ("etc/localtime", "TZif2", ""),
    ],
)
def test_a_zone_without_a_link(path: str, text: str, zone: str, tmp_path: "os.PathLike[str]") -> None:
    write(str(tmp_path), path, text)
    assert timezone_name(str(tmp_path)) == zone

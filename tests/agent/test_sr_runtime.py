"""What dom0 shows of each SR's GC, read from a tree of files as dom0 has it."""

import os

from agent.dom0_tree import SR, UNIT, VDI, write, write_dom0
from chainwatch_agent.sr_runtime import gc_units, parse_speeds, read_sr_runtimes
from hypothesis import given, settings
from hypothesis import strategies as st


def test_everything_of_one_sr(tmp_path: "os.PathLike[str]") -> None:
    root = str(tmp_path)
    write_dom0(root)
    os.utime(os.path.join(root, "run/nonpersistent/sm", SR, "gc_init"), (1795620000, 1795620000))
    (runtime,) = read_sr_runtimes(root)
    assert runtime.sr_uuid == SR
    assert runtime.gc_init_at_us == 1795620000000000
    assert list(runtime.gc_running) == [VDI]
    assert list(runtime.ipc_flags) == ["abort"]
    assert list(runtime.speeds) == [1002.5 + n for n in range(10)]
    assert runtime.unit_state == "activating"
    assert list(runtime.unit_pids) == [4711, 4712]


def test_an_empty_dom0(tmp_path: "os.PathLike[str]") -> None:
    assert read_sr_runtimes(str(tmp_path)) == []


def test_what_is_no_sr_is_passed_over(tmp_path: "os.PathLike[str]") -> None:
    root = str(tmp_path)
    write(root, "run/nonpersistent/sm/.nil/gc_init", "")
    write(root, "run/xapi.speed_log", "1\n")
    write(root, "run/sm/ipc/{}/Not A Flag".format(SR), "")
    (runtime,) = read_sr_runtimes(root)
    assert (runtime.sr_uuid, list(runtime.ipc_flags)) == (SR, [])


def test_separate_run_directories_and_cgroup_v2(tmp_path: "os.PathLike[str]") -> None:
    root = str(tmp_path)
    write(root, "var/run/sm/ipc/{}/success".format(SR), "")
    write(root, "run/sm/ipc/{}/abort".format(SR), "")
    write(root, "sys/fs/cgroup/system.slice/system-SMGC.slice/{}/cgroup.procs".format(UNIT), "")
    (runtime,) = read_sr_runtimes(root)
    assert sorted(runtime.ipc_flags) == ["abort", "success"]
    assert runtime.unit_state == ""  # its cgroup is there, no process is
    assert gc_units(root) == [(SR, [])]


def test_no_more_srs_than_the_contract_allows(tmp_path: "os.PathLike[str]") -> None:
    root = str(tmp_path)
    for number in range(300):
        os.makedirs(os.path.join(root, "run/nonpersistent/sm", "{:08x}".format(number) + SR[8:]))
    assert len(read_sr_runtimes(root)) == 256


def test_speeds_as_sm_writes_them() -> None:
    assert parse_speeds("104857600.0\n52428800\n") == [104857600.0, 52428800.0]
    assert parse_speeds("nan\ninf\n-1\nx\n7") == [7.0]


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_any_speed_log_is_read_without_error(text: str) -> None:
    assert len(parse_speeds(text)) <= 10

"""/proc of real processes."""

import os
import time

import pytest
from agent.image_processes import CHILD, COALESCE, PARENT, finish, image_process
from chainwatch_agent.processes import ProcFs, read_text

PROC = ProcFs("/")


def test_a_process_as_it_is(tmp_path: "os.PathLike[str]") -> None:
    with image_process(str(tmp_path), COALESCE) as process:
        assert str(process.pid) in PROC.pids()
        assert PROC.argv(process.pid) == COALESCE
        stat = PROC.stat(process.pid)
        assert stat.ppid == os.getpid()
        assert stat.state in "RS"
        assert stat.start_ticks > PROC.stat(os.getpid()).start_ticks
        assert PROC.io(process.pid).wchar >= 262144
        assert PROC.ancestors(process.pid)[0] == os.getpid()
        assert PROC.ancestors(process.pid)[-1] == 1
        targets = PROC.fd_targets(process.pid)
        assert targets[3].endswith("/{}.vhd".format(CHILD))
        assert targets[4].endswith("/{}.vhd".format(PARENT))
        assert "flags:\t01" in PROC.fd_info(process.pid, 3)
        finish(process, "0")
        with pytest.raises(OSError):
            PROC.stat(process.pid)


def test_cpu_seconds_and_uptime() -> None:
    before = PROC.stat(os.getpid()).cpu_seconds
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    assert PROC.stat(os.getpid()).cpu_seconds >= before + 0.05
    assert PROC.uptime_seconds() > 1


def test_a_name_with_blanks_and_brackets(tmp_path: "os.PathLike[str]") -> None:
    directory = os.path.join(str(tmp_path), "proc/7")
    os.makedirs(directory)
    with open(os.path.join(directory, "stat"), "w", encoding="ascii") as stat:
        stat.write("7 (a) S (b) D 3 7 7 0 -1 0 0 0 0 0 250 50 0 0 20 0 1 0 4711 0\n")
    found = ProcFs(str(tmp_path)).stat(7)
    assert (found.state, found.ppid, found.start_ticks) == ("D", 3, 4711)
    assert found.cpu_seconds == pytest.approx(300 / os.sysconf("SC_CLK_TCK"))


def test_whose_proc_it_is(tmp_path: "os.PathLike[str]") -> None:
    assert PROC.is_ours()
    assert not ProcFs(str(tmp_path)).is_ours()


def test_a_device_mapper_name_comes_from_sys(tmp_path: "os.PathLike[str]") -> None:
    directory = os.path.join(str(tmp_path), "sys/block/dm-7/dm")
    os.makedirs(directory)
    with open(os.path.join(directory, "name"), "w", encoding="ascii") as name:
        name.write("VG_XenStorage--x\n")
    assert ProcFs(str(tmp_path)).device_mapper_name("/dev/dm-7") == "VG_XenStorage--x"
    assert ProcFs(str(tmp_path)).device_mapper_name("/dev/dm-8") == ""


def test_no_descriptor_is_left_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        PROC.stat(os.getpid())
        read_text("/proc/self/nothing")
    assert len(os.listdir("/proc/self/fd")) == before

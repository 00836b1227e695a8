"""Real processes watched: with the kernel's process connector and without."""

import os
import subprocess
import tempfile
import time
from typing import Dict, Iterator, List

import pytest
from agent.image_processes import (
    CHILD,
    COALESCE,
    IMAGE,
    PARENT,
    SR,
    finish,
    image_process,
    lock_holder,
    needs_connector,
    now_us,
    until,
)
from chainwatch.v1 import evidence_pb2
from chainwatch_agent.watch import Watcher
from hypothesis import given, settings
from hypothesis import strategies as st

COMMIT = ["/usr/bin/qemu-img", "commit", "-f", "qcow2", IMAGE.replace(".vhd", ".qcow2"), "-d"]


@pytest.fixture(params=["listing", pytest.param("connector", marks=needs_connector)])
def watcher(request: pytest.FixtureRequest) -> "Iterator[Watcher]":
    """One that lists, one that listens; both have seen what runs already."""
    made = Watcher("/", use_connector=request.param == "connector")
    assert made.exact_exits == (request.param == "connector")
    made.sample(now_us())
    yield made
    made.close()


def sample(watcher: Watcher) -> "evidence_pb2.Samples":
    """The next one, after the events that have come."""
    watcher.on_events()
    return watcher.sample(now_us()) or evidence_pb2.Samples()


def of(pid: int, samples: "evidence_pb2.Samples") -> "List[evidence_pb2.ProcessSample]":
    """Other tests' processes are none of ours."""
    return [process for process in samples.processes if process.pid == pid]


def ends_of(pid: int, samples: "evidence_pb2.Samples") -> "List[evidence_pb2.ProcessEnd]":
    return [end for end in samples.ended if end.pid == pid]


def the_end(pid: int, watcher: Watcher) -> "List[evidence_pb2.ProcessEnd]":
    """Samples until it is told."""
    for _ in range(100):
        found = ends_of(pid, sample(watcher))
        if found:
            return found
        time.sleep(0.02)
    return []


@pytest.mark.parametrize("argv", [COALESCE, COMMIT])
def test_a_merge_from_its_start_to_its_end(argv: "List[str]", watcher: Watcher, tmp_path: "os.PathLike[str]") -> None:
    with image_process(str(tmp_path), argv) as process:
        (seen,) = of(process.pid, sample(watcher))
        assert (seen.sr_uuid, seen.vdi_uuid, seen.parent_vdi_uuid) == (SR, CHILD, PARENT)
        assert seen.kind in (evidence_pb2.PROCESS_KIND_VHD_COALESCE, evidence_pb2.PROCESS_KIND_QEMU_COMMIT)
        assert seen.command == " ".join([os.path.basename(argv[0]), argv[1]])
        assert seen.image_path == argv[4]
        assert seen.wchar >= 262144
        assert (seen.ppid, seen.ancestors[0]) == (os.getpid(), os.getpid())
        assert abs(seen.started_at_us - now_us()) < 60 * 1000000
        assert watcher.busy
        finish(process, "7")
        (end,) = the_end(process.pid, watcher)
    assert (end.sr_uuid, end.vdi_uuid, end.kind, end.start_ticks) == (SR, CHILD, seen.kind, seen.start_ticks)
    assert end.exact == watcher.exact_exits
    assert end.exit_status == (7 if end.exact else 0)
    assert seen.started_at_us <= end.seen_until_us <= now_us()
    assert of(process.pid, sample(watcher)) == []


@needs_connector
def test_one_that_lived_between_two_samples(tmp_path: "os.PathLike[str]") -> None:
    watcher = Watcher("/")
    try:
        watcher.sample(now_us())
        with image_process(str(tmp_path), COALESCE) as process:
            watcher.on_events()
            process.kill()
            process.wait()
        watcher.on_events()
        samples = sample(watcher)
        (seen,) = of(process.pid, samples)
        (end,) = ends_of(process.pid, samples)
        assert (seen.vdi_uuid, end.vdi_uuid) == (CHILD, CHILD)
        assert (end.exact, end.exit_status) == (True, -9)
        assert of(process.pid, sample(watcher)) == []
    finally:
        watcher.close()


def test_the_forked_gc_of_8_2_by_its_lock(watcher: Watcher, tmp_path: "os.PathLike[str]") -> None:
    with lock_holder(str(tmp_path), [SR + "/gc_active", SR + "/running"]) as gc:
        samples = sample(watcher)
        (seen,) = of(gc.pid, samples)
        assert seen.kind == evidence_pb2.PROCESS_KIND_GC
        assert (seen.command, seen.sr_uuid, seen.gc_lock_sr_uuid) == ("LVMSR", SR, SR)
        for secret in (b"hunter2", b"5ecre7", b"methodCall"):
            assert secret not in samples.SerializeToString()
    assert the_end(gc.pid, watcher)


def test_a_process_that_calls_exec_after_it_was_seen(watcher: Watcher, tmp_path: "os.PathLike[str]") -> None:
    """As a GC's child is: seen with the argv of its parent, then `exec` to the image tool."""
    code = "read x; cd {}; exec -a /usr/bin/vhd-util /bin/sh coalesce --debug -n {}".format(tmp_path, IMAGE)
    with image_process(str(tmp_path), COALESCE):
        pass  # for its script
    environment = dict(os.environ, SOURCE=os.devnull, TARGET=os.devnull)
    process = subprocess.Popen(["/bin/bash", "-c", code], stdin=subprocess.PIPE, env=environment)
    try:
        assert of(process.pid, sample(watcher)) == []
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert until(lambda: argv_of(process.pid)[:1] == ["/usr/bin/vhd-util"])
        (seen,) = of(process.pid, sample(watcher))
        assert (seen.kind, seen.vdi_uuid) == (evidence_pb2.PROCESS_KIND_VHD_COALESCE, CHILD)
    finally:
        process.communicate(b"0\n", timeout=20)
    assert the_end(process.pid, watcher)


def argv_of(pid: int) -> "List[str]":
    with open("/proc/{}/cmdline".format(pid), encoding="utf-8") as cmdline:
        return cmdline.read().split("\0")[:-1]


def test_events_that_had_to_wait(tmp_path: "os.PathLike[str]") -> None:
    """Beyond the allowance what still runs is found by the next sample, what does not is counted."""
    watcher = Watcher("/", use_connector=True)
    watcher.sample(now_us())
    if watcher._events is not None:
        watcher._events._paused = True
        watcher._events._listen(gather=False)
    try:
        with image_process(str(tmp_path), COALESCE) as process:
            subprocess.run(["/bin/true"], check=True)
            watcher.on_events()
            assert process.pid not in watcher._tracked
            (seen,) = of(process.pid, sample(watcher))
            assert seen.vdi_uuid == CHILD
            assert (watcher.counters()["processes_missed_total"] >= 1) == watcher.exact_exits
    finally:
        watcher.close()


def test_nothing_to_tell_is_none(tmp_path: "os.PathLike[str]") -> None:
    watcher = Watcher(str(tmp_path))
    assert watcher.sample(now_us()) is None
    assert (watcher.busy, watcher.event_fileno(), watcher.exact_exits) == (False, None, False)
    watcher.on_events()
    watcher.close()


@settings(max_examples=40, deadline=None)
@given(
    st.fixed_dictionaries({name: st.binary(max_size=200) for name in ("cmdline", "stat", "io", "wchan", "../locks")})
)
def test_a_proc_of_damaged_files(files: "Dict[str, bytes]") -> None:
    """Nothing that /proc could say stops the watch."""
    with tempfile.TemporaryDirectory() as root:
        directory = os.path.join(root, "proc/7")
        os.makedirs(directory)
        watcher = Watcher(root)
        for cmdline in (files["cmdline"], b"vhd-util\0coalesce\0" + files["cmdline"]):
            for name, data in dict(files, cmdline=cmdline).items():
                with open(os.path.join(directory, name), "wb") as file:
                    file.write(data)
            watcher.sample(now_us())
        watcher.close()


def test_a_bound_on_what_is_watched(monkeypatch: pytest.MonkeyPatch, tmp_path: "os.PathLike[str]") -> None:
    monkeypatch.setattr("chainwatch_agent.watch._MOST_TRACKED", 0)
    watcher = Watcher("/", use_connector=False)
    with image_process(str(tmp_path), COALESCE) as process:
        assert of(process.pid, sample(watcher)) == []
        assert watcher.counters()["processes_dropped_total"] >= 1
    watcher.close()


def test_nothing_leaks() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        watcher = Watcher("/")
        watcher.sample(now_us())
        watcher.close()
    assert len(os.listdir("/proc/self/fd")) == before

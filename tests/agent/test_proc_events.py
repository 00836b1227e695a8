"""The kernel's process connector, the real one where this user may have it, and its filter and datagrams anywhere."""

import os
import struct
import subprocess
from typing import Dict, List

import pytest
from agent.image_processes import needs_connector, until
from chainwatch_agent.proc_events import EXEC, EXIT, ProcEvent, ProcEvents, exec_and_exits, parse_event
from hypothesis import given, settings
from hypothesis import strategies as st

FORK, THREAD_NAME = 0x1, 0x200


def datagram(what: int, pid: int, tgid: int, code: int = 0) -> bytes:
    """As the kernel sends it: nlmsghdr, cn_msg, proc_event."""
    header = struct.pack("=IHHII", 76, 3, 0, 0, 0) + struct.pack("=IIIIHH", 1, 1, 7, 0, 40, 0)
    return header + struct.pack("=IIQiiII", what, 0, 123456789, pid, tgid, code, 17)


def passes(program: "List[tuple[int, int, int, int]]", data: bytes) -> bool:
    """The filter as the kernel runs it (classic BPF: the five instructions that it is made of)."""
    a = x = at = 0
    for _ in range(len(program)):
        code, if_true, if_false, value = program[at]
        at += 1
        if code == 0x20:
            a = struct.unpack_from(">I", data, value)[0]
        elif code == 0x07:
            x = a
        elif code in (0x15, 0x1D):
            at += if_true if a == (value if code == 0x15 else x) else if_false
        else:
            assert code == 0x06
            return bool(value)
    raise AssertionError("ran off its end")


@pytest.mark.parametrize("watched", [[], [7], [7, 8, 9], list(range(1000, 1064))])
def test_the_filter(watched: "List[int]") -> None:
    program = exec_and_exits(watched)
    assert all(0 <= step[1] < 256 and 0 <= step[2] < 256 for step in program)
    assert passes(program, datagram(EXEC, 7, 7))
    assert passes(program, datagram(0, 0, 0))  # the kernel's answer
    assert not passes(program, datagram(FORK, 7, 7))
    assert not passes(program, datagram(THREAD_NAME, 7, 7))
    assert not passes(program, datagram(EXIT, 5, 5))
    for pid in watched:
        assert passes(program, datagram(EXIT, pid, pid))
        assert not passes(program, datagram(EXIT, pid + 5000, pid))  # a thread's


def test_the_filter_for_more_than_it_can_name() -> None:
    program = exec_and_exits(list(range(1000, 1500)))
    assert passes(program, datagram(EXIT, 5, 5))
    assert not passes(program, datagram(EXIT, 6, 5))
    assert not passes(program, datagram(FORK, 7, 7))


@pytest.mark.parametrize(
    ("data", "event"),
    [
        (datagram(EXEC, 7, 7), ProcEvent(EXEC, 7, 0)),
        (datagram(EXIT, 7, 7, 3 << 8), ProcEvent(EXIT, 7, 3)),
        (datagram(EXIT, 7, 7, 9), ProcEvent(EXIT, 7, -9)),
        (datagram(EXIT, 7, 7, 11 | 0x80), ProcEvent(EXIT, 7, -11)),  # with a core
        (datagram(EXIT, 8, 7), None),
        (datagram(FORK, 7, 7), None),
        (datagram(EXEC, 7, 7)[:50], None),
    ],
)
def test_datagrams(data: bytes, event: "ProcEvent | None") -> None:
    assert parse_event(data) == event


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=100))
def test_any_datagram_is_read_without_error(data: bytes) -> None:
    parse_event(data)


@needs_connector
def test_a_real_exec_and_its_exit() -> None:
    events = ProcEvents.open()
    assert events is not None
    try:
        process = subprocess.Popen(["/bin/sh", "-c", "read x; exit 3"], stdin=subprocess.PIPE)
        events.watch_exits([process.pid])
        other = subprocess.run(["/bin/true"], check=True)
        assert other.returncode == 0
        process.communicate(b"\n", timeout=20)
        seen: Dict[int, List[int]] = {}

        def both() -> bool:
            for event in events.read(100):
                seen.setdefault(event.pid, []).append(event.what)
                if event.pid == process.pid and event.what == EXIT:
                    assert event.exit_status == 3
            return seen.get(process.pid) == [EXEC, EXIT]

        assert until(both)
        assert [pid for pid, told in seen.items() if EXIT in told] == [process.pid]
        assert os.getpid() not in seen
    finally:
        events.close()


@needs_connector
def test_what_the_kernel_drops_is_counted() -> None:
    events = ProcEvents.open()
    assert events is not None
    try:
        events._channel.setsockopt(1, 33, 4096)  # SO_RCVBUFFORCE: room for a few
        for _ in range(60):
            subprocess.run(["/bin/true"], check=True)
        told = sum(1 for event in events.read(1000) if event.what == EXEC)
        assert told < 60
        assert events.lost_total >= 60 - told
    finally:
        events.close()

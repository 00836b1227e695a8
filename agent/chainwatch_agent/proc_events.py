"""The kernel's process connector (cn_proc): exec and exit told as they happen, so that 5 ms of life are seen.

It needs CAP_NET_ADMIN and the initial network and pid namespaces; elsewhere `ProcEvents.open` gives None. A classic
BPF filter in the kernel lets through exec of processes, and exit only of those that are watched, so that a fork or
an exit of anything else wakes nobody. Source of the layout: linux/cn_proc.h, linux/connector.h, linux/netlink.h.
"""

import ctypes
import os
import select
import socket
import struct
from typing import Iterable, Iterator, List, NamedTuple, Optional, Tuple

from chainwatch_agent.processes import read_text

EXEC = 0x00000002
EXIT = 0x80000000
_NONE = 0x00000000  # the kernel's answer to LISTEN

_NETLINK_CONNECTOR = 11
_CN_IDX_PROC, _CN_VAL_PROC = 1, 1
_LISTEN, _IGNORE = 1, 2
_SO_ATTACH_FILTER, _SO_RCVBUFFORCE = 26, 33
_RECEIVE_BUFFER_BYTES = 512 * 1024
_ACK_SECONDS = 0.2
# nlmsghdr (16) and cn_msg (20), then proc_event: what, cpu, timestamp, and the event: pid, tgid[, exit code …]
_WHAT, _PID, _TGID = 36, 52, 56
_EVENT = struct.Struct("=I12xiiI")
_SHORT_EVENT = struct.Struct("=I12xii")
# More than this many exits to look for: let all pass, the filter's jumps are 8 bits wide.
_MOST_WATCHED = 64

_Instruction = Tuple[int, int, int, int]


class ProcEvent(NamedTuple):
    """`what` is EXEC or EXIT; `exit_status` as subprocess has it: the code, or minus the signal."""

    what: int
    pid: int
    exit_status: int


class ProcEvents:
    """The socket. `read` never blocks."""

    def __init__(self, channel: socket.socket) -> None:
        """Use `open`, which also knows where there is none."""
        self._channel = channel
        self._drops = 0
        self.lost_total = 0

    @classmethod
    def open(cls) -> "Optional[ProcEvents]":
        """Subscribed and confirmed by the kernel, None where the kernel has no connector for us."""
        try:
            channel = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _NETLINK_CONNECTOR)
        except OSError:
            return None
        events = cls(channel)
        try:
            channel.setblocking(False)
            channel.bind((0, _CN_IDX_PROC))
            channel.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER_BYTES)
            events.watch_exits([])
            events._send(_LISTEN)
            confirmed = events._confirmed()
        except OSError:
            confirmed = False
        if not confirmed:
            channel.close()
            return None
        return events

    def fileno(self) -> int:
        """Readable when there is an event."""
        return self._channel.fileno()

    def watch_exits(self, pids: Iterable[int]) -> None:
        """Let exits of these processes through from now on (of all where they are too many). Raises OSError."""
        instructions = b"".join(struct.pack("HBBI", *step) for step in exec_and_exits(sorted(pids)))
        program = ctypes.create_string_buffer(instructions, len(instructions))
        # struct sock_fprog; native alignment puts the pointer where C does
        fprog = struct.pack("HP", len(instructions) // 8, ctypes.addressof(program))
        self._channel.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)

    def read(self, most: int) -> Iterator[ProcEvent]:
        """What has come, at most so many. What the kernel had to drop is counted in `lost_total`."""
        for _ in range(most):
            try:
                data, sender = self._channel.recvfrom(256)
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS: the kernel had to drop some
                self._count_drops()
                continue
            if sender[0] == 0:  # the kernel's own
                event = parse_event(data)
                if event is not None:
                    yield event

    def close(self) -> None:
        """Tell the kernel, which else goes on counting a listener, and close."""
        try:
            self._send(_IGNORE)
        except OSError:
            pass  # closing ends it on newer kernels anyway
        self._channel.close()

    def _send(self, operation: int) -> None:
        body = struct.pack("=IIIIHHI", _CN_IDX_PROC, _CN_VAL_PROC, 0, 0, 4, 0, operation)
        header = struct.pack("=IHHII", 16 + len(body), 3, 0, 0, os.getpid())  # 3: NLMSG_DONE
        self._channel.send(header + body)

    def _confirmed(self) -> bool:
        # Outside the initial pid namespace old kernels say nothing at all to a LISTEN.
        while select.select([self._channel], [], [], _ACK_SECONDS)[0]:
            data = self._channel.recv(256)
            if len(data) >= _PID + 4 and struct.unpack_from("=I", data, _WHAT)[0] == _NONE:
                return bool(struct.unpack_from("=I", data, _PID)[0] == 0)
        return False

    def _count_drops(self) -> None:
        """ENOBUFS says that some were dropped, /proc/net/netlink how many."""
        port = str(self._channel.getsockname()[0])
        lines = [line.split() for line in read_text("/proc/net/netlink", 1024 * 1024).splitlines()]
        drops = [int(line[8]) for line in lines if len(line) > 8 and line[1] == "11" and line[2] == port]
        dropped = max(1, drops[0] - self._drops) if drops else 1
        self._drops = drops[0] if drops else self._drops
        self.lost_total += dropped


def parse_event(data: bytes) -> Optional[ProcEvent]:
    """One datagram of the connector; None for other events, for threads and for what is too short."""
    if len(data) < _WHAT + _SHORT_EVENT.size:
        return None
    what, pid, tgid = _SHORT_EVENT.unpack_from(data, _WHAT)
    if pid != tgid or what not in (EXEC, EXIT):
        return None
    if what == EXEC or len(data) < _WHAT + _EVENT.size:
        return ProcEvent(what, pid, 0)
    code = _EVENT.unpack_from(data, _WHAT)[3]
    return ProcEvent(what, pid, -(code & 0x7F) if code & 0x7F else code >> 8 & 0xFF)


def exec_and_exits(pids: List[int]) -> List[_Instruction]:
    """The filter: exec, the kernel's answers, and exits of the leaders of these processes (none: no exit at all)."""
    load_what, load_pid, load_tgid = ((0x20, 0, 0, offset) for offset in (_WHAT, _PID, _TGID))
    pass_it = (0x06, 0, 0, 0xFFFFFFFF)
    tests = len(pids) if len(pids) <= _MOST_WATCHED else 1
    reject = 8 + tests
    accept = reject + 1
    program = [
        load_what,
        _jump(1, EXEC, accept, 2),
        _jump(2, _NONE, accept, 3),
        _jump(3, EXIT, 4, reject),
        load_pid,
        (0x07, 0, 0, 0),  # x = pid
        load_tgid,
        (0x1D, 0, reject - 8, 0),  # a thread's exit: a != x
    ]
    if len(pids) > _MOST_WATCHED:
        program.append(pass_it)
    else:
        program += [_jump(8 + index, pid, accept, 9 + index) for index, pid in enumerate(pids)]
    return program + [(0x06, 0, 0, 0), pass_it]


def _jump(here: int, value: int, if_equal: int, otherwise: int) -> _Instruction:
    # BPF loads words as big-endian, the connector writes them in the host's order.
    return 0x15, if_equal - here - 1, otherwise - here - 1, socket.htonl(value)

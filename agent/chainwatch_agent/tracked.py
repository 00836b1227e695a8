"""One process that matters, from its first sight to its end, and the messages that tell of it."""

from typing import List, Optional

from chainwatch.v1 import evidence_pb2

from chainwatch_agent.image_command import ImageCommand
from chainwatch_agent.image_path import ids_of_path
from chainwatch_agent.processes import ProcessIo, ProcessStat, ProcFs

_MOST_WCHAN_CHARACTERS = 64
_WRITABLE = 0o3  # of open(2)'s flags: O_WRONLY or O_RDWR
_MERGES = (
    evidence_pb2.PROCESS_KIND_VHD_COALESCE,
    evidence_pb2.PROCESS_KIND_QEMU_COMMIT,
)


class Tracked:
    """What is known of one process; `measure` brings it up to date."""

    def __init__(self, pid: int, stat: ProcessStat, command: ImageCommand, started_at_us: int) -> None:
        self.pid = pid
        self.command = command
        self.started_at_us = started_at_us
        self.gc_lock_sr_uuid = ""
        self.seen_at_us = started_at_us
        self.told = False
        self._stat = stat
        self._io = ProcessIo()
        self._wchan = ""
        self._ancestors: List[int] = []
        self._parent_vdi_uuid = ""

    @property
    def start_ticks(self) -> int:
        """With the pid the identity of a process as long as the host is up."""
        return self._stat.start_ticks

    def is_alive(self, proc: ProcFs) -> bool:
        """True while the pid is this process's."""
        try:
            return proc.stat(self.pid).start_ticks == self._stat.start_ticks
        except (OSError, ValueError, IndexError):
            return False

    def measure(self, proc: ProcFs, now_us: int) -> bool:
        """Read it again. False when it is gone, or its pid is another process's; what was known last stays."""
        try:
            stat = proc.stat(self.pid)
            if stat.start_ticks != self._stat.start_ticks or stat.state in "ZX":
                self._read_io(proc)
                return False
            if not self._ancestors or stat.ppid != self._stat.ppid:
                self._ancestors = proc.ancestors(self.pid)
            self._stat = stat
            self._read_io(proc)
            self._wchan = proc.wchan(self.pid)[:_MOST_WCHAN_CHARACTERS]
            if self.command.kind in _MERGES and not self._parent_vdi_uuid:
                self._parent_vdi_uuid = parent_vdi(proc, self.pid, self.command.vdi_uuid)
        except (OSError, ValueError, IndexError):
            return False
        self.seen_at_us = now_us
        return True

    def sample(self) -> "evidence_pb2.ProcessSample":
        """What was measured last."""
        return evidence_pb2.ProcessSample(
            pid=self.pid,
            ppid=self._stat.ppid,
            start_ticks=self._stat.start_ticks,
            kind=self.command.kind,
            sr_uuid=self.command.sr_uuid or self.gc_lock_sr_uuid,
            vdi_uuid=self.command.vdi_uuid,
            command=self.command.command,
            image_path=self.command.image_path,
            read_bytes=self._io.read_bytes,
            write_bytes=self._io.write_bytes,
            rchar=self._io.rchar,
            wchar=self._io.wchar,
            state=self._stat.state,
            wchan=self._wchan,
            started_at_us=self.started_at_us,
            ancestors=self._ancestors,
            gc_lock_sr_uuid=self.gc_lock_sr_uuid,
            parent_vdi_uuid=self._parent_vdi_uuid,
            cpu_seconds=self._stat.cpu_seconds,
        )

    def end(self, exit_status: Optional[int], seen_until_us: int) -> "evidence_pb2.ProcessEnd":
        """Its end: exact with an exit status where the kernel told it."""
        return evidence_pb2.ProcessEnd(
            pid=self.pid,
            start_ticks=self._stat.start_ticks,
            seen_until_us=seen_until_us,
            kind=self.command.kind,
            sr_uuid=self.command.sr_uuid or self.gc_lock_sr_uuid,
            vdi_uuid=self.command.vdi_uuid,
            exact=exit_status is not None,
            exit_status=exit_status or 0,
            write_bytes=self._io.write_bytes,
        )

    def _read_io(self, proc: ProcFs) -> None:
        try:
            self._io = proc.io(self.pid)
        except PermissionError:
            pass  # without CAP_SYS_PTRACE: seen, but not measured


def parent_vdi(proc: ProcFs, pid: int, child_vdi_uuid: str) -> str:
    """The merge's target: the one other image that the process has open for writing; empty until it has."""
    for fd, target in proc.fd_targets(pid).items():
        if target.startswith("/dev/dm-"):
            target = proc.device_mapper_name(target)
        vdi_uuid = ids_of_path(target).vdi_uuid
        if vdi_uuid and vdi_uuid != child_vdi_uuid and _writes(proc, pid, fd):
            return vdi_uuid
    return ""


def _writes(proc: ProcFs, pid: int, fd: int) -> bool:
    for line in proc.fd_info(pid, fd).splitlines():
        if line.startswith("flags:"):
            return bool(int(line.split()[1], 8) & _WRITABLE)
    return False

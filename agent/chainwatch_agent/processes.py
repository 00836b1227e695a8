"""/proc, read with the fewest calls that do: a listing is one call, a process that matters three small files.

psutil is not used here: it has neither the start time in ticks (the identity of a process), nor the wait channel,
its root is a global of the module, and `open_files()` stats what a descriptor points at, which may lie on a dead
filer. `readlink` of /proc/PID/fd/N only asks the kernel for a name.
"""

import os
from typing import Dict, List, NamedTuple, Set

_SMALL = 4096
_LONGEST_RECORD = 1024
_MOST_FDS = 1024
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# Start and size of what `stat` has behind the command's name, which may itself hold blanks and brackets.
_STATE, _PPID, _UTIME, _STIME, _START = 0, 1, 11, 12, 19


class ProcessStat(NamedTuple):
    """Of /proc/PID/stat; `state` R, S, D, Z …"""

    state: str
    ppid: int
    start_ticks: int
    cpu_seconds: float


class ProcessIo(NamedTuple):
    """Of /proc/PID/io, bytes: `rchar` and `wchar` by calls, `read_bytes` and `write_bytes` at the block layer."""

    rchar: int = 0
    wchar: int = 0
    read_bytes: int = 0
    write_bytes: int = 0


def read_small(path: str, most_bytes: int = _SMALL) -> bytes:
    """A small file of /proc, /sys or the like, by one read where a page is enough. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        data = part = os.read(fd, most_bytes)
        while part and len(data) + _LONGEST_RECORD >= _SMALL and len(data) < most_bytes:
            # the kernel gives a table a page at a time, cut at a record
            part = os.read(fd, most_bytes - len(data))
            data += part
        return data
    finally:
        os.close(fd)


def read_text(path: str, most_bytes: int = _SMALL) -> str:
    """The same as text without surrounding blanks, empty where there is none to be had."""
    try:
        return read_small(path, most_bytes).decode("utf-8", "replace").strip().replace("\0", "")
    except OSError:
        return ""


class ProcFs:
    """The /proc below `root`. Methods about one process raise OSError (mostly ENOENT, ESRCH) when it is gone."""

    def __init__(self, root: str) -> None:
        self.path = os.path.join(root, "proc")
        self._sys_block = os.path.join(root, "sys/block")

    def pids(self) -> Set[str]:
        """Every process there is now; as text, since most are never looked at."""
        try:
            return {name for name in os.listdir(self.path) if name.isdigit()}
        except OSError:  # no /proc below this root
            return set()

    def is_ours(self) -> bool:
        """True where its pids are those that this process sees too (the same pid namespace)."""
        try:
            return os.readlink(os.path.join(self.path, "self")) == str(os.getpid())
        except OSError:
            return False

    def argv(self, pid: int) -> List[str]:
        """The first 4 KiB of the argv, empty for a kernel thread. Not to be kept: it may hold secrets."""
        data = read_small("{}/{}/cmdline".format(self.path, pid))
        return data.decode("utf-8", "replace").split("\0")[:-1]

    def stat(self, pid: int) -> ProcessStat:
        """State, parent, start and CPU time."""
        data = read_small("{}/{}/stat".format(self.path, pid)).decode("ascii", "replace")
        fields = data[data.rindex(")") + 2 :].split()
        cpu_seconds = (int(fields[_UTIME]) + int(fields[_STIME])) / TICKS_PER_SECOND
        return ProcessStat(fields[_STATE], int(fields[_PPID]), int(fields[_START]), cpu_seconds)

    def io(self, pid: int) -> ProcessIo:
        """Bytes read and written so far; needs CAP_SYS_PTRACE for other users' processes."""
        counts: Dict[str, int] = {}
        for line in read_small("{}/{}/io".format(self.path, pid)).decode("ascii", "replace").splitlines():
            name, _, value = line.partition(": ")
            counts[name] = int(value)
        return ProcessIo(
            counts.get("rchar", 0), counts.get("wchar", 0), counts.get("read_bytes", 0), counts.get("write_bytes", 0)
        )

    def wchan(self, pid: int) -> str:
        """The kernel function it sleeps in, empty while it runs or where the kernel hides it."""
        name = read_text("{}/{}/wchan".format(self.path, pid), 128)
        return "" if name == "0" else name

    def fd_targets(self, pid: int) -> Dict[int, str]:
        """Descriptor → path, as the kernel names it; the targets are not touched. At most 1,024."""
        directory = "{}/{}/fd".format(self.path, pid)
        targets = {}
        for name in os.listdir(directory)[:_MOST_FDS]:
            try:
                targets[int(name)] = os.readlink(directory + "/" + name)
            except OSError:
                continue  # closed meanwhile
        return targets

    def fd_info(self, pid: int, fd: int) -> str:
        """`pos`, `flags` and the locks held through this descriptor."""
        return read_small("{}/{}/fdinfo/{}".format(self.path, pid, fd)).decode("ascii", "replace")

    def device_mapper_name(self, node: str) -> str:
        """`/dev/dm-7` → its device-mapper name, from /sys, empty where it has none."""
        return read_text("{}/{}/dm/name".format(self._sys_block, os.path.basename(node)))

    def uptime_seconds(self) -> float:
        """Seconds since boot."""
        return float(read_small(os.path.join(self.path, "uptime")).split()[0])

    def ancestors(self, pid: int, most: int = 12) -> List[int]:
        """Parent, its parent and so on, down to 1."""
        found: List[int] = []
        while pid > 1 and len(found) < most:
            try:
                pid = self.stat(pid).ppid
            except (OSError, ValueError, IndexError):
                break
            if pid < 1 or pid in found:
                break
            found.append(pid)
        return found

"""SM's locks: who holds `gc_active`, `running`, `sr` of which SR, and who waits (smlog: K1 to K5).

SM's locks are POSIX locks on `/var/lock/sm/<sr>/<name>` (SM: lock.py). /proc/locks names the holder's pid and the
inode; the holder's own descriptor names the file, so that nothing below /var/lock is opened, a lock file that was
deleted under its holder is found as well, and the cost does not grow with the number of lock files (one per VDI).
"""

import re
from typing import Dict, List, NamedTuple, Tuple

from chainwatch_agent.image_path import UUID
from chainwatch_agent.processes import ProcFs, read_small

GC_LOCK = "gc_active"
_MOST_LOCKS = 1024
_MOST_BYTES = 256 * 1024

# "12: -> POSIX  ADVISORY  WRITE 3817 fd:01:525 0 EOF"
_LINE = re.compile(r"\d+: (-> )?POSIX +\S+ +\S+ +(\d+) +([0-9a-f]+:[0-9a-f]+:\d+) ")
_LOCK_FILE = re.compile(r".*/lock/sm/(%s)/([a-z_]{1,32})(?: \(deleted\))?" % UUID)

_Name = Tuple[str, str]
NOT_SM = ("", "")


class SmLock(NamedTuple):
    """A lock of an SR (or of a VDI, where SM locks one): `lock` is the file's name, e.g. `gc_active`."""

    uuid: str
    lock: str
    pid: int
    waiting: bool


class SmLocks:
    """Reads /proc/locks; what a lock is the lock of is looked up once per holder."""

    def __init__(self, proc: ProcFs) -> None:
        self._proc = proc
        self._names: Dict[Tuple[int, str], _Name] = {}

    def read(self) -> List[SmLock]:
        """Every lock of SM held or waited for now; empty where /proc/locks cannot be read."""
        entries = self._entries()
        holders = {(pid, inode) for waiting, pid, inode in entries if not waiting}
        self._names = {key: name for key, name in self._names.items() if key in holders}
        for pid in {pid for pid, inode in holders if (pid, inode) not in self._names}:
            self._look_up(pid, [inode for holder, inode in holders if holder == pid])
        by_inode = {inode: name for (_, inode), name in self._names.items() if name != NOT_SM}
        return [
            SmLock(by_inode[inode][0], by_inode[inode][1], pid, waiting)
            for waiting, pid, inode in entries
            if inode in by_inode
        ]

    def gc_holders(self) -> Dict[int, str]:
        """pid → SR whose GC it is."""
        return {lock.pid: lock.uuid for lock in self.read() if lock.lock == GC_LOCK and not lock.waiting}

    def _entries(self) -> List[Tuple[bool, int, str]]:
        try:
            text = read_small(self._proc.path + "/locks", _MOST_BYTES).decode("ascii", "replace")
        except OSError:
            return []
        return parse_locks(text)

    def _look_up(self, pid: int, inodes: List[str]) -> None:
        """Whose the locks are, by the holder's descriptors. What may be otherwise the next time is not remembered."""
        try:
            targets = [(fd, _LOCK_FILE.fullmatch(target)) for fd, target in self._proc.fd_targets(pid).items()]
            files = [(fd, (found.group(1).lower(), found.group(2))) for fd, found in targets if found]
            held = {inode: name for fd, name in files for inode in self._held_through(pid, fd)}
        except PermissionError:
            files, held = [], {}
        except OSError:
            return  # it ended while we looked
        for inode in inodes:
            if inode in held or not files:
                self._names[pid, inode] = held.get(inode, NOT_SM)

    def _held_through(self, pid: int, fd: int) -> List[str]:
        # "lock:\t1: POSIX  ADVISORY  WRITE 3817 fd:01:525 0 EOF" (Linux 4.1 and later)
        text = self._proc.fd_info(pid, fd).replace("lock:\t", "")
        return [inode for _, _, inode in parse_locks(text)]


def parse_locks(text: str) -> "List[Tuple[bool, int, str]]":
    """(waiting, pid, `major:minor:inode`) of every POSIX lock in the text of /proc/locks; at most 1,024."""
    found: List[Tuple[bool, int, str]] = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match and len(found) < _MOST_LOCKS:
            found.append((match.group(1) is not None, int(match.group(2)), match.group(3)))
    return found

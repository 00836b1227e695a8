"""A log that cannot be read: what an operator is told, when it is tried again, and where reading can go on."""

import errno
import stat
from typing import Optional

from chainwatch_agent.identity import ReadAt
from chainwatch_agent.select import BLOCK_BYTES, WARM_UP_BYTES

_MOST_SECONDS = 60.0
_FIXES = {
    errno.EIO: "dom0's disk or file system fails: see dmesg; a rotation begins a new file",
    errno.EACCES: "the agent has to run as root: see ls -l and systemctl cat chainwatch-agent",
    errno.EPERM: "the agent has to run as root: see ls -l and systemctl cat chainwatch-agent",
    errno.ELOOP: "its directory is a loop of symbolic links: see namei -l",
}
_NO_FILE = "{}: {}, not a file, and so not opened; fix: move it away, then systemctl restart rsyslog"


def kind_of(mode: int) -> str:
    """What it is instead of a regular file, by its `st_mode`; empty where it is one."""
    if stat.S_ISREG(mode):
        return ""
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if stat.S_ISDIR(mode):
        return "a directory"
    if stat.S_ISFIFO(mode):
        return "a pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"


def no_file(name: str, kind: str) -> str:
    """Of something that has a log's name and is none."""
    return _NO_FILE.format(name, kind)


def cannot_read(name: str, error: OSError, offset: Optional[int] = None) -> str:
    """Where, what, and the next thing to look at."""
    where = "" if offset is None else " at offset {}".format(offset)
    fix = _FIXES.get(error.errno or 0, "")
    return "{}: {}{}{}".format(name, error.strerror or error, where, "; fix: " + fix if fix else "")


def delay_seconds(tries: int) -> float:
    """How long to leave it alone after so many tries: 1 s, doubled up to a minute."""
    return min(2.0 ** min(max(0, tries - 1), 10), _MOST_SECONDS)


class LookAgain:
    """When something that is wrong is looked at again although nothing tells that it changed."""

    def __init__(self) -> None:
        self._looks = 0
        self._at = 0.0

    def due(self, wrong: bool, now: float) -> bool:
        """Asked at every turn; True at growing distances as long as something is wrong."""
        if not wrong:
            self._looks = 0
            return False
        due = self._looks > 0 and now >= self._at
        if due or not self._looks:
            self._looks += 1
            self._at = now + delay_seconds(self._looks)
        return due


def next_readable(read_at: ReadAt, offset: int, size: int) -> Optional[int]:
    """The beginning of a line behind `offset` where reading can begin, None where there is none before `size`.

    What the selection looks at before that line has to be readable too. The distance is doubled at every step: many
    reads of a failing disk take minutes.
    """
    step = WARM_UP_BYTES + BLOCK_BYTES
    while offset + step < size:
        at = offset + step
        try:
            end = read_at(at - WARM_UP_BYTES, WARM_UP_BYTES + BLOCK_BYTES).find(b"\n", WARM_UP_BYTES) + 1
        except OSError:
            end = 0
        if end:
            return at - WARM_UP_BYTES + end
        step *= 2
    return None

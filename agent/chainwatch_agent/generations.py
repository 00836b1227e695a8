"""Which files on disk are a log's generations: the live one, `.1`, `.2.gz` and so on, oldest first."""

import errno
import os
import re
from typing import Dict, List, NamedTuple, Optional, Tuple

from chainwatch_agent.identity import fingerprint, first_line
from chainwatch_agent.sources import DamagedError, PlainSource, Source, open_source
from chainwatch_agent.unreadable import cannot_read, kind_of, no_file

SameFile = Tuple[int, int]
_SUFFIX = re.compile(r"(?:\.(\d{1,4})(\.gz)?)?\Z")
_LISTINGS = 5


class Generation(NamedTuple):
    """One file. `number` is 0 for the live one; `name` is dom0's own path; `kind` what it is where it is no file."""

    number: int
    name: str
    path: str
    device: int
    inode: int
    size: int
    mtime_us: int
    kind: str = ""

    @property
    def compressed(self) -> bool:
        """Whether it is a .gz."""
        return self.path.endswith(".gz")

    @property
    def same_file(self) -> SameFile:
        """What a rename keeps."""
        return (self.device, self.inode)

    @property
    def unchanged(self) -> Tuple[int, int, int, int]:
        """Equal only while nobody has written to it."""
        return (self.device, self.inode, self.size, self.mtime_us)


def generations(log: str, path: str) -> List[Generation]:
    """Oldest first. `path` is where the log `log` is found. Raises `OSError` where its directory cannot be listed.

    A rotation renames file after file: listed until two listings agree, so that none is missed or seen twice.
    """
    before = _listing(log, path)
    for _ in range(_LISTINGS):
        now = _listing(log, path)
        if [g.same_file for g in now] == [g.same_file for g in before]:
            return now
        before = now
    return before


def _listing(log: str, path: str) -> List[Generation]:
    directory, base = os.path.split(path)
    found: Dict[int, Generation] = {}
    for entry in os.listdir(directory):
        match = _SUFFIX.match(entry, len(base)) if entry.startswith(base) else None
        if match is None:
            continue
        number = int(match.group(1) or 0)
        one = _look(log + entry[len(base) :], os.path.join(directory, entry), number)
        if one is not None and (number not in found or _better(one, found[number])):
            found[number] = one
    return [found[number] for number in sorted(found, reverse=True)]


def _better(one: Generation, other: Generation) -> bool:
    """While gzip works both are there, and only the plain one is whole."""
    return (bool(one.kind), one.compressed) < (bool(other.kind), other.compressed)


def _look(name: str, path: str, number: int) -> Optional[Generation]:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    size, mtime_us = status.st_size, status.st_mtime_ns // 1000
    return Generation(number, name, path, status.st_dev, status.st_ino, size, mtime_us, kind_of(status.st_mode))


def live(path: str) -> Optional[Tuple[int, int, int, int]]:
    """(device, inode, size, mtime in µs) of the live file, None where there is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns // 1000)


class Identified(NamedTuple):
    """A generation whose first line was read. `fingerprint` is empty where it has no identity, `problem` says why.

    A plain file stays open as `source`; a .gz is opened again when it is its turn, for its buffers cost memory.
    `passing`: the problem may go away. `renamed`: another file has the name since it was listed.
    """

    generation: Generation
    fingerprint: bytes
    first_line: bytes
    source: Optional[PlainSource]
    problem: str
    passing: bool = False
    renamed: bool = False

    @property
    def lost_where_newer(self) -> bool:
        """Whether lines are lost with it when a newer one is read: it is a file, and cannot be read."""
        return bool(self.problem) and not self.generation.kind


def identify(one: Generation) -> Identified:
    """Open a file and read its first line. Never raises: what cannot be read says so."""
    if one.kind:
        # Under the live name it hides a log; under another one it never was one.
        return Identified(one, b"", b"", None, no_file(one.name, one.kind), passing=not one.number)
    try:
        source = open_source(one.path)
    except OSError as error:
        gone = error.errno == errno.ENOENT
        return Identified(one, b"", b"", None, cannot_read(one.name, error), passing=True, renamed=gone)
    renamed = source.inode != one.same_file
    try:
        line = first_line(source.read_at)
    except OSError as error:
        source.close()
        return Identified(one, b"", b"", None, cannot_read(one.name, error, 0), passing=True, renamed=renamed)
    except DamagedError as error:
        source.close()
        return Identified(one, b"", b"", None, "{}: {}".format(one.name, error), renamed=renamed)
    kept = source if isinstance(source, PlainSource) else None
    if kept is None:
        source.close()
    return Identified(one, fingerprint(line) if line else b"", line or b"", kept, "", renamed=renamed)


def close_all(found: List[Identified]) -> None:
    """Let go of them."""
    for one in found:
        if one.source is not None:
            one.source.close()


def reopen(one: Identified, log: str, path: str) -> Source:
    """Open a compressed generation for reading, under whatever name it has now.

    Raises `OSError`, `DamagedError`; `FileNotFoundError` where it is gone.
    """
    for now in [one.generation] + generations(log, path):
        if now.same_file != one.generation.same_file and now is not one.generation:
            continue
        try:
            source = open_source(now.path)
        except FileNotFoundError:
            continue
        if first_line(source.read_at) == one.first_line:
            return source
        source.close()
    raise FileNotFoundError(2, "rotated away", one.generation.name)

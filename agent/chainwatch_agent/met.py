"""Which generations of a log are known already, and which of them could not be read yet."""

from typing import Dict, List, Optional, Sequence, Set

from chainwatch_agent.followed import Followed
from chainwatch_agent.generations import Generation, Identified, SameFile
from chainwatch_agent.identity import fingerprint, first_line
from chainwatch_agent.unreadable import cannot_read


class Met:
    """By inode and first line: an inode is used again. gzip makes a new inode: there the first line is enough."""

    def __init__(self) -> None:
        self._fingerprints: Dict[SameFile, bytes] = {}
        # Known ones without a name, as long as a file that cannot be read may be one of them, packed.
        self._unseen: Set[bytes] = set()
        # Newer than all that are followed: each may be readable at the next look.
        self._unread: Dict[SameFile, str] = {}
        # The live file when it was looked at last, where it had no complete line yet: held open.
        self._nameless: Optional[Identified] = None

    def newest(self, found: List[Identified]) -> int:
        """The index of the newest one that is known, -1 where none is."""
        return max([index for index, one in enumerate(found) if self._knows(one)], default=-1)

    def _knows(self, one: Identified) -> bool:
        if one.generation.compressed and one.fingerprint:
            return one.fingerprint in self._unseen or one.fingerprint in self._fingerprints.values()
        known = self._fingerprints.get(one.generation.same_file)
        return known is not None and (known == one.fingerprint or bool(one.problem))

    def lost_unread(self, found: List[Identified]) -> str:
        """What was wrong with a file that could never be read and is gone now; empty where there is none."""
        on_disk = {one.generation.same_file for one in found}
        gone = [problem for file, problem in self._unread.items() if file not in on_disk]
        return gone[0] if gone else ""

    def held_back(self, found: List[Identified]) -> List[Identified]:
        """What was the live file without a line, where it got lines and lost its name before it was looked at again."""
        held, self._nameless = self._nameless, None
        if held is None or held.source is None:
            return []
        try:
            line = first_line(held.source.read_at)
        except OSError as error:
            self._unread[held.generation.same_file] = cannot_read(held.generation.name, error)
            line = None
        if line is None or _is_on_disk(held.generation, line, found):
            held.source.close()
            return []
        return [held._replace(first_line=line, fingerprint=fingerprint(line))]

    def forget(self, file: SameFile) -> None:
        """Its bytes are other ones now."""
        self._fingerprints.pop(file, None)

    def meet(self, one: Identified) -> None:
        """It is known from now on."""
        self._fingerprints[one.generation.same_file] = one.fingerprint

    def remember(self, found: List[Identified], followed: Sequence[Followed]) -> None:
        """All that was found, at the end of a look; what is not `followed` is closed.

        What is followed is known as long as it is held open, whether it has a name or not: its inode is its own.
        """
        kept = {id(one.found) for one in followed}
        fingerprints = {one.same_file: one.file.fingerprint for one in followed if one.holds_plain_file}
        unread: Dict[SameFile, str] = {}
        for one in found:
            file = one.generation.same_file
            if one.fingerprint or self._knows(one):
                fingerprints[file] = one.fingerprint or self._fingerprints[file]
                unread.clear()
            elif one.lost_where_newer:
                unread[file] = one.problem
            if one.source is None or id(one) in kept:
                continue
            if one.generation.number or one.fingerprint:
                one.source.close()
            else:
                self._nameless = one
        known = self._unseen.union(self._fingerprints.values())
        self._unseen = known if any(one.lost_where_newer for one in found) else set()
        self._fingerprints, self._unread = fingerprints, unread

    def close(self) -> None:
        """Let go of what is held open."""
        if self._nameless is not None and self._nameless.source is not None:
            self._nameless.source.close()
        self._nameless = None


def _is_on_disk(held: Generation, line: bytes, found: List[Identified]) -> bool:
    return any(
        one.generation.same_file == held.same_file or (one.generation.compressed and one.first_line == line)
        for one in found
    )


def has_a_name(followed: Followed, found: List[Identified]) -> bool:
    """Whether it is on disk under some name, packed or not."""
    if followed.holds_plain_file and followed.same_file in {one.generation.same_file for one in found}:
        return True
    return any(one.generation.compressed and one.fingerprint == followed.file.fingerprint for one in found)

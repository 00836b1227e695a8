"""Where reading of one log goes on: the files on disk joined with the positions of the collector. Pure.

The rules are proto/README.md section 2: the collector's word wins; what is named goes on at its offset, what is newer
than the newest named file is read whole, what is older is left alone, and what is gone is declared.
"""

from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from chainwatch_agent.generations import Identified
from chainwatch_agent.identity import FileId

ROTATED_AWAY = 1
TRUNCATED = 2
HISTORY_LIMIT = 3
UNREADABLE = 4


class Position(NamedTuple):
    """How far the collector has committed a file. `ordinal` orders the files of a log."""

    file: FileId
    to_offset: int
    tail_sha256: bytes
    ordinal: int


class GapStart(NamedTuple):
    """A gap that ends where the file that holds it begins. `after` None: behind the file before it, if any."""

    reason: int
    detail: str
    after: Optional[FileId] = None
    after_offset: int = 0
    missing_bytes: int = 0


class Start(NamedTuple):
    """A file to read from `offset`. `named`: the collector knows it, and `proof` is what it has of the bytes before."""

    found: Identified
    file: FileId
    offset: int
    named: bool
    gap: Optional[GapStart] = None
    proof: bytes = b""


class Plan(NamedTuple):
    """Oldest first. `open_gap`: a gap whose end is not known yet."""

    starts: List[Start]
    open_gap: Optional[GapStart]
    salts: Dict[bytes, int]


Proves = Callable[[Identified, Position], bool]
FollowedBy = Callable[[FileId], Optional[Tuple[int, bytes]]]


def salts_of(positions: Sequence[Position]) -> Dict[bytes, int]:
    """The highest salt named for each fingerprint."""
    highest: Dict[bytes, int] = {}
    for position in positions:
        fingerprint, salt = position.file
        highest[fingerprint] = max(salt, highest.get(fingerprint, -1))
    return highest


def next_id(fingerprint: bytes, salts: Dict[bytes, int]) -> FileId:
    """The lowest salt above all known ones; `salts` learns it."""
    salts[fingerprint] = salts.get(fingerprint, -1) + 1
    return FileId(fingerprint, salts[fingerprint])


def join(
    found: Sequence[Identified],
    positions: Sequence[Position],
    proves: Proves,
    complete: Proves,
    followed_by: FollowedBy,
) -> Plan:
    """Plan for a log that the collector knows. `found` is oldest first; the live file may have no identity yet.

    `proves(file, position)`: whether the bytes before the position are the committed ones. `complete`: whether none
    follow and none will.
    `followed_by(file)`: where the checkpoint knows a file to have ended, and the fingerprint of the next one.
    """
    named = _match(found, positions, proves)
    salts = salts_of(positions)
    newest = max(named) if named else -1
    last = max(positions, key=lambda position: position.ordinal)
    on_disk = {position.file for position in named.values()}
    gap = None if last.file in on_disk else _gone(last, found)
    unread: Optional[GapStart] = None
    starts: List[Start] = []
    before = named[newest].file if newest in named else None
    for index, one in enumerate(found):
        if index in named:
            position = named[index]
            if not complete(one, position):
                starts.append(Start(one, position.file, position.to_offset, True, None, position.tail_sha256))
        elif index > newest and one.fingerprint:
            if gap is not None and gap.after is not None:
                gap = None if followed_by(gap.after) == (gap.after_offset, one.fingerprint) else gap
            elif gap is None and unread is None and before is not None:
                gap = between(before, one.fingerprint, followed_by)
            starts.append(Start(one, next_id(one.fingerprint, salts), 0, False, gap or unread))
            gap, unread, before = None, None, starts[-1].file
        elif index > newest and one.lost_where_newer:
            unread = unread or GapStart(UNREADABLE, one.problem)
    return Plan(starts, gap, salts)


def hidden(found: Sequence[Identified], positions: Sequence[Position], proves: Proves, patient: bool) -> bool:
    """Whether the file that was named last may be one that cannot be read now: older and newer are not known then.

    `patient`: whether a rotated one is worth waiting for. The live one always is, for nothing is behind it.
    """
    if not any(one.passing and (patient or not one.generation.number) for one in found):
        return False
    last = max(positions, key=lambda position: position.ordinal)
    return all(position.file != last.file for position in _match(found, positions, proves).values())


def between(last: FileId, fingerprint: bytes, followed_by: FollowedBy) -> Optional[GapStart]:
    """A collector that was restored knows less than it was told: the file that came next may be gone by now."""
    known = followed_by(last)
    if known is None or known[1] == fingerprint:
        return None
    detail = "the file that followed the one read up to {} is no longer on disk".format(known[0])
    return GapStart(ROTATED_AWAY, detail, last, known[0])


def _match(found: Sequence[Identified], positions: Sequence[Position], proves: Proves) -> Dict[int, Position]:
    """Which file on disk is which position. Newest file first, highest salt first."""
    named: Dict[int, Position] = {}
    taken: Set[FileId] = set()
    by_salt = sorted(positions, key=lambda position: -position.file.salt)
    for index in range(len(found) - 1, -1, -1):
        for position in by_salt:
            same = position.file.fingerprint == found[index].fingerprint
            if same and position.file not in taken and proves(found[index], position):
                named[index] = position
                taken.add(position.file)
                break
    return named


def _gone(last: Position, found: Sequence[Identified]) -> GapStart:
    if any(one.fingerprint == last.file.fingerprint for one in found):
        detail = "the file that was read up to {} now holds other bytes".format(last.to_offset)
        return GapStart(TRUNCATED, detail, last.file, last.to_offset)
    detail = "the file that was read up to {} is no longer on disk".format(last.to_offset)
    return GapStart(ROTATED_AWAY, detail, last.file, last.to_offset)


def first_time(
    found: Sequence[Identified],
    oldest_us: int,
    most_bytes: int,
    size_of: Callable[[Identified], int],
    cut: Callable[[Identified, int, int], int],
    followed_by: FollowedBy,
) -> Plan:
    """Plan for a log that the collector does not know: the history limits, and what lies before them declared.

    `size_of` gives uncompressed bytes; `cut(file, offset, oldest_us)` the start of the first line at or behind
    `offset` that is not older than the limit.
    """
    salts: Dict[bytes, int] = {}
    chosen: List[Start] = []
    left, whole = most_bytes, True
    for one in reversed(found):
        if not one.fingerprint:
            continue
        if left <= 0 or (one.generation.number and one.generation.mtime_us < oldest_us):
            whole = False
            break
        size = size_of(one)
        offset = cut(one, max(0, size - left), oldest_us)
        left -= size - offset
        chosen.append(Start(one, next_id(one.fingerprint, salts), offset, False))
        if offset:
            whole = False
            break
    chosen.reverse()
    for index in range(1, len(chosen)):
        gap = between(chosen[index - 1].file, chosen[index].found.fingerprint, followed_by)
        chosen[index] = chosen[index]._replace(gap=gap)
    if chosen and not whole:
        detail = "older than the history that a first start reads"
        chosen[0] = chosen[0]._replace(gap=GapStart(HISTORY_LIMIT, detail))
    return Plan(chosen, None, salts)

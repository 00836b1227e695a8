"""One log through all its generations: which file is read now, what follows it, what is lost. Synchronous.

`LogFollower` is stepped from outside and touches the disk only when stepped:

    start(positions, policy_id, parts, followed_by)   the collector's Welcome: plan where to go on
    poll(now)                                      look at the disk: growth, rotation, truncation
    next_messages(now)                             one file's announcement, gap and span at most, oldest file first
    stop()                                         the stream ended: every file is closed and forgotten
"""

import errno
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from chainwatch.v1 import evidence_pb2, ingest_service_pb2

from chainwatch_agent.counters import Counters
from chainwatch_agent.disk_view import DiskView
from chainwatch_agent.followed import Before, Followed
from chainwatch_agent.generations import Identified, SameFile, close_all, live
from chainwatch_agent.history import History
from chainwatch_agent.identity import FileId
from chainwatch_agent.met import Met, has_a_name
from chainwatch_agent.plan import (
    ROTATED_AWAY,
    TRUNCATED,
    UNREADABLE,
    FollowedBy,
    GapStart,
    Position,
    Start,
    between,
    next_id,
)
from chainwatch_agent.policy import LogPolicy
from chainwatch_agent.select import Selector
from chainwatch_agent.sources import DamagedError
from chainwatch_agent.span_reader import OtherBytesError
from chainwatch_agent.unreadable import LookAgain

Message = ingest_service_pb2.AgentMessage
# A late line comes to the file that was the live one just now, or to none.
_MAX_LATE = 3


class Pace(NamedTuple):
    """Sizes and times of reading. `settle_seconds`: how long the partial last line of a rotated file may still grow.

    `unreadable_tries`: at growing distances, seven in a minute; after them what cannot be read is given up.
    """

    span_bytes: int = 128 * 1024
    empty_span_seconds: float = 1.0
    settle_seconds: float = 2.0
    unreadable_tries: int = 7


DEFAULT_PACE = Pace()


class LogFollower:
    """Follows one log. `log` is dom0's own path, `path` where it is; `now` is a monotonic clock, `clock_us` the wall's.

    `retired(file, end, next_fingerprint)` is told of every file that was read to its end and of what followed it.
    """

    def __init__(
        self,
        log: str,
        path: str,
        history: History,
        counters: Counters,
        clock_us: Callable[[], int],
        retired: Callable[[FileId, int, bytes], None],
        pace: Pace = DEFAULT_PACE,
    ) -> None:
        self.log = log
        self.path = path
        self.pace = pace
        self._disk = DiskView(log, path, history, counters)
        self._counters = counters
        self._clock_us = clock_us
        self._retired = retired
        self._parts: Tuple[LogPolicy, ...] = ()
        self._policy_id = 0
        self._followed_by: FollowedBy = lambda _file: None
        self._forget()

    def _forget(self) -> None:
        self._started = False
        # What the collector knew when the stream began; None where there is no stream.
        self._positions: Optional[List[Position]] = None
        self._looks = 0
        self._look_again = LookAgain()
        # The file that is read, those after it, and those before it that may still get a late line.
        self._queue: List[Followed] = []
        self._late: List[Followed] = []
        self._before: Before = None
        self._open_gap: Optional[GapStart] = None
        self._salts: Dict[bytes, int] = {}
        # Every generation met so far, and the newest one of them that is followed.
        self._met = Met()
        self._newest: Optional[Followed] = None
        self._looked_at: Optional[Tuple[int, int, int, int]] = None

    @property
    def problem(self) -> str:
        """What keeps some of the log from being read, now; empty where nothing does."""
        reading = [one.problem for one in self._late + self._queue if one.problem]
        return reading[0] if reading else self._disk.problem

    # --- the stream begins and ends ---------------------------------------------------------------------------

    def start(
        self,
        positions: List[Position],
        policy_id: int,
        parts: Tuple[LogPolicy, ...],
        followed_by: FollowedBy,
    ) -> None:
        """Plan from the collector's positions of this log, none where it knows none."""
        self.stop()
        self._policy_id, self._parts, self._followed_by = policy_id, parts, followed_by
        self._positions = positions
        self._begin()

    def _begin(self) -> None:
        """Nothing begins as long as the disk does not tell where: another look, in a moment."""
        positions = self._positions or []
        self._looks += 1
        self._looked_at = live(self.path)
        found = self._disk.identify_all()
        patient = self._looks < self.pace.unreadable_tries
        plan = self._disk.plan(found, positions, self._clock_us(), self._followed_by, patient)
        if plan is None:
            close_all(found)
            return
        if positions:
            last = max(positions, key=lambda position: position.ordinal)
            self._before = (last.file, last.to_offset)
        self._salts, self._open_gap = plan.salts, plan.open_gap
        for start in plan.starts:
            self._follow(start)
        self._remember(found)
        self._started = True

    def stop(self) -> None:
        """The stream is gone."""
        for one in self._queue + self._late:
            one.close()
        self._met.close()
        self._forget()

    def change_policy(self, policy_id: int, parts: Tuple[LogPolicy, ...], now: float) -> List[Message]:
        """Another selection from here on; what was read under the one before is handed out first."""
        messages: List[Message] = []
        self._policy_id, self._parts = policy_id, parts
        for one in self._late + self._queue[:1]:
            messages += one.flush(self._before, now)
            one.change_policy(Selector(*parts), policy_id)
        return messages

    def reopen(self, file: FileId, salt: int) -> None:
        """The collector has other bytes at that place: read the file anew under another salt."""
        for one in self._late + self._queue:
            if one.file == file:
                self._salts[file.fingerprint] = max(salt, self._salts.get(file.fingerprint, 0))
                one.restart(FileId(file.fingerprint, salt))
                self._counters.add("files_reopened_total")
                if one in self._late:
                    self._late.remove(one)
                    self._queue.insert(0, one)
                return

    # --- looking at the disk ----------------------------------------------------------------------------------

    def poll(self, now: float) -> bool:
        """Look for growth and rotation; True where `next_messages` may have something to say."""
        if self._positions is None:
            return False
        looked_at = live(self.path)
        again = self._look_again.due(bool(self._disk.problem), now)
        if again:
            # What could not be read may be readable now, without a trace in the live file's inode, size and time.
            self._take_up() if self._started else self._begin()
        elif not self._started:
            return False
        elif looked_at != self._looked_at:
            self._looked_at = looked_at
            if looked_at is not None and looked_at[:2] != self._newest_held():
                self._take_up()
        if len(self._queue) > 1 or any(one.wants_reading() or one.will_not_grow() for one in self._late):
            return True
        if any(one.will_not_grow() for one in self._queue):
            return True
        return any(one.wants_reading() or one.due(now, self.pace.empty_span_seconds) for one in self._queue)

    def _take_up(self) -> None:
        """Another file is the live one: follow every generation that is newer than all those met before."""
        if self._newest is not None and self._newest.begins_otherwise():
            # Its copy is no newer file, so it is found before anything is called newer.
            self._found_copy(self._newest)
        found = self._disk.identify_all()
        if not found:
            self._looked_at = None
            return
        behind = self._met.newest(found)
        # What is held open without a name comes first; the gap to what still has one lies behind it.
        self._follow_newer(self._met.held_back(found))
        gone = GapStart(ROTATED_AWAY, "{}: the file that was followed is no longer on disk".format(self.log))
        if self._newest is not None and not has_a_name(self._newest, found):
            self._open_gap = self._open_gap or gone
        elif self._newest is not None and self._open_gap == gone:
            # Moved away, and back again.
            self._open_gap = None
        unread = self._met.lost_unread(found)
        if unread:
            self._open_gap = self._open_gap or GapStart(UNREADABLE, unread)
        self._follow_newer(found[behind + 1 :])
        for followed in self._late + self._queue:
            followed.read_again()
        self._remember(found)

    def _follow_newer(self, newer: List[Identified]) -> None:
        before = self._newest.file if self._newest is not None else self._before[0] if self._before else None
        unread: Optional[GapStart] = None
        for one in newer:
            if one.fingerprint:
                gap = self._open_gap or unread
                if gap is None and before is not None:
                    gap = between(before, one.fingerprint, self._followed_by)
                self._follow(Start(one, next_id(one.fingerprint, self._salts), 0, False, gap))
                before, self._open_gap, unread = self._queue[-1].file, None, None
                self._counters.add("rotations_total")
            elif one.lost_where_newer:
                unread = unread or GapStart(UNREADABLE, one.problem)

    def _newest_held(self) -> Optional[SameFile]:
        """The newest file's inode while it is held open: of a file that is not, the inode may be another's by now."""
        return self._newest.same_file if self._newest is not None and self._newest.holds_plain_file else None

    def _follow(self, start: Start) -> None:
        self._newest = Followed(self.log, self.path, start)
        self._queue.append(self._newest)
        self._counters.add("files_opened_total")

    def _remember(self, found: List[Identified]) -> None:
        """What was met; what is not followed is closed."""
        self._met.remember(found, self._queue + self._late)

    # --- reading ----------------------------------------------------------------------------------------------

    def next_messages(self, now: float) -> List[Message]:
        """The next announcement, gap and span; empty where there is nothing to say now."""
        if not self._started:
            return []
        for one in list(self._late):
            messages = self._advance(one, now)
            if messages:
                return messages
            if one.at_end and one.will_not_grow():
                one.close()
                self._late.remove(one)
        while self._queue:
            head = self._queue[0]
            messages = self._advance(head, now)
            if messages or not self._queue or head is not self._queue[0]:
                return messages
            if not head.at_end or head.partial_bytes or head.wants_reading():
                return []
            if len(self._queue) == 1:
                self._let_go_of_deleted(head)
                return []
            self._retire(head)
        return []

    def _advance(self, one: Followed, now: float) -> List[Message]:
        """Read one file on, and what that gives."""
        if one.rests(now):
            return []
        over = one in self._late or len(self._queue) > 1
        try:
            self._read(one, over, now)
        except OtherBytesError as error:
            return self._lost(one, TRUNCATED, str(error), now)
        except DamagedError as error:
            return self._lost(one, UNREADABLE, str(error), now)
        except OSError as error:
            return self._failed(one, error, now)
        self._counters.add("lines_cut_total", one.take_lines_cut())
        pause = 0.0 if over and one.at_end else self.pace.empty_span_seconds
        if one.gap is not None or one.due(now, pause) or not one.at_end:
            return one.flush(self._before, now)
        return []

    def _read(self, one: Followed, over: bool, now: float) -> None:
        if one.wants_reading() or one.partial_bytes:
            one.read(self._selector, self._policy_id, self.pace.span_bytes, now, self._clock_us())
        final = one.will_not_grow() or (over and one.settled(now, self.pace.settle_seconds))
        if one.at_end and one.partial_bytes and final:
            one.finish()
        one.worked()

    def _selector(self) -> Selector:
        return Selector(*self._parts)

    def _retire(self, head: Followed) -> None:
        """Read to its end; a late line may still come while a name leads to it."""
        self._queue.remove(head)
        self._before = (head.file, head.offset)
        if self._queue[0].gap is None:
            self._retired(head.file, head.offset, self._queue[0].found.fingerprint)
        if head.will_not_grow():
            head.close()
            return
        self._late.append(head)
        if len(self._late) > _MAX_LATE:
            self._late.pop(0).close()

    def _let_go_of_deleted(self, head: Followed) -> None:
        """Held open, a deleted file that was read to its end keeps its space: what a full partition waits for."""
        if head.will_not_grow():
            self._queue.remove(head)
            self._before = (head.file, head.offset)
            head.close()

    def _failed(self, one: Followed, error: OSError, now: float) -> List[Message]:
        self._counters.add("read_errors_total")
        one.failed(error, now)
        messages = one.flush(self._before, now)
        gone = error.errno == errno.ENOENT
        if not gone and one.tries < self.pace.unreadable_tries:
            return messages
        if one.skip_unreadable():
            return messages + one.flush(self._before, now)
        if one in self._late:
            one.declare_unreadable(one.size())
            messages += one.flush(self._before, now)
            self._late.remove(one)
            one.close()
        elif one is self._queue[0] and len(self._queue) > 1:
            messages += self._lost(one, ROTATED_AWAY if gone else UNREADABLE, str(error.strerror or error), now)
        return messages

    def _lost(self, one: Followed, reason: int, why: str, now: float) -> List[Message]:
        """The rest of a file is gone: hand out what was read, and declare the rest with the file that follows."""
        messages = one.flush(self._before, now)
        if reason == TRUNCATED and self._found_copy(one):
            return messages
        detail = "{}: {}".format(one.name, why)
        one.close()
        if one is self._newest:
            self._newest, self._looked_at = None, None
            self._met.forget(one.same_file)
        if one in self._late:
            self._late.remove(one)
            return messages
        self._queue.remove(one)
        if one.announced:
            self._before = (one.file, one.offset)
        after = self._before or (None, 0)
        gap = one.gap or GapStart(reason, detail, after[0], after[1])
        if self._queue:
            self._queue[0].gap = self._queue[0].gap or gap
        else:
            self._open_gap = self._open_gap or gap
        return messages

    def _found_copy(self, one: Followed) -> bool:
        """After copytruncate the bytes are in another file: go on there."""
        emptied = one.same_file
        copy = self._disk.rotated_where(one.file.fingerprint, one.move_to)
        if copy is None:
            return False
        if one is self._newest:
            self._looked_at = None
        self._met.forget(emptied)
        self._met.meet(copy)
        return True

    # --- for Status -------------------------------------------------------------------------------------------

    def describe(self) -> evidence_pb2.LogFile:
        """The live file: its size, how far it was read, what is wrong."""
        looked_at = live(self.path)
        newest = self._queue[-1] if self._queue else None
        problem = self.problem or ("" if looked_at is not None else "there is no such file")
        return evidence_pb2.LogFile(
            path=self.log,
            size_bytes=looked_at[2] if looked_at is not None else 0,
            mtime_us=max(0, looked_at[3]) if looked_at is not None else 0,
            read_to=newest.read_to if newest is not None and newest is self._newest else 0,
            problem=problem[:500],
        )

    def lag_bytes(self) -> int:
        """Bytes on disk behind what was read."""
        return sum(max(0, one.size() - one.read_to) for one in self._queue)

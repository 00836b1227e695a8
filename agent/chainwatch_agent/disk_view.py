"""A log's files as they lie on disk now, and which of them a position of the collector belongs to."""

from typing import Callable, List, Optional, Sequence

from chainwatch_agent.counters import Counters
from chainwatch_agent.generations import Identified, close_all, generations, identify, reopen
from chainwatch_agent.history import History
from chainwatch_agent.identity import proves
from chainwatch_agent.plan import FollowedBy, Plan, Position, first_time, hidden, join
from chainwatch_agent.sources import DamagedError
from chainwatch_agent.unreadable import cannot_read

_LOOKS = 5


class DiskView:
    """`problem` is what could not be read at the last look, empty where all could; `listed`: whether names could."""

    def __init__(self, log: str, path: str, history: History, counters: Counters) -> None:
        self.problem = ""
        self.listed = False
        self._log = log
        self._path = path
        self._history = history
        self._counters = counters

    def identify_all(self) -> List[Identified]:
        """Every generation with its first line, oldest first; plain ones are open. Never raises."""
        self.problem = ""
        try:
            found = self._identify_all()
            self.listed = True
        except OSError as error:
            found = []
            self.problem = cannot_read(self._log, error)
            self.listed = False
        for one in found:
            self.problem = one.problem or self.problem
        if self.problem:
            self._counters.add("read_errors_total")
        return found

    def _identify_all(self) -> List[Identified]:
        """Opened under the names that were listed; a rotation between the two makes one file look like another."""
        for _ in range(_LOOKS):
            found = [identify(one) for one in generations(self._log, self._path)]
            if not any(one.renamed for one in found):
                break
            close_all(found)
        else:
            found = [identify(one) for one in generations(self._log, self._path)]
        return found

    def plan(
        self,
        found: List[Identified],
        positions: Sequence[Position],
        now_us: int,
        followed_by: FollowedBy,
        patient: bool,
    ) -> Optional[Plan]:
        """Where to go on; None where the file that was named last may be one that cannot be read now."""
        if not self.listed:
            return None
        if not positions:
            history = self._history
            oldest_us = history.oldest_us(now_us)
            return first_time(found, oldest_us, history.max_bytes, history.size, history.cut, followed_by)
        if hidden(found, positions, self.proves, patient):
            return None
        return join(found, positions, self.proves, self.complete, followed_by)

    def rotated_where(self, fingerprint: bytes, accepts: Callable[[Identified], bool]) -> Optional[Identified]:
        """The newest rotated file of that first line that is accepted; it alone is left open."""
        found = self.identify_all()
        same = [one for one in found if one.generation.number and one.fingerprint == fingerprint]
        accepted = next((one for one in reversed(same) if accepts(one)), None)
        close_all([one for one in found if one is not accepted])
        return accepted

    def proves(self, one: Identified, position: Position) -> bool:
        """Whether the bytes before the position are the committed ones."""
        if one.source is not None:
            try:
                return proves(one.source.read_at, position.to_offset, position.tail_sha256)
            except OSError:
                # Unreadable there: its first line names it, and to read on will say what is wrong.
                return True
        # A packed file that was read to its end need not be unpacked for the proof.
        return self.complete(one, position) or self._unpacked_proves(one, position)

    def complete(self, one: Identified, position: Position) -> bool:
        """Whether nothing follows the position, and nothing will."""
        return one.generation.compressed and self._history.size(one) == position.to_offset

    def _unpacked_proves(self, one: Identified, position: Position) -> bool:
        try:
            source = reopen(one, self._log, self._path)
        except (OSError, DamagedError):
            return False
        try:
            return proves(source.read_at, position.to_offset, position.tail_sha256)
        except (OSError, DamagedError):
            # Damaged before the position: the same file all the same, reading it will say so.
            return True
        finally:
            source.close()

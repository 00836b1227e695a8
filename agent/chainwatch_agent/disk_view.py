"""A log's files as they lie on disk now, and which of them a position of the collector belongs to."""

from typing import List

from chainwatch_agent.counters import Counters
from chainwatch_agent.generations import Identified, generations, identify, reopen
from chainwatch_agent.history import History
from chainwatch_agent.identity import proves
from chainwatch_agent.plan import Position
from chainwatch_agent.sources import DamagedError


class DiskView:
    """`problem` is what could not be read at the last look, empty where all could."""

    def __init__(self, log: str, path: str, history: History, counters: Counters) -> None:
        self.problem = ""
        self._log = log
        self._path = path
        self._history = history
        self._counters = counters

    def identify_all(self) -> List[Identified]:
        """Every generation with its first line, oldest first; plain ones are open. Never raises."""
        self.problem = ""
        try:
            found = [identify(one) for one in generations(self._log, self._path)]
        except OSError as error:
            found = []
            self.problem = "{}: {}".format(self._log, error.strerror or error)
        for one in found:
            self.problem = one.problem or self.problem
        if self.problem:
            self._counters.add("read_errors_total")
        return found

    def proves(self, one: Identified, position: Position) -> bool:
        """Whether the bytes before the position are the committed ones."""
        if one.source is not None:
            return proves(one.source.read_at, position.to_offset, position.tail_sha256)
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

"""What can happen to a log on a disk, as rules of a state machine."""

from agent.disk import Disk
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule


class DiskRules(RuleBasedStateMachine):
    """`disk` is made by the machine's beginning."""

    disk: Disk

    @rule(lines=st.integers(1, 60))
    def write(self, lines: int) -> None:
        self.disk.write(lines)

    @rule()
    def write_partial(self) -> None:
        self.disk.write_partial()

    @rule(late=st.integers(0, 5))
    def rotate(self, late: int) -> None:
        if self.disk.live.stat().st_size:
            self.disk.rotate(late)

    @rule(times=st.integers(2, 6))
    def rotate_often(self, times: int) -> None:
        for _ in range(times):
            self.disk.write(3)
            self.disk.rotate()
        self.disk.compress()

    @rule()
    def compress(self) -> None:
        self.disk.compress()

    @rule()
    def delete_oldest(self) -> None:
        for number in self.disk.rotated()[-1:]:
            self.disk.remove(number)

    @rule()
    def copytruncate(self) -> None:
        if self.disk.live.stat().st_size:
            self.disk.copytruncate()

"""Delivery from a disk that fails here and there, for a while: nothing twice, nothing lost in silence, never stuck."""

import os
from typing import Set

import pytest
from agent.bad_blocks import BadBlocks
from agent.delivery import EXAMPLES, LINE, Delivery, prove
from agent.disk import numbers
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

GENERATIONS = st.integers(0, 3)
PLACES = st.sampled_from(((0.0, 1), (0.0, LINE), (0.5, LINE), (0.9, 1), (0.5, 4096), (0.0, 1 << 30)))


class DeliveryFromAFailingDisk(Delivery):
    """What cannot be read for long enough is given up; the rest is as ever."""

    @initialize()
    def begin(self) -> None:
        super().begin()
        self.failing = BadBlocks()
        self.patched = pytest.MonkeyPatch()
        self.patched.setattr(os, "pread", self.failing.pread)
        self.patched.setattr(os, "read", self.failing.read)

    @rule(generation=GENERATIONS, place=PLACES)
    def fail(self, generation: int, place: "tuple[float, int]") -> None:
        """Some bytes of one of the files."""
        paths = sorted(self.directory.glob("SMlog*"))
        status = paths[generation % len(paths)].stat()
        begin = int(status.st_size * place[0])
        self.failing.ranges[status.st_ino] = (begin, begin + place[1])

    @rule()
    def heal(self) -> None:
        self.failing.ranges.clear()

    @rule(seconds=st.sampled_from((1.0, 10.0, 100.0)))
    def work_on(self, seconds: float) -> None:
        """Turn after turn."""
        until = self.driver.now + seconds
        while self.driver.now < until:
            self.driver.step()
            self.driver.now += 0.9

    @rule()
    def truncate(self) -> None:
        # What nobody could ever look at leaves no trace.
        self.heal()
        self.work_on(100.0)
        super().truncate()

    def teardown(self) -> None:
        if not hasattr(self, "patched"):
            super().teardown()
            return
        try:
            self.heal()
            self.work_on(100.0)
            super().teardown()
        finally:
            self.patched.undo()

    def check_missing(self, missing: "Set[int]") -> None:
        """What could be read may have been given up before; the live log is never given up."""
        live = self.disk.live.read_bytes().split(b"\n")[-2:-1]
        assert not missing & set(numbers(live)), "the end of the live log was not read"


def test_delivery_from_a_failing_disk() -> None:
    prove(DeliveryFromAFailingDisk, EXAMPLES)

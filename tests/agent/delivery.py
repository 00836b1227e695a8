"""Delivery as a state machine: writing, rotating, losing, reconnecting, restoring, in any order.

Afterwards every line that is still on disk is stored exactly once and in order, and what is missing is declared.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Set, Type

from agent.disk import Disk, numbers
from agent.disk_rules import DiskRules
from agent.driver import Driver
from agent.ledger import Ledger
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

# `make test-long` raises it.
EXAMPLES = int(os.environ.get("CHAINWATCH_DELIVERY_EXAMPLES", "60"))
LINE = len(Disk.line(1))


class Delivery(DiskRules):
    """Any of it at any time."""

    @initialize()
    def begin(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.disk = Disk(self.directory)
        self.driver = Driver(self.directory, Ledger())
        # A collector that has never heard of the host cannot miss anything.
        self.disk.write(1)
        self.driver.settle()
        self.driver.ledger.backup()

    @rule()
    def truncate(self) -> None:
        # What nobody has ever looked at leaves no trace.
        self.disk.write(1)
        self.driver.settle()
        self.disk.write(200)
        for _ in range(4):
            self.driver.step(acknowledge=False)
        self.disk.truncate()

    @rule(times=st.integers(1, 8), acknowledge=st.booleans())
    def step(self, times: int, acknowledge: bool) -> None:
        for _ in range(times):
            self.driver.step(acknowledge)

    @rule()
    def wait(self) -> None:
        self.driver.now += 3.0

    @rule()
    def reconnect(self) -> None:
        self.driver.connect()

    @rule()
    def restart(self) -> None:
        self.driver.reader.checkpoint.save()
        self.driver.reader.on_disconnect()
        self.driver.start()

    @rule()
    def backup(self) -> None:
        self.driver.ledger.backup()

    @rule()
    def restore(self) -> None:
        self.driver.ledger.restore()
        self.driver.connect()

    def teardown(self) -> None:
        if not hasattr(self, "driver"):
            return
        try:
            self.disk.finish()
            self.driver.settle()
            self.check()
        finally:
            self.driver.reader.on_disconnect()
            shutil.rmtree(str(self.directory))

    def check(self) -> None:
        stored = numbers([line for line in self.driver.ledger.lines() if len(line) == LINE - 1])
        assert len(set(stored)) == len(stored), "stored twice"
        missing = set(range(1, self.disk.number + 1)) - set(stored)
        self.check_missing(missing)
        if missing - self.disk.never_whole:
            assert self.driver.ledger.ever_declared, "{} lines gone without a gap".format(len(missing))
        for one in self.driver.ledger.files.values():
            offsets = [offset for offset, _ in one.slices]
            assert offsets == sorted(offsets)

    def check_missing(self, missing: "Set[int]") -> None:
        """Only what no file holds any more."""
        assert missing <= self.disk.lost, "lost: {}".format(sorted(missing - self.disk.lost)[:5])


def prove(machine: "Type[Delivery]", examples: int = EXAMPLES) -> None:
    """As many runs of it."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )

"""The wire contract's proof: an agent's delivery logic on real files against the collector's commit, in any order.

Afterwards every byte that stood on disk is covered exactly once, as read or as a declared gap, and every selected line
is stored exactly once, in the order in which it was written. `CHAINWATCH_DELIVERY_EXAMPLES` is the number of runs on
SQLite; PostgreSQL gets a tenth.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from agent.bad_blocks import BadBlocks
from agent.disk_rules import DiskRules
from chainwatch.v1 import ingest_service_pb2
from chainwatch_collector.keep.intake import Refusal
from collector.receive.delivering_agent import DeliveringAgent
from collector.receive.direct import (
    HOST,
    DirectCollector,
    PostgresStorage,
    SqliteStorage,
    Storage,
    administer,
    migrated_postgres,
    migrated_sqlite,
)
from collector.receive.witness import WitnessedDisk
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test
from lab.delivery_proof import check, evidence_of
from lab.wire import hello

EXAMPLES = int(os.environ.get("CHAINWATCH_DELIVERY_EXAMPLES", "60"))
WINDOW_BYTES = 3000
AGENTS = st.sampled_from((0, 0, 0, 1))


class Delivery(DiskRules):
    """Any of it at any time."""

    disk: WitnessedDisk
    make_storage: Callable[[Path], Storage]

    @initialize()
    def begin(self) -> None:
        # In memory where there is: what a crash finds is a copy of the files, not what a disk was told to sync.
        self.directory = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        logs = self.directory / "log"
        logs.mkdir()
        self.disk = WitnessedDisk(logs)
        self.collector = DirectCollector(type(self).make_storage(self.directory), WINDOW_BYTES)
        # Two of one host: a dom0 whose agent was started twice, or cloned.
        self.agents = [DeliveringAgent(logs, self.collector, name) for name in ("first", "second")]
        # A collector that has never heard of the host cannot miss anything.
        self.disk.write(1)
        self.agents[0].settle()
        self.collector.backup()

    # --- the disk ---------------------------------------------------------------------------------------------

    @rule(lines=st.integers(1, 5))
    def write_late(self, lines: int) -> None:
        self.disk.write_late(lines)

    @rule()
    def truncate(self) -> None:
        self.disk.truncate()

    # --- the agents -------------------------------------------------------------------------------------------

    @rule(which=AGENTS, times=st.integers(1, 8))
    def step(self, which: int, times: int) -> None:
        for _ in range(times):
            self.agents[which].step()

    @rule(which=AGENTS, times=st.integers(1, 8))
    def work(self, which: int, times: int) -> None:
        for _ in range(times):
            self.agents[which].step()
            self.agents[which].exchange()

    @rule(which=AGENTS, seconds=st.sampled_from((0.5, 3.0)))
    def wait(self, which: int, seconds: float) -> None:
        self.agents[which].now += seconds

    @rule(which=AGENTS, checkpoint=st.sampled_from(("kept", "old", "lost", "damaged")))
    def agent_crashes(self, which: int, checkpoint: str) -> None:
        agent = self.agents[which]
        if checkpoint == "kept":
            agent.reader.checkpoint.save()
        elif checkpoint == "lost":
            agent.checkpoint_path.unlink(missing_ok=True)
        elif checkpoint == "damaged" and agent.checkpoint_path.exists():
            agent.checkpoint_path.write_bytes(agent.checkpoint_path.read_bytes()[:-3])
        agent.crash()

    # --- the wire ---------------------------------------------------------------------------------------------

    @rule(which=AGENTS)
    def connect(self, which: int) -> None:
        self.agents[which].connect()

    @rule(which=AGENTS, committed=st.booleans())
    def stream_breaks(self, which: int, committed: bool) -> None:
        if committed:
            self.agents[which].commit()
        self.agents[which].disconnect()

    @rule(which=AGENTS, messages=st.integers(1, 9))
    def deliver(self, which: int, messages: int) -> None:
        self.agents[which].deliver(messages)

    @rule(which=AGENTS)
    def commit(self, which: int) -> None:
        self.agents[which].commit()

    @rule(which=AGENTS, acks=st.integers(1, 9))
    def acknowledge(self, which: int, acks: int) -> None:
        self.agents[which].acknowledge(acks)

    @rule(which=AGENTS)
    def replay(self, which: int) -> None:
        """Everything on its way arrives twice."""
        agent = self.agents[which]
        again = list(agent.outbox)
        agent.deliver(len(again))
        agent.outbox.extend(again)

    @rule(which=AGENTS)
    def second_hello(self, which: int) -> None:
        call = self.agents[which].call
        if call is not None:
            self.collector.take(call, ingest_service_pb2.AgentMessage(hello=hello()).SerializeToString())
            assert call.ended.startswith("hello: came a second time")

    # --- the collector ----------------------------------------------------------------------------------------

    @rule(which=AGENTS)
    def collector_crashes(self, which: int) -> None:
        """In the middle of a commit where there is one."""
        self.agents[which].commit(crash=True)
        self.collector.crash()
        self._cut_all_streams()

    @rule(most_cost=st.sampled_from((1, 3, 20_000)))
    def commits_become_smaller_or_larger(self, most_cost: int) -> None:
        """A span that is too long for one is committed in pieces, and anything may happen between two of them."""
        self.collector.most_cost = most_cost

    @rule()
    def backup(self) -> None:
        self.collector.backup()

    @rule()
    def restore(self) -> None:
        self.collector.restore()
        self._cut_all_streams()

    @rule()
    def another_dom0_has_the_certificate(self) -> None:
        """It is refused while a stream lives, and takes nothing from it."""
        if any(agent.call is not None for agent in self.agents):
            refused = self.collector.hello(machine_id="b" * 32)
            assert isinstance(refused, Refusal)
            assert refused.kind == "duplicate host"

    def _cut_all_streams(self) -> None:
        for agent in self.agents:
            agent.disconnect()

    @invariant()
    def streams_end_only_for_a_reason(self) -> None:
        for agent in getattr(self, "agents", ()):
            if agent.call is not None and agent.call.ended:
                assert agent.call.ended.startswith(("superseded: ", "hello: "))

    def teardown(self) -> None:
        if not hasattr(self, "agents"):
            return
        try:
            self.disk.finish()
            for agent in (*self.agents, self.agents[0]):
                agent.connect()
                agent.settle()
            self.check()
        finally:
            self._cut_all_streams()
            self.collector.storage.close()
            shutil.rmtree(self.directory)

    def check(self) -> None:
        self.disk.look()
        with self.collector.reading() as connection:
            check(evidence_of(connection, HOST), self.disk.generations)


def prove(machine: type[Delivery], examples: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )


@pytest.mark.timeout(0)
def test_delivery_on_sqlite(tmp_path: Path) -> None:
    template = migrated_sqlite(tmp_path / "template.db")

    class OnSqlite(Delivery):
        make_storage = staticmethod(lambda directory: SqliteStorage(template, directory))

    prove(OnSqlite, EXAMPLES)


@pytest.mark.postgres
@pytest.mark.timeout(0)
def test_delivery_on_postgresql(postgres_url: str) -> None:
    template = migrated_postgres(postgres_url, f"delivery_{os.getpid()}")
    numbers = itertools.count()

    class OnPostgres(Delivery):
        make_storage = staticmethod(lambda _: PostgresStorage(postgres_url, template, f"{template}_{next(numbers)}"))

    prove(OnPostgres, max(1, EXAMPLES // 10))
    administer(postgres_url, f"DROP DATABASE {template} WITH (FORCE)")


def test_a_file_held_without_a_name_does_not_hide_what_is_gone_behind_it(tmp_path: Path) -> None:
    storage = SqliteStorage(migrated_sqlite(tmp_path / "template.db"), tmp_path)
    (tmp_path / "log").mkdir()
    disk = WitnessedDisk(tmp_path / "log")
    collector = DirectCollector(storage, WINDOW_BYTES)
    agent = DeliveringAgent(tmp_path / "log", collector, "only")
    disk.write(1)
    agent.settle()
    disk.copytruncate()
    agent.step()
    agent.step()
    for _ in range(6):
        disk.write(3)
        disk.rotate()
    disk.compress()
    disk.write(1)
    agent.settle()
    disk.look()
    with collector.reading() as connection:
        check(evidence_of(connection, HOST), disk.generations)
    agent.disconnect()
    storage.close()


def test_what_cannot_be_read_in_a_file_is_a_gap_within_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = SqliteStorage(migrated_sqlite(tmp_path / "template.db"), tmp_path)
    (tmp_path / "log").mkdir()
    disk = WitnessedDisk(tmp_path / "log")
    collector = DirectCollector(storage, WINDOW_BYTES)
    agent = DeliveringAgent(tmp_path / "log", collector, "only")
    disk.write(8000)
    disk.look()
    (generation,) = disk.generations.values()
    failing = BadBlocks()
    failing.ranges[disk.live.stat().st_ino] = (100_000, 104_096)
    monkeypatch.setattr(os, "pread", failing.pread)
    for _ in range(8):
        agent.settle()
        agent.now += 60.0
    # Whoever comes after it goes on behind it, too.
    agent.crash()
    disk.write(3)
    agent.settle()
    disk.look()
    with collector.reading() as connection:
        evidence = evidence_of(connection, HOST)
    (file,) = evidence.files
    ((after, after_offset, before, before_offset),) = evidence.gaps
    assert after == before == file
    assert after_offset <= 100_000
    assert 104_096 <= before_offset <= 300_000
    covered = [end for start, end in file.covered if start < after_offset]
    assert covered[-1] == after_offset == generation.content.rindex(b"\n", 0, 100_000) + 1
    assert file.covered[len(covered)][0] == before_offset
    assert file.to_offset == len(generation.content)
    assert file.lines == generation.selected(0, after_offset) | generation.selected(before_offset, file.to_offset)
    agent.disconnect()
    storage.close()

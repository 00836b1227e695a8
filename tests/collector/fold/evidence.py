"""Evidence of hosts put into a database as ingest leaves it, and what a fold made of it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from chainwatch_collector.keep.lines import split_slice
from chainwatch_collector.keep.projection_tables import EVENTS, FINDINGS, RUNS, TRANSITIONS, WORDS
from chainwatch_collector.keep.rows import to_us
from chainwatch_collector.keep.store_lines import store_lines
from chainwatch_collector.keep.tables import FILES, GAPS, HOSTS, LOGS
from smlog import Smlog
from sqlalchemy import Connection, insert, select, update

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
SMLOG = "/var/log/SMlog"
HOSTS_KNOWN = ("6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a11", "7b1f5c9f-6a40-4b66-bb0a-6d1f4b6a7a22")


class Source:
    """One log file of one host that grows. The host is registered with its first bytes."""

    def __init__(self, number: int, data: bytes, log: str = SMLOG, ordinal: int = 1) -> None:
        self.host_id, self.host_uuid = number + 1, HOSTS_KNOWN[number]
        self.file_id = 100 * self.host_id + 10 * (log != SMLOG) + ordinal
        self.data, self.log, self.ordinal, self.sent = data, log, ordinal, 0

    @property
    def left(self) -> int:
        """Bytes not sent yet."""
        return len(self.data) - self.sent

    def grow(self, connection: Connection, size: int) -> None:
        """Commit about `size` bytes more, to the end of a line."""
        if not self.left:
            return
        end = self.data.index(b"\n", min(self.sent + size, len(self.data) - 1)) + 1
        self._register(connection)
        read_at_ms = to_us(NOW + timedelta(seconds=self.sent / 100)) // 1000
        lines = split_slice(self.sent, self.data[self.sent : end])
        store_lines(connection, [(self.file_id, one.offset, one.hash, read_at_ms, one.data) for one in lines])
        connection.execute(update(FILES).where(FILES.c.id == self.file_id).values(to_offset=end))
        told = update(HOSTS).where(HOSTS.c.id == self.host_id)
        connection.execute(told.values(evidence_version=HOSTS.c.evidence_version + 1))
        self.sent = end

    def _register(self, connection: Connection) -> None:
        if connection.execute(select(HOSTS.c.id).where(HOSTS.c.id == self.host_id)).first() is None:
            row = {"id": self.host_id, "uuid": self.host_uuid, "hostname": f"host-{self.host_id}", "timezone": "UTC"}
            connection.execute(insert(HOSTS).values(**row, registered_at_us=to_us(NOW), last_seen_at_us=to_us(NOW)))
        log_id = connection.execute(select(LOGS.c.id).where(LOGS.c.path == self.log)).scalar()
        if log_id is None:
            made = connection.execute(insert(LOGS).values(path=self.log)).inserted_primary_key
            log_id = made[0] if made is not None else 0
        if connection.execute(select(FILES.c.id).where(FILES.c.id == self.file_id)).first() is None:
            row = {"id": self.file_id, "host_id": self.host_id, "log_id": log_id, "ordinal": self.ordinal}
            connection.execute(
                insert(FILES).values(**row, fingerprint=b"%d" % self.file_id, salt=0, born_on=NOW.date())
            )


def declare_gap(connection: Connection, after: Source, before: Source, missing_bytes: int) -> None:
    """Bytes between two files that will never be read."""
    log_id = connection.execute(select(LOGS.c.id).where(LOGS.c.path == after.log)).scalar_one()
    before._register(connection)  # as ingest does with the end of a gap
    connection.execute(
        insert(GAPS).values(
            host_id=after.host_id,
            log_id=log_id,
            reason=1,
            after_file_id=after.file_id,
            after_offset=after.sent,
            before_file_id=before.file_id,
            before_offset=0,
            missing_bytes=missing_bytes,
            declared_at_us=to_us(NOW),
        )
    )


def text(log: Smlog) -> bytes:
    """As it is on disk."""
    return b"".join(line + b"\n" for line in log.lines)


def troubled(host: str = "xcp1", rounds: int = 3) -> bytes:
    """Runs that merge, that fail, and one that goes on; some lines nobody knows."""
    log = Smlog(host=host, now=NOW - timedelta(minutes=30))
    for number in range(rounds):
        pid = 100 * (number + 1)
        log.start(pid).chain(pid).inner_start(pid).copy(pid + 1).tick(5).copied(pid, pid + 1).tick()
        log.updated(pid).finish(pid).tick(60)
        log.gc(pid, "a line that nothing understands")
        log.start(pid + 10, worker=pid + 13).chain(pid + 13).inner_start(pid + 13).copy(pid + 14).tick(5)
        log.banner(pid + 13, "gc", "vhd-util failed").tick(90)
    log.start(9000).chain(9000).inner_start(9000).copy(9001)
    return text(log)


class Made(NamedTuple):
    """Everything that a fold left in the database, in an order of its own."""

    events: Sequence[tuple[Any, ...]]
    runs: Sequence[tuple[Any, ...]]
    findings: Sequence[tuple[Any, ...]]
    transitions: Sequence[tuple[Any, ...]]


def made(connection: Connection) -> Made:
    """What is there now. Times of judging are left out: they are the clock's."""
    kinds = select(EVENTS.c.file_id, EVENTS.c.offset, EVENTS.c.at_us, EVENTS.c.sr_id, WORDS.c.word)
    events = connection.execute(kinds.join(WORDS, WORDS.c.id == EVENTS.c.kind_id))
    runs = select(RUNS.c.host_id, RUNS.c.ordinal, RUNS.c.offset, RUNS.c.ended_at_us, RUNS.c.outcome, RUNS.c.body)
    findings = select(FINDINGS.c.finding_id, FINDINGS.c.first_seen_us, FINDINGS.c.severity, FINDINGS.c.cleared_at_us)
    transitions = select(TRANSITIONS.c.finding_id, TRANSITIONS.c.change)
    return Made(
        sorted((*tuple(row[:3]), row[3] is not None, row[4]) for row in events),
        sorted(tuple(row) for row in connection.execute(runs)),
        sorted((*tuple(row[:3]), row[3] is not None) for row in connection.execute(findings)),
        sorted(tuple(row) for row in connection.execute(transitions)),
    )

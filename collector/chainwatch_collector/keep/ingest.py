"""Committing what a stream sent: lines, coverage, positions, gaps and observations in one transaction.

`StreamBatch.apply` is a unit for the `Writer`. It trusts nothing that it did not read in its own transaction, so it may
be run again after a rollback, and two collectors may serve two streams of one host: the stream epoch decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from chainwatch_collector.keep.files import FileState, HostFiles
from chainwatch_collector.keep.intake import (
    AckOut,
    Committed,
    FileKey,
    FileSeenIn,
    GapIn,
    Item,
    ObservationIn,
    Refusal,
    SpanIn,
)
from chainwatch_collector.keep.lines import NewLine, conflicts, split_slice
from chainwatch_collector.keep.store_lines import store_lines, stored_lines
from chainwatch_collector.keep.streams import log_row
from chainwatch_collector.keep.tables import GAPS, HOSTS, LATE_RANGES, SAMPLES, STATUSES

# What every heartbeat of every host executes. Made once: making them anew costs twice what executing them does.
_HOST = (
    select(HOSTS.c.stream_epoch, HOSTS.c.observed_seq, HOSTS.c.observations_lost)
    .where(HOSTS.c.id == bindparam("of_host"))
    .with_for_update()
)
_SEEN = update(HOSTS).where(HOSTS.c.id == bindparam("of_host"))
_SEEN_WITH_EVIDENCE = _SEEN.values(evidence_version=HOSTS.c.evidence_version + 1)
_STATUS = update(STATUSES).where(STATUSES.c.host_id == bindparam("of_host"))


@dataclass(frozen=True)
class StreamBatch:
    """All that is pending of one stream. `seen`: every FileSeen of the stream so far, by key."""

    host_id: int
    stream_epoch: int
    seen: dict[FileKey, FileSeenIn]
    items: Sequence[Item]
    now_us: int

    def apply(self, connection: Connection) -> Committed:
        """Commit in order; stop at the first item that must be refused."""
        host = connection.execute(_HOST, {"of_host": self.host_id}).one_or_none()
        if host is None or host.stream_epoch != self.stream_epoch:
            newer = "gone" if host is None else f"stream epoch {host.stream_epoch}"
            refusal = Refusal("superseded", f"by {newer}; this stream had {self.stream_epoch}")
            return Committed((), 0, refusal, 0, 0, (), 0, False)
        work = _Work(connection, self, HostFiles(connection, self.host_id), host.observed_seq)
        refusal_or_none = work.run()
        return work.finish(refusal_or_none, host.observations_lost)


@dataclass
class _Work:
    connection: Connection
    batch: StreamBatch
    files: HostFiles
    observed_seq: int
    lines: list[tuple[int, int, int, int, bytes]] = field(default_factory=list)
    acks: dict[FileKey, AckOut] = field(default_factory=dict)
    reopened: set[FileKey] = field(default_factory=set)
    observations: list[ObservationIn] = field(default_factory=list)
    lost: int = 0
    repeated: int = 0
    gaps: int = 0
    evidence: bool = False

    def run(self) -> Refusal | None:
        """Everything, until the first refusal."""
        for item in self.batch.items:
            refusal: Refusal | None = None
            if isinstance(item, SpanIn):
                refusal = self.span(item)
            elif isinstance(item, GapIn):
                refusal = self.gap(item)
            elif isinstance(item, ObservationIn):
                self.observe(item)
            if refusal is not None:
                return refusal
        return None

    def span(self, span: SpanIn) -> Refusal | None:
        """New bytes are stored, known ones compared (proto/README.md 4.3)."""
        if span.key in self.reopened:
            return None
        file = self.files.find(span.key)
        committed = file.to_offset if file else 0
        if span.from_offset > committed and (file or span.key in self.batch.seen):
            return Refusal(
                "hole",
                f"a span of {_name(span.key)} begins at {span.from_offset}, committed is {committed}:"
                " declare a Gap or go on at the position",
            )
        file = file or self.file(span.key)
        if file is None:
            return Refusal("unknown file", f"a span of {_name(span.key)} came without a FileSeen before it")
        # Here and not where the message is read: the event loop serves all streams.
        lines = [line for part in span.slices for line in split_slice(part.offset, part.data)]
        if span.from_offset < file.to_offset and self.contradicts(span, file, lines):
            self.reopened.add(span.key)
            self.acks[span.key] = AckOut(span.key, file.to_offset, file.ordinal, self.files.next_salt(span.key))
            return None
        if span.to_offset > file.to_offset:
            self.store(span, file, lines)
        self.acks[span.key] = AckOut(span.key, file.to_offset, file.ordinal)
        return None

    def store(self, span: SpanIn, file: FileState, lines: list[NewLine]) -> None:
        """Only what lies behind the position."""
        start = file.to_offset
        new = lines if span.from_offset == start else [line for line in lines if line.offset >= start]
        self.files.cover(file, span, start, len(new), sum(len(line.data) for line in new))
        if file.id in self.files.late:
            self.connection.execute(
                insert(LATE_RANGES).values(
                    host_id=self.batch.host_id,
                    log_id=file.log_id,
                    file_id=file.id,
                    from_offset=start,
                    to_offset=span.to_offset,
                )
            )
        read_at_ms = span.read_at_us // 1000
        file_id = file.id
        self.lines += [(file_id, line.offset, line.hash, read_at_ms, line.data) for line in new]
        self.repeated += len(lines) - len(new)
        self.evidence = True

    def contradicts(self, span: SpanIn, file: FileState, lines: list[NewLine]) -> bool:
        """Whether the part of the span that is committed already holds other bytes than the committed ones."""
        tails_differ = span.tail_sha256 and file.tail_sha256 and span.tail_sha256 != file.tail_sha256
        if span.to_offset == file.to_offset and tails_differ:
            return True
        end = min(span.to_offset, file.to_offset)
        again = [line for line in lines if line.offset < end]
        stored = [
            NewLine(offset, number, data)
            for file_id, offset, number, _, data in self.lines
            if file_id == file.id and span.from_offset <= offset < end
        ]
        stored = stored_lines(self.connection, file.id, span.from_offset, end) + stored
        if span.to_offset <= file.to_offset:
            self.repeated += len(again)
        return conflicts(stored, again)

    def gap(self, gap: GapIn) -> Refusal | None:
        """Store the gap once; its end becomes the file's position."""
        before = self.file(gap.before) if gap.before else None
        if gap.before and before is None:
            return Refusal(
                "unknown file", f"a gap ends in {_name(gap.before)}, which came without a FileSeen before it"
            )
        after = self.files.find(gap.after) if gap.after else None
        log_id = before.log_id if before else after.log_id if after else log_row(self.connection, gap.log)
        beginning = {
            "host_id": self.batch.host_id,
            "log_id": log_id,
            "reason": gap.reason,
            "after_file_id": after.id if after else 0,
            "after_offset": gap.after_offset if after else 0,
        }
        end = {"before_file_id": before.id if before else 0, "before_offset": gap.before_offset if before else 0}
        same = [GAPS.c[name] == value for name, value in (beginning | end).items()]
        if self.connection.execute(select(GAPS.c.id).where(*same)).first() is None:
            if before:
                openers = [GAPS.c[name] == value for name, value in beginning.items()]
                self.connection.execute(delete(GAPS).where(*openers, GAPS.c.before_file_id == 0))
            self.connection.execute(
                insert(GAPS).values(
                    **beginning,
                    **end,
                    missing_bytes=gap.missing_bytes,
                    detail=gap.detail,
                    declared_at_us=self.batch.now_us,
                )
            )
            self.gaps += 1
            self.evidence = True
        if before:
            self.files.skip_to(before, gap.before_offset)
            self.acks[before.key] = AckOut(before.key, before.to_offset, before.ordinal)
        return None

    def observe(self, observation: ObservationIn) -> None:
        """Keep it unless it was kept before; count the ones that are missing before it."""
        if observation.seq <= self.observed_seq:
            return
        self.lost += observation.seq - self.observed_seq - 1
        self.observed_seq = observation.seq
        self.observations.append(observation)

    def file(self, key: FileKey) -> FileState | None:
        """The file, registered now where the stream has announced it."""
        found = self.files.find(key)
        if found is not None:
            return found
        seen = self.batch.seen.get(key)
        if seen is None:
            return None
        born_on = datetime.fromtimestamp(self.batch.now_us / 1e6, UTC).date()
        return self.files.register(seen, log_row(self.connection, seen.log), born_on)

    def finish(self, refusal: Refusal | None, lost_before: int) -> Committed:
        """Write what was gathered."""
        store_lines(self.connection, self.lines)
        self.files.flush()
        self._store_observations()
        seen = {
            "of_host": self.batch.host_id,
            "last_seen_at_us": self.batch.now_us,
            "observed_seq": self.observed_seq,
            "observations_lost": lost_before + self.lost,
        }
        self.connection.execute(_SEEN_WITH_EVIDENCE if self.evidence else _SEEN, seen)
        return Committed(
            acks=tuple(self.acks.values()),
            observed_seq=self.observed_seq,
            refusal=refusal,
            lines_stored=len(self.lines),
            lines_repeated=self.repeated,
            observations=tuple(self.observations),
            gaps=self.gaps,
            evidence=self.evidence,
        )

    def _store_observations(self) -> None:
        samples = [o for o in self.observations if o.kind == "samples" and not o.empty]
        if samples:
            self.connection.execute(insert(SAMPLES), [{"host_id": self.batch.host_id} | _row(o) for o in samples])
        statuses = [o for o in self.observations if o.kind == "status"]
        if statuses:
            row = _row(statuses[-1]) | {"received_at_us": self.batch.now_us}
            host_id = self.batch.host_id
            if self.connection.execute(_STATUS, row | {"of_host": host_id}).rowcount == 0:
                self.connection.execute(insert(STATUSES).values(row | {"host_id": host_id}))


def _row(observation: ObservationIn) -> dict[str, object]:
    return {
        "agent_epoch": str(observation.agent_epoch),
        "seq": observation.seq,
        "at_us": observation.at_us,
        "body": observation.body,
    }


def _name(key: FileKey) -> str:
    return f"file {key.fingerprint.hex()[:12]}/{key.salt}"

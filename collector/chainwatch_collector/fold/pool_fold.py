"""One pool: its hosts' readers, its tracker and its judge, and what a step of all of them changed. No I/O, no clock.

Between two `pending` calls everything is gathered; what a caller could not commit must be thrown away with the whole
object and loaded again, because the readers and the tracker have gone on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from chainwatch_collector.backups.keeper import BackupsKeeper
from chainwatch_collector.backups.news import BackupNews
from chainwatch_collector.fold.answer_json import answer_to_json
from chainwatch_collector.fold.event_rows import Names, event_rows
from chainwatch_collector.fold.fetch import LOGS_READ, HostBatch
from chainwatch_collector.fold.history import minute_of, sampled_srs, samples
from chainwatch_collector.fold.host_fold import HostFold
from chainwatch_collector.fold.names import PictureNames
from chainwatch_collector.fold.run_rows import most_merges, run_row
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.judge.answer import Answer
from chainwatch_collector.judge.judge import Judge, Judgement
from chainwatch_collector.judge.ledger import Ledger
from chainwatch_collector.keep.folded import EventIn, FoldStep, HistoryIn, RunGone, RunIn
from chainwatch_collector.read.reader import GRAMMAR_VERSION
from chainwatch_collector.track.observations import DuplicateRefused, Observation, StatusObserved, TrustSeen
from chainwatch_collector.track.state import PoolState
from chainwatch_collector.track.tracker import TRACK_VERSION, PoolTracker

FOLD_VERSION: Final = 1000 * GRAMMAR_VERSION + TRACK_VERSION
"""Of what is stored: evidence that an older one folded is folded again from its beginning."""

ANSWER_SECONDS: Final = 5.0
"""The answer is stored at most so often; the next start shows it until it has judged for itself."""
VERDICTS_PER_SECOND: Final = 200
MERGES_PER_SECOND: Final = 5000
"""A large answer costs time to store: so many verdicts, or merges, make the next time a second later."""


class Judged(NamedTuple):
    """What a pool's fold hands out. `state` None: another collector owns the pool, its stored answer is shown."""

    pool_uuid: str
    at: datetime
    answer: Answer
    state: PoolState | None


@dataclass
class _Pending:
    hosts: set[int] = field(default_factory=set)
    events: list[EventIn] = field(default_factory=list)
    runs: dict[tuple[int, int, int], RunIn] = field(default_factory=dict)
    runs_gone: list[RunGone] = field(default_factory=list)
    judgements: list[Judgement] = field(default_factory=list)
    history: list[HistoryIn] = field(default_factory=list)


class PoolFold:
    """Feed it, ask it to `judge`, commit what `pending` gives."""

    def __init__(
        self,
        pool_uuid: str,
        version: int,
        tracker: PoolTracker,
        judge: Judge,
        ledger: Ledger,
        backups: BackupsKeeper | None = None,
    ) -> None:
        self.pool_uuid = pool_uuid
        self.version = version
        self.hosts: dict[int, HostFold] = {}
        self._tracker = tracker
        self._judge = judge
        self._ledger = ledger
        self._backups = backups or BackupsKeeper(judge.thresholds)
        self._picture_names = PictureNames()
        self._names = Names(self._picture_names.sr, self._picture_names.vdi)
        self._pending = _Pending()
        self._sampled: datetime | None = None
        self._sampled_srs: frozenset[str] = frozenset()
        self._answer: Answer | None = None
        self._store_answer_at = datetime.min.replace(tzinfo=UTC)

    @property
    def dirty(self) -> bool:
        """Whether evidence was read or findings changed since the last `pending`."""
        pending = self._pending
        changed = any(judgement.findings or judgement.transitions for judgement in pending.judgements)
        return bool(pending.hosts or pending.history or changed)

    @property
    def waiting_rows(self) -> int:
        """Rows that wait to be committed."""
        return len(self._pending.events) + len(self._pending.runs)

    def add_host(self, host: HostFold) -> None:
        """A host of this pool, from where its fold stands."""
        self.hosts[host.host_id] = host

    def resume_coverage(self, hosts: Iterable[HostFold], now: datetime) -> None:
        """After a restart: what the tracker remembers of how far these hosts' logs were known."""
        known = self._tracker.state(now).hosts
        for host in hosts:
            before = known.get(host.host_uuid)
            if before is not None and before.coverage is not None:
                host.coverage.resume(before.coverage, before.newest_at)

    # --- what comes in ----------------------------------------------------------------------------------------

    def take(self, batch: HostBatch) -> None:
        """Lines and gaps of one host."""
        host = self.hosts[batch.host_id]
        step = host.take(batch)
        self._tracker.take(host.host_uuid, step.facts, step.runs, step.coverage)
        if batch.logs_left:
            self._tracker.crowded(host.host_uuid, f"its agent sends more than {LOGS_READ} logs")
        pending = self._pending
        pending.hosts.add(batch.host_id)
        pending.events += event_rows(batch.host_id, step.facts, step.unknown, host.file_ids, self._names)
        for gone in step.runs_gone:
            pending.runs.pop((gone.host_id, gone.ordinal, gone.offset), None)
            pending.runs_gone.append(gone)
        met_at = host.reader.newest_at or datetime.fromtimestamp(0, UTC)
        most = most_merges(step.runs)
        for run in step.runs:
            row = run_row(batch.host_id, run, self._names, met_at, most)
            pending.runs[row.host_id, row.ordinal, row.offset] = row

    def observe(self, host_id: int, observation: Observation, received_at: datetime | None, *, caught_up: bool) -> None:
        """A Status or Samples message of a host; a Status also says how far the log on disk is known.

        `received_at` None: not heard by this process.
        """
        host = self.hosts[host_id]
        self._tracker.observe(observation, received_at)
        if isinstance(observation, StatusObserved):
            host.coverage.status = observation
            covered = host.coverage.coverage(host.cursors, more=not caught_up)
            self._tracker.take(host.host_uuid, (), (), covered)

    def stream_changed(self, host_uuid: str, connected: bool, at: datetime) -> None:
        """A host's agent came or went."""
        self._tracker.stream_changed(host_uuid, connected, at)

    def duplicate_refused(self, duplicate: DuplicateRefused) -> None:
        """A second dom0 came with the certificate of a host of this pool."""
        self._tracker.duplicate_refused(duplicate)

    def trusted(self, seen: TrustSeen) -> None:
        """What is known of who speaks for this pool's hosts."""
        for host in self.hosts.values():
            duplicate = seen.duplicates.get(host.host_uuid)
            if duplicate is not None:
                self._tracker.duplicate_refused(duplicate)
        self._tracker.revoked(seen.revoked)
        self._tracker.faulty(seen.faults)

    def tell(self, news: BackupNews) -> None:
        """What is known of backups from outside of the pool."""
        self._backups.tell(news)

    def see(self, picture: Picture) -> None:
        """The pool's newest picture."""
        self._picture_names.see(picture)
        self._tracker.see(picture)
        self._backups.see(picture)

    # --- what goes out ----------------------------------------------------------------------------------------

    def judge(self, now: datetime) -> Judged:
        """State, findings and verdicts as of `now`."""
        state = self._tracker.state(now)
        state = replace(state, backups=self._backups.seen(state, now))
        judgement = self._judge.judge(state, now, self._ledger)
        self._pending.judgements.append(judgement)
        self._answer = judgement.answer
        if self._sampling_due(now, state):
            sampled = samples(sampled_srs(judgement.answer.srs, state), now)
            self._pending.history += [*sampled, *self._backups.sample(state, sampled, now)]
        return Judged(self.pool_uuid, now, judgement.answer, state)

    def _sampling_due(self, now: datetime, state: PoolState) -> bool:
        """Once a minute, and when XenAPI showed another SR."""
        srs = frozenset(uuid for uuid, sr in state.srs.items() if sr.record is not None)
        if self._sampled is not None and minute_of(now) <= self._sampled and srs <= self._sampled_srs:
            return False
        self._sampled, self._sampled_srs = minute_of(now), srs
        return True

    def pending(self, now: datetime) -> FoldStep:
        """Everything since the last call, to be committed as one."""
        pending, self._pending = self._pending, _Pending()
        answer = None
        if self._answer is not None and now >= self._store_answer_at:
            self._store_answer_at = now + timedelta(seconds=_pause_seconds(self._answer))
            answer = answer_to_json(self._answer)
        return FoldStep(
            version=self.version,
            hosts=[self.hosts[host_id].stored() for host_id in sorted(pending.hosts)],
            state=self._tracker.dump(),
            answer=answer,
            events=_last_of_each(pending.events),
            runs=list(pending.runs.values()),
            runs_gone=pending.runs_gone,
            findings=[row for judgement in pending.judgements for row in judgement.findings],
            transitions=[row for judgement in pending.judgements for row in judgement.transitions],
            history=pending.history,
        )


def _pause_seconds(answer: Answer) -> float:
    merges = sum(len(run.merges) for run in answer.runs)
    return ANSWER_SECONDS + len(answer.verdicts) / VERDICTS_PER_SECOND + merges / MERGES_PER_SECOND


def _last_of_each(events: Sequence[EventIn]) -> list[EventIn]:
    """One row per line: what was said of it last."""
    rows: Mapping[tuple[int, int], EventIn] = {(event.file_id, event.offset): event for event in events}
    return list(rows.values())

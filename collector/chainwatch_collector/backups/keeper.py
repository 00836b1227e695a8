"""What one pool's fold remembers for backups: tasks over time, and the past of its SRs and chains by cycles. Pure.

What is to be stored comes out as rows; what was stored is given back at the next start.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from chainwatch_collector.backups.cycles import cycles
from chainwatch_collector.backups.foresee import foresee, least_pending
from chainwatch_collector.backups.history import CYCLE, HOUR, Series, restored
from chainwatch_collector.backups.news import BackupNews
from chainwatch_collector.backups.objects import bases, replicas_of
from chainwatch_collector.backups.seen import (
    BackupsSeen,
    BaseSeen,
    Bucket,
    CycleSeen,
    Foreseen,
    LeftoverSeen,
    WindowSeen,
)
from chainwatch_collector.backups.tasks import TaskWatch
from chainwatch_collector.backups.window_space import tight
from chainwatch_collector.chains.forest import Forest
from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.judge.leaf_sizes import leaf_sizes
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.keep.folded import FindingIn, HistoryIn
from chainwatch_collector.track.state import PoolState

CHAIN_FROM: Final = 5
"""Shorter chains have no history: they are far from any limit, and there are many."""
FORESEE_EVERY: Final = timedelta(minutes=10)
PARTS: Final[Mapping[str, str]] = {"": "last", ".least": "least", ".most": "most"}
"""What a cycle's rows are called behind the number's own name."""
Key = tuple[str, str]


@dataclass(slots=True)
class BackupsKeeper:
    """`cycles`: (subject uuid, name) → its days. Feed pictures and answers, ask for what was seen."""

    limits: Thresholds = field(default_factory=Thresholds)
    cycles: dict[Key, Series] = field(default_factory=dict)
    _hours: dict[Key, Series] = field(default_factory=dict)
    _forests: dict[str, Forest] = field(default_factory=dict)
    _chains: dict[str, dict[str, int]] = field(default_factory=dict)
    _watch: TaskWatch = field(default_factory=TaskWatch)
    _foreseen: tuple[Foreseen, ...] = ()
    _least: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    _foreseen_at: datetime | None = None
    _bases: tuple[BaseSeen, ...] = ()
    _leftovers: tuple[LeftoverSeen, ...] = ()
    _backed_up: Mapping[str, CycleSeen] = field(default_factory=dict)
    _windows: tuple[WindowSeen, ...] = ()
    _objects_of: tuple[object, ...] = (None, None, None, None)
    _objects_at: datetime | None = None
    _news: BackupNews | None = None

    def __post_init__(self) -> None:
        self._watch.floor_bytes_per_second = self.limits.backup_stalled_bytes_per_second

    def resume(self, findings: Iterable[FindingIn]) -> None:
        """After a restart: tasks that stood still go on to do so, from when they began to."""
        stood: dict[str, tuple[datetime, float]] = {}
        for finding in findings:
            params = finding.body.get("params", {}) if finding.code == "BACKUP_STALLED" else {}
            try:
                since = datetime.fromisoformat(params["still_since"])
                stood[finding.subject_uuid] = (since, float(params["progress"]))
            except (KeyError, TypeError, ValueError):
                continue
        self._watch.resume(stood)

    def tell(self, news: BackupNews) -> None:
        """What is known from outside of this pool."""
        self._news = news

    def see(self, picture: Picture) -> None:
        """A newer picture."""
        self._watch.see(picture)

    def seen(self, state: PoolState, now: datetime) -> BackupsSeen:
        """What is known now; the future is looked at every few minutes."""
        if self._foreseen_at is None or now - self._foreseen_at >= FORESEE_EVERY:
            self._foreseen_at = now
            self._foreseen = foresee(state, self.cycles, self._chains, now, self.limits.forecast_cycles)
            self._least = least_pending(self.cycles, now)
        self._look_at_objects(state, now)
        return BackupsSeen(
            tasks=self._watch.tasks(now, self.limits),
            foreseen=self._foreseen,
            least_pending=self._least,
            bases=self._bases,
            leftovers=self._leftovers,
            jobs=self._news.jobs if self._news is not None else (),
            jobs_known=self._news is not None and self._news.jobs_known,
            cycles=self._backed_up,
            windows=self._windows,
        )

    def _look_at_objects(self, state: PoolState, now: datetime) -> None:
        """Snapshots, replicas and jobs, where they may have changed; large pools are looked at less often."""
        picture = state.picture
        if picture is None or not picture.reachable:
            return
        of = (picture.vms, picture.vdis_by_sr, picture.vbds, self._news)
        pause = self.limits.verdict_seconds * max(1.0, len(picture.vms) / 1000)
        changed = any(one is not other for one, other in zip(of, self._objects_of, strict=True))
        due = self._objects_at is None or (now - self._objects_at).total_seconds() >= pause
        aged = self._objects_at is not None and now - self._objects_at >= HOUR
        if (changed and due) or aged:
            self._objects_of, self._objects_at = of, now
            index = PoolIndex(picture)
            news = self._news or BackupNews(replicas=replicas_of((index,)))
            self._bases, self._leftovers = bases(index, news.replicas, _targets(news))
            self._backed_up = cycles(index, news.jobs)
            self._windows = tuple(tight(index, news.jobs, leaf_sizes(state.srs.values())))

    # --- history ----------------------------------------------------------------------------------------------

    def sample(self, state: PoolState, samples: Iterable[HistoryIn], now: datetime) -> list[HistoryIn]:
        """The SRs' samples of this minute, and the chains as they are, into cycles: the rows that changed."""
        rows: list[HistoryIn] = []
        for one in samples:
            if one.value is not None:
                rows += self._add_sr((one.subject_uuid, one.name), one.value, now)
        for uuid, sr in state.srs.items():
            rows += self._add_chains(uuid, sr.forest, now)
        self._forget_gone(state)
        return rows

    def _add_sr(self, key: Key, value: float, now: datetime) -> Iterator[HistoryIn]:
        """An hour is written once, when it is over; the day that goes on with it."""
        hours = self._hours.setdefault(key, Series(HOUR))
        over = hours.buckets[-1] if hours.buckets else None
        hours.add(now, value)
        cycle = self.cycles.setdefault(key, Series())
        before = cycle.buckets[-1] if cycle.buckets else None
        cycle.add(now, value)
        if over is not None and hours.buckets[-1].at > over.at:
            hours.buckets = hours.buckets[-1:]
            yield from rows_of(key, over, HOUR)
            yield from rows_of(key, cycle.buckets[-1], CYCLE)
            if before is not None and before.at < cycle.buckets[-1].at:
                yield from rows_of(key, before, CYCLE)

    def _add_chains(self, sr_uuid: str, forest: Forest | None, now: datetime) -> Iterator[HistoryIn]:
        if forest is None:
            return
        if self._forests.get(sr_uuid) is not forest:
            self._forests[sr_uuid] = forest
            self._chains[sr_uuid] = chain_depths(forest, self.cycles)
        for vdi, depth in self._chains[sr_uuid].items():
            series = self.cycles.setdefault((vdi, "depth_max"), Series())
            if series.add(now, float(depth)):
                yield from rows_of((vdi, "depth_max"), series.buckets[-1], CYCLE)

    def _forget_gone(self, state: PoolState) -> None:
        for uuid in self._forests.keys() - state.srs.keys():
            del self._forests[uuid], self._chains[uuid]
        if state.picture is None or not state.picture.reachable:
            return
        known = {vdi for chains in self._chains.values() for vdi in chains} | state.srs.keys()
        for key in [key for key in self.cycles if key[0] not in known]:
            del self.cycles[key]
            self._hours.pop(key, None)


def _targets(news: BackupNews) -> dict[str, str]:
    """Id or name of a job → the SR that holds its replicas."""
    return {key: job.target_srs[0] for job in news.jobs if job.target_srs for key in (job.uuid, job.name)}


def chain_depths(forest: Forest, known: Mapping[Key, Series]) -> dict[str, int]:
    """Leaf uuid → depth of the chains with a history: those of disks that are long, or were."""
    return {
        uuid: node.depth
        for uuid, node in forest.nodes.items()
        if not node.children
        and node.vdi.managed
        and not node.vdi.is_a_snapshot
        and (node.depth >= CHAIN_FROM or (uuid, "depth_max") in known)
    }


def rows_of(key: Key, bucket: Bucket, span: timedelta) -> list[HistoryIn]:
    """A bucket to be stored."""
    seconds = int(span.total_seconds())
    return [
        HistoryIn(key[0], bucket.at, key[1] + part, getattr(bucket, attribute), seconds)
        for part, attribute in PARTS.items()
    ]


def cycles_of(rows: Iterable[HistoryIn]) -> dict[Key, Series]:
    """Stored days as series."""
    found: dict[Key, dict[datetime, dict[str, float]]] = {}
    for row in rows:
        name, dot, part = row.name.partition(".")
        if row.value is not None:
            found.setdefault((row.subject_uuid, name), {}).setdefault(row.at, {})[dot + part] = row.value
    return {
        key: restored(
            Bucket(at, parts.get(".least", parts[""]), parts.get(".most", parts[""]), parts[""])
            for at, parts in days.items()
            if "" in parts
        )
        for key, days in found.items()
    }

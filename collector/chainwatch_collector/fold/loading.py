"""A pool's fold as it was stored, or a new one; and what is read beside the evidence: agents, their newest Status."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Connection

from chainwatch_collector.backups.history import CYCLE, CYCLES_KEPT
from chainwatch_collector.backups.keeper import BackupsKeeper, cycles_of
from chainwatch_collector.fold.answer_json import answer_from_json
from chainwatch_collector.fold.fetch import file_ids
from chainwatch_collector.fold.host_fold import HostFold
from chainwatch_collector.fold.pool_fold import Judged, PoolFold
from chainwatch_collector.judge.judge import Judge, restored_ledger
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.keep.evidence import hosts, latest_statuses, samples_between
from chainwatch_collector.keep.folded import FindingIn, StoredFold
from chainwatch_collector.keep.history import days_of_pool
from chainwatch_collector.keep.projections import fold_versions, load_fold, newest_answer, open_findings
from chainwatch_collector.keep.readers import Readers
from chainwatch_collector.keep.rows import HostRow
from chainwatch_collector.keep.writer import Writer
from chainwatch_collector.read.checkpoint import StateRefusedError
from chainwatch_collector.receive.observations import samples_of, status_of
from chainwatch_collector.track.observations import Observation
from chainwatch_collector.track.tracker import PoolTracker, TrackerRefusedError

# So many of a host's newest samples tell whether a copy moves.
RECENT_SAMPLES: Final = timedelta(minutes=5)


@dataclass(frozen=True)
class FoldStore:
    """Where a fold reads and writes, and its clock."""

    readers: Readers
    writer: Writer
    clock: Callable[[], datetime]


class Loaded(NamedTuple):
    """`building`: the evidence is folded from its beginning, or an older version's rows are still there."""

    fold: PoolFold
    building: bool
    refused: str


class HostLoaded(NamedTuple):
    """A host as it is registered, its fold, and the newest that its agent observed."""

    row: HostRow
    fold: HostFold
    observations: list[Observation]


def load_pool(
    store: FoldStore, pool_uuid: str, version: int, thresholds: Thresholds, host_ids: Collection[int]
) -> tuple[Loaded, list[HostLoaded]]:
    """From where it was committed; from nothing where that cannot be gone on from (`refused` says why)."""
    stored, versions, findings, registered = store.readers.call(lambda c: _stored(c, pool_uuid, version))
    refused = ""
    try:
        tracker = PoolTracker.load(stored.state) if stored.state else PoolTracker(pool_uuid)
        loaded = _hosts(store, registered, stored, host_ids)
    except (StateRefusedError, TrackerRefusedError) as error:
        refused, stored = str(error), StoredFold({}, None, None, None)
        tracker, loaded = PoolTracker(pool_uuid), _hosts(store, registered, stored, host_ids)
    days = store.readers.call(lambda c: days_of_pool(c, pool_uuid, store.clock() - CYCLES_KEPT * CYCLE))
    backups = BackupsKeeper(thresholds, cycles_of(days))
    backups.resume(findings)
    fold = PoolFold(pool_uuid, version, tracker, Judge(thresholds), restored_ledger(findings), backups)
    building = stored.state is None or any(one != version for one in versions)
    return Loaded(fold, building, refused), loaded


def load_hosts(store: FoldStore, host_ids: Collection[int]) -> list[HostLoaded]:
    """Hosts that joined a pool: from their first line on."""
    registered = store.readers.call(hosts)
    return _hosts(store, registered, StoredFold({}, None, None, None), host_ids)


def stored_answer(store: FoldStore, pool_uuid: str) -> Judged | None:
    """The newest answer that anybody stored, without a state."""
    found = store.readers.call(lambda c: newest_answer(c, pool_uuid))
    if found is None:
        return None
    try:
        return Judged(pool_uuid, found[1], answer_from_json(found[0]), None)
    except ValueError:
        return None


def _stored(
    connection: Connection, pool_uuid: str, version: int
) -> tuple[StoredFold, list[int], list[FindingIn], list[HostRow]]:
    return (
        load_fold(connection, pool_uuid, version),
        fold_versions(connection, pool_uuid),
        open_findings(connection, pool_uuid),
        hosts(connection),
    )


def _hosts(
    store: FoldStore, registered: list[HostRow], stored: StoredFold, host_ids: Collection[int]
) -> list[HostLoaded]:
    wanted = [row for row in registered if row.host_id in host_ids]
    since, until = store.clock() - RECENT_SAMPLES, store.clock() + RECENT_SAMPLES
    found = []
    for row in wanted:
        before = stored.hosts.get(row.host_id)
        ids = store.readers.call(lambda c, r=row: file_ids(c, r.host_id)) if before else {}  # type: ignore[misc]
        fold = HostFold.restored(row, before, ids) if before else HostFold.new(row)
        observed = store.readers.call(lambda c, r=row: _observed(c, r, since, until))  # type: ignore[misc]
        found.append(HostLoaded(row, fold, observed))
    return found


def _observed(connection: Connection, row: HostRow, since: datetime, until: datetime) -> list[Observation]:
    samples = samples_between(connection, row.host_id, since, until)
    found: list[Observation] = [samples_of(row.uuid, one.body) for one in samples]
    status = latest_statuses(connection).get(row.host_id)
    if status is not None:
        found.append(status_of(row.uuid, status.body))
    return found

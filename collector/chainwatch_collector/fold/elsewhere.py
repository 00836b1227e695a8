"""What agents told another collector of the same database: statuses, samples, streams, found by looking at times."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from chainwatch_collector.keep.evidence import hosts, latest_statuses, newest_sample_id, samples_after
from chainwatch_collector.keep.readers import Readers
from chainwatch_collector.keep.rows import HostRow, StoredObservation
from chainwatch_collector.receive.observations import samples_of, status_of
from chainwatch_collector.track.observations import Observation


class Told(NamedTuple):
    """Since the last look. `streams`: (host uuid, connected, at)."""

    observations: list[Observation]
    streams: list[tuple[str, bool, datetime]]


class Elsewhere:
    """Remembers what it has given out. The first look gives nothing: a fold that is loaded reads that itself."""

    def __init__(self) -> None:
        self._statuses: dict[int, tuple[int, int]] = {}
        self._open: dict[str, bool] = {}
        self._sample_id: int | None = None

    def look(self, readers: Readers, heard_here: frozenset[str]) -> Told:
        """What is new; hosts in `heard_here` have their stream at this collector, which hears them at once."""
        first = self._sample_id is None
        rows, statuses, samples = readers.call(self._read)
        uuids = {row.host_id: row.uuid for row in rows if row.uuid not in heard_here}
        told = Told(self._observed(uuids, statuses, samples), self._streams(rows, heard_here))
        return Told([], []) if first else told

    def _read(
        self, connection: Connection
    ) -> tuple[list[HostRow], dict[int, StoredObservation], list[StoredObservation]]:
        if self._sample_id is None:
            self._sample_id = newest_sample_id(connection)
        samples, self._sample_id = samples_after(connection, self._sample_id)
        return hosts(connection), latest_statuses(connection), samples

    def _observed(
        self, uuids: Mapping[int, str], statuses: Mapping[int, StoredObservation], samples: list[StoredObservation]
    ) -> list[Observation]:
        found: list[Observation] = [samples_of(uuids[one.host_id], one.body) for one in samples if one.host_id in uuids]
        for host_id, one in statuses.items():
            mark = (one.agent_epoch, one.seq)
            if self._statuses.get(host_id) != mark and host_id in uuids:
                found.append(status_of(uuids[host_id], one.body))
            self._statuses[host_id] = mark
        return found

    def _streams(self, rows: list[HostRow], heard_here: frozenset[str]) -> list[tuple[str, bool, datetime]]:
        changed = []
        for row in rows:
            at = row.last_seen_at or row.connected_at
            if self._open.get(row.uuid) != row.stream_open and row.uuid not in heard_here and at is not None:
                changed.append((row.uuid, row.stream_open, at))
            self._open[row.uuid] = row.stream_open
        return changed

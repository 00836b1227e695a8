"""What the surfaces ask of the database: events, history, transitions, mutes, the audit log."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from chainwatch_collector.keep.events import EventFilter, EventPlace, EventRow, events_page
from chainwatch_collector.keep.evidence import hosts
from chainwatch_collector.keep.folded import HistoryIn, TransitionIn
from chainwatch_collector.keep.health import certificate_ends, committed_bytes, gap_counts, revocations
from chainwatch_collector.keep.people import AuditIn, MuteRow, mutes_in_force
from chainwatch_collector.keep.rows import HostRow
from chainwatch_collector.live.board import HostExtra, Registered
from chainwatch_collector.show.errors import ApiError
from chainwatch_collector.show.paging import decode_cursor, encode_cursor
from chainwatch_collector.show.views import (
    AuditEntry,
    Event,
    EventQuery,
    HistoryPoint,
    Mute,
    Page,
    Subject,
    Transition,
    UnknownSubjectError,
)

_NAMES = {"depth_max": int, "pending": int, "to_merge_bytes": int, "free_ratio": float}


def registered(connection: Connection, now: datetime) -> Registered:
    """Hosts, what is known beside their rows, and mutes, in one consistent look."""
    rows = {host.uuid: host for host in hosts(connection)}
    gaps, committed = gap_counts(connection), committed_bytes(connection)
    ends, revoked = certificate_ends(connection), revocations(connection)
    extras = {
        uuid: HostExtra(
            gaps.get(row.host_id, 0), committed.get(row.host_id, {}), ends.get(uuid), revoked=uuid in revoked
        )
        for uuid, row in rows.items()
    }
    return Registered(rows, extras, tuple(mute_view(row) for row in mutes_in_force(connection, now)))


def events(
    connection: Connection,
    query: EventQuery,
    registered_hosts: Mapping[str, HostRow],
    homes: Mapping[str, str],
    names: Mapping[str, str],
) -> Page[Event]:
    """A page of events; `names`: host uuid → XenAPI's name of it. Raises `ApiError` for a cursor that is not ours."""
    by_id = {row.host_id: row for row in registered_hosts.values()}
    wanted = EventFilter(
        since=query.since,
        until=query.until,
        host_ids=_hosts_of(query, registered_hosts, homes),
        sr_uuid=query.sr_uuid,
        vdi_uuid=query.vdi_uuid,
        kind=query.kind,
        grep=query.grep,
        ascending=query.ascending,
    )
    rows, after = events_page(connection, wanted, query.limit, _place(query.after))
    return Page(
        tuple(_event(row, by_id.get(row.host_id), homes, names) for row in rows),
        encode_cursor(tuple(after)) if after is not None else None,
    )


def _place(cursor: str | None) -> EventPlace | None:
    if cursor is None:
        return None
    key = decode_cursor(cursor)
    if len(key) != 3 or not all(isinstance(part, int) for part in key):
        raise ApiError(400, "bad_cursor", "this cursor is of another list", "start without it", "after")
    return EventPlace(*(int(part) for part in key))


def _hosts_of(
    query: EventQuery, registered_hosts: Mapping[str, HostRow], homes: Mapping[str, str]
) -> Sequence[int] | None:
    if query.host_uuid is None and query.pool_uuid is None:
        return None
    return [
        row.host_id
        for uuid, row in registered_hosts.items()
        if query.host_uuid in (None, uuid) and query.pool_uuid in (None, homes.get(uuid))
    ]


def _event(row: EventRow, host: HostRow | None, homes: Mapping[str, str], names: Mapping[str, str]) -> Event:
    uuid = host.uuid if host is not None else ""
    return Event(
        id=f"{row.place.file_id}-{row.place.offset}",
        at=row.at,
        host_uuid=uuid,
        host_name=names.get(uuid) or (host.hostname if host is not None else "") or uuid,
        log=row.log,
        offset=row.place.offset,
        kind=row.kind,
        text=row.data.decode("utf-8", "replace"),
        pool_uuid=homes.get(uuid),
        sr_uuid=row.sr_uuid,
        vdi_uuid=row.vdi_uuid,
        uncertain=row.uncertain,
    )


def history_points(rows: Sequence[HistoryIn]) -> list[HistoryPoint]:
    """One point per time, oldest first."""
    by_time: dict[datetime, dict[str, Any]] = {}
    for row in rows:
        kind = _NAMES.get(row.name)
        if kind is not None and row.value is not None:
            by_time.setdefault(row.at, {})[row.name] = kind(row.value)
    return [HistoryPoint(at=at, **values) for at, values in sorted(by_time.items())]


def transition_view(row: TransitionIn, subject: Subject) -> Transition:
    """A stored transition; its body has the finding as it was."""
    return Transition(
        at=row.at,
        finding_id=row.finding_id,
        code=row.code,
        subject=subject,
        severity=str(row.body.get("severity", "")),
        change=row.change,  # type: ignore[arg-type]  # one of the judge's four words, as it was stored
        summary=str(row.body.get("summary", "")),
    )


def mute_view(row: MuteRow) -> Mute:
    mute = row.mute
    return Mute(
        id=str(row.mute_id),
        code=mute.code,
        subject_uuid=mute.subject_uuid,
        subject_name=mute.subject_name,
        pool_uuid=mute.pool_uuid,
        until=mute.until,
        by=mute.by,
        reason=mute.reason,
        created_at=mute.created_at,
        sticky=mute.sticky,
    )


def audit_view(row: AuditIn) -> AuditEntry:
    return AuditEntry(row.at, row.who, row.what, row.subject, row.pool_uuid, row.outcome, row.detail)


def audit_in(entry: AuditEntry) -> AuditIn:
    return AuditIn(entry.at, entry.who, entry.what, entry.subject, entry.pool_uuid, entry.outcome, entry.detail)


def mute_number(mute_id: str) -> int:
    """The database's id. Raises `UnknownSubjectError` where it is none."""
    if not (mute_id.isascii() and mute_id.isdigit()):
        raise UnknownSubjectError(mute_id)
    return int(mute_id)

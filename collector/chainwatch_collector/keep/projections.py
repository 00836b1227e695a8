"""The fold's results: written in one transaction with its cursors, read back after a restart.

Units for the `Writer` (they take a connection and write) and functions for `Readers`. Findings and transitions are
primary data and survive `forget_version`; the rest is made again from the evidence.
"""

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from chainwatch_collector.keep.folded import (
    EventIn,
    FindingIn,
    FoldedHost,
    FoldStep,
    HistoryIn,
    Json,
    Ownership,
    RunIn,
    StoredFold,
    TransitionIn,
)
from chainwatch_collector.keep.ownership import check_owner
from chainwatch_collector.keep.projection_tables import (
    EVENTS,
    FINDINGS,
    FOLDS,
    HISTORY,
    INVENTORIES,
    POOL_STATES,
    RUNS,
    TRANSITIONS,
    WORDS,
)
from chainwatch_collector.keep.rows import Cursor, from_us, to_us
from chainwatch_collector.keep.upsert import upsert


def commit_step(connection: Connection, ownership: Ownership, step: FoldStep, now: datetime) -> None:
    """Write a step. Raises `NotOwnerError` where the pool was taken over; then nothing is written."""
    check_owner(connection, ownership)
    pool_uuid, now_us = ownership.pool_uuid, to_us(now)
    upsert(connection, EVENTS, _event_rows(connection, step.events))
    for gone in step.runs_gone:
        connection.execute(delete(RUNS).where(*(RUNS.c[name] == value for name, value in gone._asdict().items())))
    upsert(connection, RUNS, [_run_row(pool_uuid, run) for run in step.runs])
    upsert(connection, FINDINGS, [_finding_row(pool_uuid, finding) for finding in step.findings])
    if step.transitions:
        connection.execute(insert(TRANSITIONS), [_transition_row(pool_uuid, t) for t in step.transitions])
    upsert(connection, HISTORY, [_history_row(pool_uuid, h) for h in step.history])
    upsert(connection, FOLDS, [_fold_row(pool_uuid, step.version, host, now_us) for host in step.hosts])
    _write_state(connection, pool_uuid, step, now_us)


def write_events(connection: Connection, ownership: Ownership, events: Sequence[EventIn]) -> None:
    """Write a part of a step's events before it. Raises `NotOwnerError` as `commit_step` does."""
    check_owner(connection, ownership)
    upsert(connection, EVENTS, _event_rows(connection, events))


def _write_state(connection: Connection, pool_uuid: str, step: FoldStep, now_us: int) -> None:
    values: dict[str, object] = {}
    if step.state is not None:
        values["state"] = step.state
    if step.answer is not None:
        values["answer"] = _dump(step.answer)
    if not values:
        return
    key = {"pool_uuid": pool_uuid, "version": step.version}
    change = update(POOL_STATES).where(*(POOL_STATES.c[name] == value for name, value in key.items()))
    if connection.execute(change.values(updated_at_us=now_us, **values)).rowcount == 0:
        first = {"state": b"", "answer": "{}", "updated_at_us": now_us}
        connection.execute(insert(POOL_STATES).values(key | first | values))


def load_fold(connection: Connection, pool_uuid: str, version: int) -> StoredFold:
    """Where the fold of a pool stood; empty where it never ran in this version."""
    folds = select(FOLDS).where(FOLDS.c.pool_uuid == pool_uuid, FOLDS.c.version == version)
    hosts: dict[int, FoldedHost] = {}
    for row in connection.execute(folds):
        stored = json.loads(row.cursors)
        cursors = {log: Cursor(*cursor) for log, cursor in stored["logs"].items()}
        hosts[row.host_id] = FoldedHost(row.host_id, cursors, stored["gap_id"], bytes(row.reader))
    states = select(POOL_STATES).where(POOL_STATES.c.pool_uuid == pool_uuid, POOL_STATES.c.version == version)
    state = connection.execute(states).one_or_none()
    if state is None:
        return StoredFold(hosts, None, None, None)
    return StoredFold(hosts, bytes(state.state) or None, json.loads(state.answer) or None, from_us(state.updated_at_us))


def forget_version(connection: Connection, ownership: Ownership, version: int) -> None:
    """Drop what a fold version made, to build it anew. Findings, transitions and history stay."""
    check_owner(connection, ownership)
    for table in (FOLDS, POOL_STATES):
        connection.execute(delete(table).where(table.c.pool_uuid == ownership.pool_uuid, table.c.version == version))


def newest_answer(connection: Connection, pool_uuid: str) -> tuple[Json, datetime] | None:
    """The newest stored answer of any version and when it was written: what answers while a fold is being built."""
    query = select(POOL_STATES.c.answer, POOL_STATES.c.updated_at_us).where(POOL_STATES.c.pool_uuid == pool_uuid)
    for row in connection.execute(query.order_by(POOL_STATES.c.updated_at_us.desc())):
        answer = json.loads(row.answer)
        if answer:
            return answer, _at(row.updated_at_us)
    return None


def fold_versions(connection: Connection, pool_uuid: str) -> list[int]:
    """The versions that a pool's fold was ever built in and not forgotten, ascending."""
    query = select(FOLDS.c.version).where(FOLDS.c.pool_uuid == pool_uuid).distinct().order_by(FOLDS.c.version)
    return list(connection.execute(query).scalars())


def pools_of_hosts(connection: Connection) -> dict[int, str]:
    """host id → the pool that last folded it."""
    query = select(FOLDS.c.host_id, FOLDS.c.pool_uuid).order_by(FOLDS.c.updated_at_us)
    return {row.host_id: row.pool_uuid for row in connection.execute(query)}


def open_findings(connection: Connection, pool_uuid: str) -> list[FindingIn]:
    """Findings that have not cleared: what carries `first_seen` over a restart and a rebuild."""
    query = select(FINDINGS).where(FINDINGS.c.pool_uuid == pool_uuid, FINDINGS.c.cleared_at_us.is_(None))
    return [
        FindingIn(
            row.finding_id,
            _at(row.first_seen_us),
            _at(row.last_seen_us),
            from_us(row.cleared_at_us),
            row.code,
            row.severity,
            row.subject_uuid,
            json.loads(row.body),
        )
        for row in connection.execute(query.order_by(FINDINGS.c.first_seen_us))
    ]


def runs_between(
    connection: Connection,
    since: datetime,
    until: datetime,
    *,
    pool_uuid: str | None = None,
    sr_uuid: str | None = None,
    limit: int = 1000,
) -> list[RunIn]:
    """Runs that began in `[since, until)`, newest first."""
    query = select(RUNS).where(RUNS.c.started_at_us >= to_us(since), RUNS.c.started_at_us < to_us(until))
    if pool_uuid is not None:
        query = query.where(RUNS.c.pool_uuid == pool_uuid)
    if sr_uuid is not None:
        query = query.where(RUNS.c.sr_uuid == sr_uuid)
    return [
        RunIn(
            row.host_id,
            row.ordinal,
            row.offset,
            row.sr_uuid,
            _at(row.started_at_us),
            from_us(row.ended_at_us),
            row.outcome,
            json.loads(row.body),
        )
        for row in connection.execute(query.order_by(RUNS.c.started_at_us.desc()).limit(limit))
    ]


def transitions_since(
    connection: Connection,
    since: datetime,
    limit: int,
    *,
    subject_uuid: str | None = None,
    pool_uuids: Sequence[str] | None = None,
) -> list[tuple[str, TransitionIn]]:
    """(pool uuid, transition) since a time, newest first."""
    query = select(TRANSITIONS).where(TRANSITIONS.c.at_us >= to_us(since))
    if subject_uuid is not None:
        query = query.where(TRANSITIONS.c.subject_uuid == subject_uuid)
    if pool_uuids is not None:
        query = query.where(TRANSITIONS.c.pool_uuid.in_(pool_uuids))
    rows = connection.execute(query.order_by(TRANSITIONS.c.at_us.desc(), TRANSITIONS.c.id.desc()).limit(limit))
    return [
        (
            row.pool_uuid,
            TransitionIn(_at(row.at_us), row.finding_id, row.code, row.subject_uuid, row.change, json.loads(row.body)),
        )
        for row in rows
    ]


def history_between(
    connection: Connection, subject_uuid: str, since: datetime, until: datetime, resolution_seconds: int = 0
) -> list[HistoryIn]:
    """A subject's numbers in `[since, until)`, oldest first."""
    rows = connection.execute(
        select(HISTORY)
        .where(
            HISTORY.c.subject_uuid == subject_uuid,
            HISTORY.c.resolution_seconds == resolution_seconds,
            HISTORY.c.at_us >= to_us(since),
            HISTORY.c.at_us < to_us(until),
        )
        .order_by(HISTORY.c.at_us, HISTORY.c.name)
    )
    return [HistoryIn(row.subject_uuid, _at(row.at_us), row.name, row.value) for row in rows]


def save_inventory(connection: Connection, pool_uuid: str, taken_at: datetime, body: bytes) -> None:
    """The newest picture of a pool, serialised by its owner: what answers while XenAPI does not."""
    upsert(connection, INVENTORIES, [{"pool_uuid": pool_uuid, "taken_at_us": to_us(taken_at), "body": body}])


def load_inventory(connection: Connection, pool_uuid: str) -> tuple[datetime, bytes] | None:
    """(taken at, body), None where there is none."""
    row = connection.execute(select(INVENTORIES).where(INVENTORIES.c.pool_uuid == pool_uuid)).one_or_none()
    return None if row is None else (_at(row.taken_at_us), bytes(row.body))


def word_ids(connection: Connection, words: Sequence[str]) -> dict[str, int]:
    """word → id, made where missing."""
    wanted = sorted(set(words))
    found: dict[str, int] = {}
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        found |= {row.word: row.id for row in connection.execute(select(WORDS).where(WORDS.c.word.in_(part)))}
        missing = [word for word in part if word not in found]
        if missing:
            connection.execute(insert(WORDS), [{"word": word} for word in missing])
            found |= {row.word: row.id for row in connection.execute(select(WORDS).where(WORDS.c.word.in_(missing)))}
    return found


def _event_rows(connection: Connection, events: Sequence[EventIn]) -> list[dict[str, object]]:
    if not events:
        return []
    words = {event.kind for event in events}
    words |= {event.sr_uuid for event in events if event.sr_uuid}
    words |= {event.vdi_uuid for event in events if event.vdi_uuid}
    ids = word_ids(connection, list(words))
    return [
        {
            "file_id": event.file_id,
            "offset": event.offset,
            "host_id": event.host_id,
            "at_us": to_us(event.at),
            "kind_id": ids[event.kind],
            "sr_id": ids[event.sr_uuid] if event.sr_uuid else None,
            "vdi_id": ids[event.vdi_uuid] if event.vdi_uuid else None,
            "uncertain": event.uncertain,
        }
        for event in events
    ]


def _run_row(pool_uuid: str, run: RunIn) -> dict[str, object]:
    return {
        "host_id": run.host_id,
        "ordinal": run.ordinal,
        "offset": run.offset,
        "pool_uuid": pool_uuid,
        "sr_uuid": run.sr_uuid,
        "started_at_us": to_us(run.started_at),
        "ended_at_us": to_us(run.ended_at) if run.ended_at else None,
        "outcome": run.outcome,
        "body": _dump(run.body),
    }


def _finding_row(pool_uuid: str, finding: FindingIn) -> dict[str, object]:
    return {
        "pool_uuid": pool_uuid,
        "finding_id": finding.finding_id,
        "first_seen_us": to_us(finding.first_seen),
        "last_seen_us": to_us(finding.last_seen),
        "cleared_at_us": to_us(finding.cleared_at) if finding.cleared_at else None,
        "code": finding.code,
        "severity": finding.severity,
        "subject_uuid": finding.subject_uuid,
        "body": _dump(finding.body),
    }


def _transition_row(pool_uuid: str, transition: TransitionIn) -> dict[str, object]:
    return {
        "pool_uuid": pool_uuid,
        "at_us": to_us(transition.at),
        "finding_id": transition.finding_id,
        "code": transition.code,
        "subject_uuid": transition.subject_uuid,
        "change": transition.change,
        "body": _dump(transition.body),
    }


def _history_row(pool_uuid: str, point: HistoryIn) -> dict[str, object]:
    return {
        "pool_uuid": pool_uuid,
        "subject_uuid": point.subject_uuid,
        "resolution_seconds": point.resolution_seconds,
        "at_us": to_us(point.at),
        "name": point.name,
        "value": point.value,
    }


def _fold_row(pool_uuid: str, version: int, host: FoldedHost, now_us: int) -> dict[str, object]:
    cursors = {"logs": {log: list(cursor) for log, cursor in host.cursors.items()}, "gap_id": host.gap_id}
    return {
        "pool_uuid": pool_uuid,
        "host_id": host.host_id,
        "version": version,
        "cursors": json.dumps(cursors),
        "reader": host.reader,
        "updated_at_us": now_us,
    }


def _dump(body: Json) -> str:
    return json.dumps(body, separators=(",", ":"), default=str)


def _at(micros: int) -> datetime:
    at = from_us(micros)
    assert at is not None
    return at

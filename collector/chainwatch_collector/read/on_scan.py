"""Handlers: a run's scans, its trees' parents, and what it deletes (T rows)."""

from __future__ import annotations

from chainwatch_collector.read import blocks, causes
from chainwatch_collector.read.engine import Engine, key_of, sr_of
from chainwatch_collector.read.facts import (
    GarbageDeleted,
    GarbageSeen,
    HostAsked,
    JournalReplayed,
    ParentMissing,
    ScanFailed,
    VdiCorrupt,
)
from chainwatch_collector.read.handlers import Fields, on
from chainwatch_collector.read.on_life import step, strong, working

_LAST_ATTEMPT = 2


@on("scan_error")
def scan_error(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    if state is None:
        return
    state.scan_attempts += 1
    process = engine.process(engine.record.pid)
    final = int(fields["attempt"]) >= _LAST_ATTEMPT or state.scan_attempts > _LAST_ATTEMPT
    detail = fields.get("detail", "")
    vdis = process.bad_vdis
    engine.emit(
        ScanFailed(ref=engine.ref(), run=state.run.key, sr=sr_of(state), by="gc", final=final, vdis=vdis, detail=detail)
    )


@on("vdi_unreadable")
def vdi_unreadable(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    detail = fields.get("detail") or "metadata cannot be read"
    engine.emit(
        VdiCorrupt(ref=engine.ref(), run=key_of(state), sr=sr_of(state), vdi=fields["vdi"], detail=detail, sure=False)
    )


@on("parent_missing")
def parent_missing(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    engine.emit(
        ParentMissing(
            ref=engine.ref(), run=key_of(state), sr=sr_of(state), parent=fields["parent"], child=fields["child"]
        )
    )


@on("vdi_found")
def vdi_found(engine: Engine, fields: Fields) -> None:
    engine.learn(sr_of(engine.worker()), fields["vdi"])


@on("caches_cleaned")
def caches_cleaned(engine: Engine, _fields: Fields) -> None:
    # 8.2 does this before it has the lock: no proof that others are gone.
    state = strong(engine)
    if state is not None:
        engine.touch(state)
        step(engine, state, "scanning")


@on("orphans_found")
def orphans_found(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    if state is not None:
        count = int(fields["count"])
        engine.emit(GarbageSeen(ref=engine.ref(), run=state.run.key, sr=sr_of(state), count=count))


@on("deletion_planned")
def deletion_planned(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    if state is None:
        return
    state.planned_deletion = True
    count = int(fields["count"])
    if count:
        record = engine.record
        engine.open_block((record.ident, record.pid, record.thread), blocks.deletion(count, engine.ref()))
        step(engine, state, "deleting")


@on("vdi_deleted")
def vdi_deleted(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    if state is None:
        return
    state.run.deleted_count += 1
    state.any_work = True
    vdi = engine.full(sr_of(state), fields["vdi"].lstrip("*")[:8])
    if state.merge is not None and state.merge.merge.child[:8] == vdi[:8]:
        state.merge.relinked = True
    engine.emit(GarbageDeleted(ref=engine.ref(), run=state.run.key, sr=sr_of(state), vdi=vdi))


@on("stale_journal")
def stale_journal(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    engine.emit(
        JournalReplayed(ref=engine.ref(), run=key_of(state), sr=sr_of(state), what="stale_removed", vdi=fields["vdi"])
    )


def named_host(text: str) -> str:
    """The reference in the plugin call that 8.3 prints as a tuple (T17), else the host's name or uuid as it stands."""
    refs = causes.host_refs(text)
    return refs[0] if refs else text


@on("host_asked")
def host_asked(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    if state is not None:
        host = named_host(fields["host"])
        engine.emit(HostAsked(ref=engine.ref(), run=state.run.key, sr=sr_of(state), host_name=host))


@on("cleanup")
def cleanup(engine: Engine, _fields: Fields) -> None:
    state = engine.worker()
    if state is not None:
        engine.touch(state)

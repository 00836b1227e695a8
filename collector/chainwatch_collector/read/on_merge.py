"""Handlers: inner and leaf merges (C and L rows), their children, journals and signs."""

from __future__ import annotations

from typing import Literal

from chainwatch_collector.read import causes, ending, images
from chainwatch_collector.read.bounds import PIDS, first_time
from chainwatch_collector.read.engine import Engine, key_of, sr_of
from chainwatch_collector.read.facts import (
    CandidateSeen,
    JournalReplayed,
    MergeCopied,
    MergeCopyStarted,
    MergeStarted,
    MultiAttachSeen,
    SpaceRefused,
    StaleFlagSeen,
    StorageSlow,
)
from chainwatch_collector.read.handlers import Fields, on
from chainwatch_collector.read.on_life import request_abort, step, working
from chainwatch_collector.read.open_runs import Hint, OpenMerge, OpenRun
from chainwatch_collector.read.runs import Merge
from chainwatch_collector.read.words import Cause, MergeKind


def hint(engine: Engine, state: OpenRun | None, cause: Cause, strength: int, detail: str) -> None:
    """Note a cause for the run's open merge."""
    if state is None or state.merge is None:
        return
    state.merge.note(Hint(cause, strength, detail[:400], engine.ref(), causes.uuids(detail)))


def open_merge(engine: Engine) -> tuple[OpenRun, OpenMerge] | None:
    """The merge that the line at hand is of."""
    state = engine.run_of(engine.record.pid)
    if state is None or state.ended or state.merge is None:
        return None
    return state, state.merge


@on("inner_seen")
def inner_seen(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    if state is not None:
        engine.learn(sr_of(state), fields["vdi"])
        _candidate(engine, state, "inner", fields["vdi"])


@on("inner_candidate")
def inner_candidate(engine: Engine, fields: Fields) -> None:
    working(engine)


@on("leaf_candidate")
def leaf_candidate(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    if state is not None:
        _candidate(engine, state, "leaf", engine.full(sr_of(state), images.name_of(fields["vdi"])))


def _candidate(engine: Engine, state: OpenRun, kind: MergeKind, vdi: str) -> None:
    if first_time(state.candidates, (kind, vdi)):
        engine.emit(CandidateSeen(ref=engine.ref(), run=state.run.key, sr=sr_of(state), kind=kind, vdi=vdi))


@on("inner_started")
def inner_started(engine: Engine, fields: Fields) -> None:
    _started(engine, "inner", fields)


@on("leaf_started")
def leaf_started(engine: Engine, fields: Fields) -> None:
    _started(engine, "leaf", fields)


def _started(engine: Engine, kind: MergeKind, fields: Fields) -> None:
    state = working(engine)
    if state is None:
        return
    sr = sr_of(state)
    child_node, parent_node = images.image(fields["child"]), images.image(fields["parent"])
    child = engine.full(sr, images.name_of(fields["child"]))
    parent = engine.full(sr, images.name_of(fields["parent"]))
    ref = engine.ref()
    if state.merge is not None:
        if state.merge.merge.kind == "leaf" and kind == "inner":
            return
        # A dry run prints the pair again and again and does nothing (catalogue 3.7): one merge.
        if (state.merge.merge.child, state.merge.merge.parent) == (child, parent):
            return
        ending.end_merge(engine, state, "went_on", ref)
    merge = Merge(kind=kind, child=child, parent=parent, start=ref)
    state.merge = OpenMerge(merge)
    engine.add_merge(state, merge)
    engine.registry.mark(state)
    engine.emit(
        MergeStarted(
            ref=ref,
            run=state.run.key,
            sr=sr,
            kind=kind,
            child=child,
            parent=parent,
            child_node=child_node,
            parent_node=parent_node,
        )
    )
    step(engine, state, "preparing")


@on("inner_refused")
def inner_refused(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    if state is not None:
        ending.refuse(engine, state, "inner", fields["vdi"], int(fields["free"]))


@on("leaf_refused")
def leaf_refused(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    if state is not None:
        ending.refuse(engine, state, "leaf", fields["vdi"], int(fields["free"]))


@on("leaf_offline_possible")
def leaf_offline_possible(engine: Engine, _fields: Fields) -> None:
    state = working(engine)
    if state is not None and state.run.merges:
        vdi = state.run.merges[-1].child
        engine.emit(
            SpaceRefused(
                ref=engine.ref(), run=state.run.key, sr=sr_of(state), vdi=vdi, kind="leaf", offline_possible=True
            )
        )


@on("space_refused")
def space_refused(engine: Engine, fields: Fields) -> None:
    state = engine.run_of(engine.record.pid)
    if state is not None:
        state.refused = True
    engine.emit(SpaceRefused(ref=engine.ref(), run=key_of(state), sr=fields["sr"], vdi=None, kind=None))


# --- the copy -------------------------------------------------------------------------------------------------


@on("copy_started")
def copy_started(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    if state is None or state.merge is None:
        return
    state.merge.copying = images.name_of(fields["vdi"])
    state.merge.copied = False
    vdi = engine.full(sr_of(state), state.merge.copying)
    engine.emit(MergeCopyStarted(ref=engine.ref(), run=state.run.key, sr=sr_of(state), child=vdi))
    step(engine, state, "copying")


@on("online_copy")
def online_copy(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    if state is not None and state.merge is not None:
        child = state.merge.merge.child
        state.merge.copying = child[:8]
        engine.emit(MergeCopyStarted(ref=engine.ref(), run=state.run.key, sr=sr_of(state), child=child, online=True))
        step(engine, state, "copying")


@on("child_done")
def child_done(engine: Engine, _fields: Fields) -> None:
    state = working(engine)
    if state is None or state.merge is None:
        return
    merge = state.merge
    # Of a leaf merge only the leaf's own copy counts; the copies of its internal snapshots are rounds of it.
    own = merge.merge.kind == "inner" or merge.copying in (None, merge.merge.child[:8])
    merge.copied = merge.merge.copied = own
    child = merge.merge.child if own else engine.full(sr_of(state), merge.copying or "")
    engine.emit(MergeCopied(ref=engine.ref(), run=state.run.key, sr=sr_of(state), child=child))


@on("child_failed")
def child_failed(engine: Engine, fields: Fields) -> None:
    state = engine.run_of(engine.record.pid) or _adopt_child(engine, None)
    hint(engine, state, causes.of_text(fields["detail"]), 2, fields["detail"])


@on("child_stuck")
def child_stuck(engine: Engine, _fields: Fields) -> None:
    state = working(engine)
    engine.emit(StorageSlow(ref=engine.ref(), run=key_of(state), sr=sr_of(state), what="child", seconds=20.0))


@on("coalesce_error")
def coalesce_error(engine: Engine, fields: Fields) -> None:
    state = engine.run_of(engine.record.pid) or _adopt_child(engine, fields["sr"])
    text = f"{fields['error']} ({fields['body']}"
    hint(engine, state, causes.of_text(text), 2, text)


@on("repair_tried")
def repair_tried(engine: Engine, fields: Fields) -> None:
    found = open_merge(engine)
    if found is not None:
        engine.learn(sr_of(found[0]), fields["vdi"])
        engine.touch(found[0])


@on("copy_exception")
def copy_exception(engine: Engine, fields: Fields) -> None:
    found = open_merge(engine)
    if found is not None:
        hint(engine, found[0], causes.of_text(fields["detail"]), 2, fields["detail"])


@on("copy_cancelled")
def copy_cancelled(engine: Engine, _fields: Fields) -> None:
    found = open_merge(engine)
    if found is not None:
        hint(engine, found[0], "aborted", 2, "a VM start on the chain cancelled the copy")


@on("online_failed")
def online_failed(engine: Engine, fields: Fields) -> None:
    found = open_merge(engine)
    if found is not None:
        hint(engine, found[0], causes.of_text(fields["detail"]), 2, engine.record.msg)


@on("flag_set")
def flag_set(engine: Engine, fields: Fields) -> None:
    if fields["flag"] == "abort":
        request_abort(engine, fields["sr"], "ipc")
    elif engine.run_of(engine.record.pid) is None:
        _adopt_child(engine, fields["sr"])


@on("speed_logged")
def speed_logged(engine: Engine, fields: Fields) -> None:
    if engine.run_of(engine.record.pid) is None:
        found = causes.uuids(fields["path"])
        _adopt_child(engine, found[0] if found else None)


def _adopt_child(engine: Engine, sr: str | None) -> OpenRun | None:
    """A pid that no run knows speaks of a copy: it is the child of the one run that is copying (on that SR)."""
    pid = engine.record.pid
    found = [
        s
        for s in engine.registry.open()
        if s.merge is not None and s.merge.copying is not None and (sr is None or s.run.sr in (sr, None))
    ]
    if pid is None or pid in engine.registry.orphans or len(found) != 1:
        return None
    tie_child(engine, found[0], pid)
    return found[0]


def tie_child(engine: Engine, state: OpenRun, pid: int) -> None:
    """This pid is a forked child of the run, as long as its merge is open."""
    engine.registry.tie_child(pid, state)
    if state.merge is not None:
        first_time(state.merge.children, pid, PIDS)


# --- after the copy -------------------------------------------------------------------------------------------


def replayed(
    engine: Engine,
    state: OpenRun,
    what: Literal["undone", "finished", "relinked", "undo_failed"],
    vdi: str | None,
    *,
    interrupted: bool,
) -> None:
    """A journal of an earlier run, or of this merge, was worked off."""
    engine.emit(
        JournalReplayed(
            ref=engine.ref(), run=state.run.key, sr=sr_of(state), what=what, vdi=vdi, interrupted=interrupted
        )
    )


@on("already_done")
def already_done(engine: Engine, _fields: Fields) -> None:
    state = working(engine)
    if state is None or state.merge is None:
        return
    state.merge.replayed = True
    vdi = state.merge.merge.child
    replayed(engine, state, "relinked", vdi, interrupted=True)


@on("relinked")
def relinked(engine: Engine, _fields: Fields) -> None:
    state = working(engine)
    if state is not None and state.merge is not None:
        if state.merge.merge.kind == "inner":
            state.merge.relinked = True
        step(engine, state, "relinking")


@on("parent_recorded")
def parent_recorded(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    for name in ("child", "parent"):
        engine.learn(sr_of(state), fields[name])


@on("parent_set")
def parent_set(engine: Engine, fields: Fields) -> None:
    engine.learn(sr_of(engine.worker()), fields["parent"])


@on("renamed")
def renamed(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    for name in ("old", "new"):
        for uuid in causes.uuids(fields[name].rsplit("/", 1)[-1]):
            engine.learn(sr_of(state), uuid)


@on("inner_failed")
def inner_failed(engine: Engine, _fields: Fields) -> None:
    state = working(engine)
    if state is not None:
        state.something_failed = True
        if state.merge is not None:
            state.merge.failed = True


@on("leaf_failed")
def leaf_failed(engine: Engine, _fields: Fields) -> None:
    state = working(engine)
    if state is not None:
        state.something_failed = True
        if state.merge is not None:
            state.merge.failed = True


@on("multi_attach")
def multi_attach(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    vdi = fields.get("vdi") or (state.merge.merge.child if state and state.merge else None)
    if state is not None:
        state.reason = "multi_attach"
    hint(engine, state, "multi_attach", 3, engine.record.msg)
    engine.emit(MultiAttachSeen(ref=engine.ref(), run=key_of(state), sr=sr_of(state), vdi=vdi))


@on("gc_running_left")
def gc_running_left(engine: Engine, fields: Fields) -> None:
    found = open_merge(engine)
    vdi = found[1].merge.child if found else None
    engine.emit(
        StaleFlagSeen(
            ref=engine.ref(), run=key_of(found[0]) if found else None, sr=fields["sr"], flag="gc_running", vdi=vdi
        )
    )


@on("relink_waited")
def relink_waited(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    engine.emit(
        StaleFlagSeen(ref=engine.ref(), run=key_of(state), sr=sr_of(state), flag="activating", vdi=fields["vdi"])
    )

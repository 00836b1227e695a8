"""Handlers: what is a leaf merge's own (L rows): rounds, giving up, races, journals undone and finished."""

from __future__ import annotations

from typing import Literal

from chainwatch_collector.read import images
from chainwatch_collector.read.bounds import first_time
from chainwatch_collector.read.engine import Engine, key_of, sr_of
from chainwatch_collector.read.facts import (
    LeafGaveUp,
    LeafIterated,
    LeafSkipped,
    TapdiskUnpauseFailed,
)
from chainwatch_collector.read.handlers import Fields, on
from chainwatch_collector.read.on_life import step, working
from chainwatch_collector.read.on_merge import replayed


@on("leaf_on_boot", "leaf_caching", "leaf_switched_off")
def leaf_skipped(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    if state is None:
        return
    vdi = engine.full(sr_of(state), images.name_of(fields["vdi"]))
    why: Literal["on_boot", "caching", "switched_off"] = "switched_off"
    if engine.record.msg.startswith("Skipping"):
        why = "on_boot" if "reset-on-boot" in engine.record.msg else "caching"
    if first_time(state.skipped, (why, vdi)):
        engine.emit(LeafSkipped(ref=engine.ref(), run=state.run.key, sr=sr_of(state), vdi=vdi, why=why))


@on("leaf_snapshot")
def leaf_snapshot(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    if state is not None and state.merge is not None:
        state.merge.iterations += 1
        node = images.image(fields["vdi"])
        engine.emit(
            LeafIterated(
                ref=engine.ref(),
                run=state.run.key,
                sr=sr_of(state),
                vdi=state.merge.merge.child,
                attempt=state.merge.iterations,
                initial_bytes=node.physical_bytes if node else None,
            )
        )
        step(engine, state, "pausing")


@on("leaf_parent_copy")
def leaf_parent_copy(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    if state is not None and state.merge is not None:
        state.merge.copying = images.name_of(fields["vdi"])


@on("leaf_raced")
def leaf_raced(engine: Engine, _fields: Fields) -> None:
    state = working(engine)
    if state is not None and state.merge is not None:
        state.merge.raced = True


@on("leaf_no_progress")
def leaf_no_progress(engine: Engine, _fields: Fields) -> None:
    working(engine)


@on("leaf_iteration")
def leaf_iteration(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    if state is not None and state.merge is not None:
        engine.emit(
            LeafIterated(
                ref=engine.ref(),
                run=state.run.key,
                sr=sr_of(state),
                vdi=state.merge.merge.child,
                attempt=int(fields["n"]),
                initial_bytes=int(fields["first"]),
                final_bytes=int(fields["last"]),
            )
        )


@on("leaf_gave_up")
def leaf_gave_up(engine: Engine, _fields: Fields) -> None:
    state = working(engine)
    if state is None or state.merge is None:
        return
    state.merge.gave_up = engine.record.msg
    engine.emit(
        LeafGaveUp(
            ref=engine.ref(),
            run=state.run.key,
            sr=sr_of(state),
            vdi=state.merge.merge.child,
            reason=engine.record.msg,
            iterations=state.merge.iterations or None,
        )
    )


@on("unpause_failed")
def unpause_failed(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    vdi = engine.full(sr_of(state), images.name_of(fields["vdi"]))
    engine.emit(
        TapdiskUnpauseFailed(ref=engine.ref(), run=key_of(state), sr=sr_of(state), vdi=vdi, detail=engine.record.msg)
    )


# --- journals -------------------------------------------------------------------------------------------------


@on("undo_started", "finish_started")
def journal_started(engine: Engine, _fields: Fields) -> None:
    state = working(engine)
    if state is not None:
        state.journal_vdi = None
        if state.merge is not None:
            state.merge.copied = state.merge.merge.copied = False
        step(engine, state, "undoing" if "UNDO" in engine.record.msg else "finishing")


@on("child_renamed_back")
def child_renamed_back(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    if state is not None:
        state.journal_vdi = fields["vdi"]
        engine.learn(sr_of(state), fields["vdi"])


@on("undone", "finished")
def journal_done(engine: Engine, _fields: Fields) -> None:
    state = working(engine)
    if state is None:
        return
    state.any_work = True
    what: Literal["undone", "finished"] = "undone" if "undo" in engine.record.msg else "finished"
    if what == "finished" and state.merge is not None:
        state.merge.copied = True
    replayed(engine, state, what, state.journal_vdi, interrupted=state.merge is None)


@on("finish_failed")
def finish_failed(engine: Engine, fields: Fields) -> None:
    state = working(engine)
    if state is not None:
        replayed(engine, state, "undo_failed", fields["vdi"], interrupted=True)

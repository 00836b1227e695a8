"""What a whole block of lines means, once its last line is there: trees, exceptions, failed commands, scan output."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from chainwatch_collector.read import causes, ending, failures, images
from chainwatch_collector.read.blocks import Block
from chainwatch_collector.read.bounds import TREE_NODES
from chainwatch_collector.read.engine import Engine, PendingFailure, key_of, sr_of
from chainwatch_collector.read.facts import (
    GarbageSeen,
    ScanSucceeded,
    TreeSeen,
    TreeUnchanged,
    VdiCorrupt,
)
from chainwatch_collector.read.on_host import traceback_closed
from chainwatch_collector.read.on_merge import hint
from chainwatch_collector.read.on_sm import sm_exception
from chainwatch_collector.read.open_runs import Hint, OpenRun
from chainwatch_collector.read.words import TreeNode

_EXCEPTION = re.compile(r"(?P<tag>.*?): EXCEPTION <(?:class|type) '(?P<cls>[^']*)'>, (?P<msg>.*)", re.DOTALL)
_FRAME = re.compile(r"\n  File \"", re.DOTALL)
_MERGE_TAGS = ("coalesce", "leaf-coalesce", "_doCoalesceLeaf", "pauseVDIs", "_finishInterruptedCoalesceLeaf")


def closed(engine: Engine, block: Block) -> None:
    """A block ended, by its own end (`whole`) or cut short. What it proves is proved by the line that says it."""
    if block.kind == "tree":
        _tree(engine, block)
    elif block.kind == "deletion":
        _deletion(engine, block)
    elif block.kind in _TOLD:
        engine.proof = block.start
        _TOLD[block.kind](engine, block)
        engine.proof = None


def _trace(engine: Engine, block: Block) -> None:
    sm_exception(engine, block.start, _message(block.text))


def _traceback(engine: Engine, block: Block) -> None:
    traceback_closed(engine, block, engine.record.pid)


def _message(text: str) -> str:
    """An exception's text without its traceback."""
    return _FRAME.split(text, maxsplit=1)[0]


def _tree(engine: Engine, block: Block) -> None:
    state = engine.registry.by_worker.get(engine.record.pid if engine.record.pid is not None else -1)
    if state is None or state.superseded:
        return
    header = block.header
    vdis, trees = int(header["vdis"]), int(header["trees"])
    if state.run.sr is None or state.run.sr.startswith(header["sr"]):
        state.run.sr_prefix, state.run.sr_name = header["sr"][:4], header["name"]
    if not state.ended:
        _scanned(engine, state, vdis)
    complete = not header["rest"]
    found = images.nodes(block.nodes)
    sr = sr_of(state)
    if header["rest"] == "no changes":
        if not state.ended or vdis:
            engine.emit(
                TreeUnchanged(
                    ref=block.start, run=state.run.key, sr=sr, sr_name=header["name"], vdi_count=vdis, tree_count=trees
                )
            )
    elif block.whole or found:
        _remember(state, found, block.gone, complete=complete)
        engine.emit(
            TreeSeen(
                ref=block.start,
                run=state.run.key,
                sr=sr,
                sr_name=header["name"],
                vdi_count=vdis,
                tree_count=trees,
                complete=complete and block.whole,
                nodes=tuple(n._replace(vdi=engine.full(sr, n.vdi), parent=_full(engine, sr, n.parent)) for n in found),
                gone=tuple(block.gone),
            )
        )
    if state.run.op == "gc_force" and state.planned_deletion and not state.ended:
        state.clean = True
        ending.end_run(engine, state, engine.ref())


def _full(engine: Engine, sr: str | None, prefix: str | None) -> str | None:
    return None if prefix is None else engine.full(sr, prefix)


def _scanned(engine: Engine, state: OpenRun, vdis: int) -> None:
    engine.touch(state)
    ending.claim_lock(engine, state)
    if vdis or not state.scan_attempts:
        state.scan_attempts = 0
        if not state.tree_seen:
            engine.emit(ScanSucceeded(ref=engine.ref(), run=state.run.key, sr=sr_of(state), by="gc"))
        state.tree_seen = True


def _remember(state: OpenRun, found: tuple[TreeNode, ...], gone: list[str], *, complete: bool) -> None:
    if complete or state.forest_nodes + len(found) > TREE_NODES:
        state.forest.clear()
        state.forest_nodes = 0
    state.forest_nodes += len(found)
    for root in gone:
        state.forest.pop(root[:8], None)
    roots = [number for number, node in enumerate(found) if node.depth == 0 or number == 0]
    for begin, end in pairwise([*roots, len(found)]):
        state.forest[found[begin].vdi] = found[begin:end]


def _deletion(engine: Engine, block: Block) -> None:
    state = engine.run_of(engine.record.pid)
    sr = sr_of(state)
    vdis = tuple(engine.full(sr, images.name_of(text)) for text in block.lines)
    engine.emit(GarbageSeen(ref=block.start, run=key_of(state), sr=sr, count=block.expected, vdis=vdis))


def _banner(engine: Engine, block: Block) -> None:
    state = engine.run_of(engine.record.pid)
    found = _EXCEPTION.match(block.text)
    if state is None or found is None:
        return
    tag, cls = found["tag"], found["cls"]
    message = _message(found["msg"]).strip()
    text = f"{cls.rsplit('.', 1)[-1] if 'XenAPI' not in cls else 'XenAPI.Failure'} {message}"
    if tag == "gc":
        _run_error(engine, state, cls, message, text)
        return
    cause = causes.of_text(text)
    in_worker = state.worker == engine.record.pid
    _images_named(engine, state, message)
    if in_worker and tag in _MERGE_TAGS:
        # "Child process exited with error" says nothing; every other text of the worker is the cause itself.
        strength = 3 if cause in ("corrupt", "timed_out", "guest_writes", "multi_attach") else 1
        if cause == "timed_out" and state.merge is not None and state.merge.merge.kind == "inner":
            strength = 1
        hint(engine, state, cause, strength, message)
        if tag in ("coalesce", "leaf-coalesce") and state.merge is not None:
            state.merge.failed = True
    else:
        hint(engine, state, cause, 2, message)


def _run_error(engine: Engine, state: OpenRun, cls: str, message: str, text: str) -> None:
    cause = causes.of_text(text)
    hint(engine, state, cause, 2, message)
    if state.merge is None and state.merge_at_end and state.last_merge is not None:
        # G17 came first and closed the merge in which the run died: its end is told again, with the cause.
        state.last_merge.note(Hint(cause, 2, message[:400], engine.ref(), causes.uuids(message)))
    failures.apply(engine, state, PendingFailure(cls, message, engine.ref()))
    ending.end_run(engine, state, engine.ref())


def _images_named(engine: Engine, state: OpenRun, message: str) -> None:
    printed = causes.corrupt_image(message)
    if printed is None:
        return
    prefix = images.name_of(printed)
    process = engine.process(engine.record.pid)
    engine.emit(
        VdiCorrupt(
            ref=engine.ref(),
            run=state.run.key,
            sr=sr_of(state),
            vdi=engine.full(sr_of(state), prefix),
            detail=process.check_text or message,
            sure=process.check_code not in causes.UNSURE_CODES,
            after_kill=prefix in engine.killed_images,
        )
    )


def _failed(engine: Engine, block: Block) -> None:
    process = engine.process(engine.record.pid)
    command = process.command
    process.command = None
    if command == "check":
        process.check_code = causes.return_code(block.text)
        process.check_text = _first_output(block.text)
    if command not in ("check", "coalesce"):
        return
    state = engine.run_of(engine.record.pid)
    hint(engine, state, causes.of_command(command, block.text), 3, block.text)


def _first_output(text: str) -> str:
    """The first thing the tool said."""
    for part in re.split(r"std(?:out|err): '|\n", text)[1:]:
        said = part.strip(" ',")
        if said:
            return said[:200]
    return ""


_TOLD: dict[str, Callable[[Engine, Block], None]] = {
    "banner": _banner,
    "trace": _trace,
    "failed": _failed,
    "traceback": _traceback,
}

"""One line per SR: its state in a word and its numbers, null where nothing can tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from chainwatch_collector.judge.answer import Finding, SrAnswer
from chainwatch_collector.judge.condition import INVENTORY, log_sources
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.state import PoolState, SrState, StateWord

_WORDS: Final[tuple[tuple[StateWord, frozenset[str]], ...]] = (
    ("stuck", frozenset(("GC_STUCK",))),
    ("crashed", frozenset(("GC_CRASHED", "SR_SCAN_FAILED"))),
    ("starved", frozenset(("GC_NOT_RUNNING",))),
    ("failed", frozenset(("COALESCE_FAILED", "GC_INEFFECTIVE", "VDI_CORRUPT", "VDI_PARENT_MISSING"))),
    ("blocked", frozenset(("COALESCE_NO_SPACE", "CHAIN_MULTI_HOST", "GC_BLOCKED_BY_HOST", "SR_DETACHED"))),
    ("disabled", frozenset(("GC_DISABLED",))),
)
"""The first of these whose codes are open for the SR is its word; a run at work comes after `stuck`."""


def of(
    state: PoolState, findings: Sequence[Finding], now: datetime, limits: Thresholds, lost: frozenset[str]
) -> Iterator[SrAnswer]:
    """Every SR of the inventory, and of those of the logs alone where there is no inventory or something to tell."""
    codes: dict[str, set[str]] = {}
    told = {finding.sr_uuid for finding in findings}
    has_inventory = not state.offline and state.picture is not None and state.picture.pool is not None
    for finding in findings:
        if finding.sr_uuid is not None and finding.severity != "info":
            codes.setdefault(finding.sr_uuid, set()).add(finding.code)
    for uuid in sorted(state.srs):
        sr = state.srs[uuid]
        if sr.record is None and has_inventory and uuid not in told:
            continue
        yield answer_of(sr, word(state, sr, codes.get(uuid, set()), lost))


def word(state: PoolState, sr: SrState, codes: set[str], lost: frozenset[str]) -> StateWord:
    """The SR's state in a word (interfaces.md section 3)."""
    if sr.no_gc:
        return "no_gc"
    if lost & log_sources(sr) or (sr.record is not None and INVENTORY in lost):
        return "unknown"
    for name, raising in _WORDS:
        if codes & raising:
            return name
        if name == "stuck" and sr.open_run is not None:
            return "running"
    return _calm(state, sr)


def _calm(state: PoolState, sr: SrState) -> StateWord:
    """Nothing is wrong that anybody knows of; is enough known to say so?"""
    host = state.hosts.get(sr.gc_host) if sr.gc_host is not None else None
    if sr.record is not None and not state.offline and (host is None or host.covered_until is None):
        return "unknown"
    if sr.forest is not None and sr.record is not None:
        pending, kept = sr.forest.pending, sr.forest.kept
    elif sr.tree is not None and sr.tree.ref is not None:
        inner, leaf = sr.tree.pending()
        pending, kept = inner + leaf, sr.tree.kept()
    else:
        return "idle" if sr.full_run is not None else "unknown"
    if pending:
        return "waiting"
    return "quiet" if kept else "idle"


def answer_of(sr: SrState, state_word: StateWord) -> SrAnswer:
    """The numbers beside the word: the inventory's where it has the chains, else the last tree's that SM printed."""
    last = sr.last_merge.at if sr.last_merge is not None else None
    if sr.no_gc or (sr.forest is None and sr.tree is None):
        return SrAnswer(sr.uuid, sr.name, state_word, free_ratio=_free_ratio(sr), last_merge_at=last)
    if sr.forest is not None:
        forest = sr.forest
        return SrAnswer(
            uuid=sr.uuid,
            name=sr.name,
            state=state_word,
            depth_max=forest.depth_max,
            inner_pending=forest.inner_pending,
            leaf_pending=forest.leaf_pending,
            kept=forest.kept,
            blocked=forest.blocked,
            garbage=forest.garbage,
            free_ratio=_free_ratio(sr),
            bytes_to_merge=forest.bytes_to_merge,
            eta_seconds=eta_seconds(sr),
            last_merge_at=last,
        )
    tree = sr.tree
    if tree is None or tree.ref is None:
        return SrAnswer(sr.uuid, sr.name, state_word, last_merge_at=last)
    inner, leaf = tree.pending()
    return SrAnswer(
        uuid=sr.uuid,
        name=sr.name,
        state=state_word,
        depth_max=tree.depth_max,
        inner_pending=inner,
        leaf_pending=leaf,
        kept=tree.kept(),
        blocked=None,
        garbage=len(tree.garbage()),
        last_merge_at=last,
    )


def _free_ratio(sr: SrState) -> float | None:
    record = sr.record
    if record is None or record.physical_size_bytes <= 0:
        return None
    return max(0.0, 1 - record.physical_utilisation_bytes / record.physical_size_bytes)


def eta_seconds(sr: SrState) -> float | None:
    """The backlog at the rate of the last merges; None without a backlog's size or enough merges to judge by."""
    todo = sr.forest.bytes_to_merge if sr.forest is not None else None
    rate = merge_rate(sr)
    if not todo or rate is None:
        return 0.0 if todo == 0 else None
    return todo / rate


def merge_rate(sr: SrState, samples: int = 3) -> float | None:
    """Bytes per second over the newest merges that told their size; None with fewer than `samples`."""
    if len(sr.rates) < samples:
        return None
    seconds = sum(rate.seconds for rate in sr.rates)
    return sum(rate.copied_bytes for rate in sr.rates) / seconds if seconds > 0 else None

"""`why VDI`: is the disk there and readable, how long is its chain, what of it merges, what keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chainwatch_collector.chains.forest import MAX_DEPTH, Forest, Node
from chainwatch_collector.judge import keepers
from chainwatch_collector.judge.answer import Answer, Finding
from chainwatch_collector.judge.checklist import Check, CheckStatus, Subject
from chainwatch_collector.judge.why_asked import Asked, findings_of_sr, gc_host_of, sr_answer
from chainwatch_collector.judge.why_merges import copy_told, free_bytes
from chainwatch_collector.judge.why_sources import agent_reports, log_known, pool_reachable
from chainwatch_collector.track.state import PoolState, SrState
from chainwatch_collector.words import STATE_STATUS, STATE_WORDS, duration, plural, short, size

READABLE: Final = "image readable"
FLAGS: Final = "no flag or holder in the way"
CHAIN: Final = "chain depth"
PATH: Final = "what its chain is made of"
OWN: Final = "its own merge"
SPACE: Final = "free space for that merge"
PROCESS: Final = "merge running on its chain"
HISTORY: Final = "last merge of its chain"
NAMES_SHOWN: Final = 3
ITS_SR: Final = "its SR"
ASIDE: Final = frozenset((ITS_SR, SPACE, HISTORY))
_OF_SR: Final[dict[str, CheckStatus]] = {"ok": "ok", "warning": "warning", "error": "warning"}
"""What the SR's trouble is for one of its disks: it may concern another."""


@dataclass(frozen=True, slots=True)
class Found:
    """A VDI in the forest of its SR; `path` from it up to the root."""

    sr: SrState
    forest: Forest
    node: Node
    path: tuple[Node, ...]

    @property
    def uuids(self) -> frozenset[str]:
        return frozenset(node.vdi.uuid for node in self.path)


def find(state: PoolState, uuid: str) -> Found | None:
    """The VDI by its uuid; None where no SR's inventory has it."""
    for sr in state.srs.values():
        if sr.forest is not None and uuid in sr.forest.nodes:
            return Found(sr, sr.forest, sr.forest.nodes[uuid], tuple(keepers.up_from(sr.forest, uuid)))
    return None


def findings(answer: Answer, state: PoolState, found: Found) -> tuple[Finding, ...]:
    """Those about a VDI of the chain, and those about its SR as a whole."""
    all_of_sr = findings_of_sr(answer, found.sr, gc_host_of(state, found.sr))
    return tuple(one for one in all_of_sr if one.subject.kind != "vdi" or one.subject.uuid in found.uuids)


def checks(asked: Asked, found: Found) -> tuple[Check, ...]:
    """The lines in their order."""
    host = gc_host_of(asked.state, found.sr)
    lines = [
        pool_reachable(asked),
        agent_reports(asked, host, "agent on the GC host reporting"),
        log_known(asked, host),
    ]
    lines += [_sr(asked, found), _readable(asked, found), _flags(asked, found), _depth(asked, found), _path(found)]
    lines += [_own(asked, found), _space(asked, found), _process(found), _history(asked, found)]
    return tuple(lines)


def sentence(found: Found, subject: Subject) -> str:
    """The conclusion where nothing is wrong."""
    name = subject.name or short(subject.uuid)
    pending = sum(1 for node in found.path if node.status in ("inner_pending", "leaf_pending"))
    room = plural(max(0, MAX_DEPTH - found.node.depth), "more snapshot")
    todo = f"{plural(pending, 'merge')} to do in its chain" if pending else "nothing to merge in its chain"
    return f"{name} is fine: {todo}, {found.node.depth} of {MAX_DEPTH} deep, room for {room}."


def _sr(asked: Asked, found: Found) -> Check:
    answer = sr_answer(asked.answer, found.sr)
    word = answer.state if answer is not None else "unknown"
    judged = asked.judged(
        ITS_SR, "SR_SCAN_FAILED", "SR_DETACHED", "GC_CRASHED", "GC_STUCK", "GC_NOT_RUNNING", "GC_DISABLED"
    )
    if judged is not None:
        return judged
    status = _OF_SR.get(STATE_STATUS.get(word, "unknown"), "unknown")
    return Check(ITS_SR, status, f"SR {found.sr.name or found.sr.uuid} is {STATE_WORDS.get(word, word)}")


def _readable(asked: Asked, found: Found) -> Check:
    judged = asked.judged(READABLE, "VDI_LOST", "VDI_PARENT_MISSING", "VDI_CORRUPT", "SR_IO_ERRORS")
    if judged is not None:
        return judged
    if found.node.vdi.missing:
        return Check(READABLE, "warning", "XAPI calls it missing: the last scan did not find it on the storage")
    gone = next((node for node in found.path if node.vdi.uuid in found.forest.missing_parents), None)
    if gone is not None:
        parent = found.forest.missing_parents[gone.vdi.uuid]
        return Check(
            READABLE, "warning", f"the parent {short(parent)} of {short(gone.vdi.uuid)} is not in the inventory"
        )
    return Check(READABLE, "ok", "nothing in the logs or the inventory doubts an image of its chain")


def _flags(asked: Asked, found: Found) -> Check:
    judged = asked.judged(FLAGS, "DISK_FROZEN", "VDI_STALE_FLAG", "VDI_HELD_BY_CONTROL_DOMAIN", "CHAIN_MULTI_HOST")
    if judged is not None:
        return judged
    flags = sorted(
        f"{flag} on {short(node.vdi.uuid)}"
        for node in found.path
        for flag in ("relinking", "activating", "paused")
        if getattr(node.vdi, flag)
    )
    hosts = len(found.node.vdi.attached_hosts)
    on = f"attached on {plural(hosts, 'host')}" if hosts else "attached nowhere"
    if flags:
        return Check(FLAGS, "info", f"{', '.join(flags)}, not yet for too long; {on}")
    return Check(FLAGS, "ok", on)


def _depth(asked: Asked, found: Found) -> Check:
    judged = asked.judged(CHAIN, "CHAIN_AT_LIMIT", "CHAIN_NEAR_LIMIT")
    if judged is not None:
        return judged
    room = plural(max(0, MAX_DEPTH - found.node.depth), "snapshot")
    return Check(CHAIN, "ok", f"{found.node.depth} of {MAX_DEPTH}: room for {room}")


def _path(found: Found) -> Check:
    counts = {"pending": 0, "kept": 0, "blocked": 0}
    for node in found.path:
        word = "pending" if node.status in ("inner_pending", "leaf_pending") else node.status
        if word in counts:
            counts[word] += 1
    told = ", ".join(f"{count} {word}" for word, count in counts.items())
    return Check(PATH, "ok", f"{plural(len(found.path), 'image')}: {told}{_keepers(found)}")


def _keepers(found: Found) -> str:
    """Whose snapshots or clones keep the chain long."""
    names = keepers.told(keepers.of_chain(found.forest, found.node.vdi.uuid), NAMES_SHOWN)
    return f"; kept by {names}" if names else ""


def _own(asked: Asked, found: Found) -> Check:
    judged = asked.judged(OWN, "COALESCE_FAILED", "LEAF_COALESCE_GAVE_UP", "LEAF_COALESCE_BLOCKED", "COALESCE_NO_SPACE")
    if judged is not None:
        return judged
    node = found.node
    since = found.sr.pending_since.get(node.vdi.uuid)
    waits = f" for {duration((asked.now - since).total_seconds())}" if since is not None else ""
    told = {
        "inner_pending": f"waits{waits} to be merged into its parent {short(node.parent or '')}",
        "leaf_pending": f"its leaf waits{waits} to be merged into its parent {short(node.parent or '')}",
        "kept": "kept: a snapshot or clone needs it",
        "base": "nothing to merge into: it is the root of what remains",
        "leaf": "nothing to merge: it is a leaf, and its parent is needed by others too or is not there",
        "garbage": "waits for deletion, not for a merge",
    }
    if node.status == "blocked":
        return Check(OWN, "info", f"would be merged, but {node.reason} keeps it from that")
    if node.status == "unknown":
        return Check(OWN, "unknown", found.sr.no_gc or "its place in the tree cannot be told")
    return Check(OWN, "ok", told.get(node.status, node.status))


def _space(asked: Asked, found: Found) -> Check:
    todo = [node for node in found.path if node.status in ("inner_pending", "leaf_pending")]
    free = free_bytes(found.sr)
    if not todo:
        return Check(SPACE, "skipped", "nothing of its chain waits to be merged")
    needs = [node.need_bytes for node in todo if node.need_bytes is not None]
    if free is None or not needs:
        return Check(SPACE, "unknown", "what its merges need cannot be told from XenAPI")
    told = f"{size(free)} free; its merges need {size(min(needs))} to {size(max(needs))}"
    return Check(SPACE, "ok" if min(needs) <= free else "warning", told)


def _process(found: Found) -> Check:
    running = [one for one in found.sr.processes if one.copies and one.process.vdi_uuid in found.uuids]
    if running:
        return Check(PROCESS, "ok", "; ".join(copy_told(found.sr, one) for one in running))
    return Check(PROCESS, "skipped", "no merge of its chain is running")


def _history(asked: Asked, found: Found) -> Check:
    prefixes = {uuid[:8] for uuid in found.uuids}
    merges = [merge for run in found.sr.runs for merge in run.merges if merge.child[:8] in prefixes]
    if not merges:
        return Check(HISTORY, "skipped", "none stands in the logs read")
    last = merges[-1]
    cause = f" ({last.cause.replace('_', ' ')})" if last.cause else ""
    told = (
        f"{last.kind} merge of {short(last.child)} {asked.age(last.start.at)}: {last.outcome.replace('_', ' ')}{cause}"
    )
    return Check(HISTORY, "ok" if last.outcome in ("done", "running") else "info", told)

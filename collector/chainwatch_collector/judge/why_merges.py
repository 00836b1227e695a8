"""The lines of `why SR` about merges: what is to do, is there room, what runs, what failed, how deep are the chains."""

from __future__ import annotations

from typing import Final

from chainwatch_collector.chains.forest import MAX_DEPTH, Forest, Node
from chainwatch_collector.judge.checklist import Check
from chainwatch_collector.judge.sr_answers import eta_seconds
from chainwatch_collector.judge.why_asked import Asked
from chainwatch_collector.judge.why_sources import known_now
from chainwatch_collector.track.image_work import ImageProcess
from chainwatch_collector.track.runs_seen import MergeSeen
from chainwatch_collector.track.state import HostState, SrState
from chainwatch_collector.words import duration, percent, plural, rate, short, size

TO_DO: Final = "merges to do"
SPACE: Final = "free space for the next merge"
PROCESS: Final = "merge running"
FAILED: Final = "failed merges"
DEPTH: Final = "chain depth"
PENDING: Final = ("inner_pending", "leaf_pending")


def merges_to_do(asked: Asked, sr: SrState) -> Check:
    """Pending, kept, blocked: what SM would merge, what snapshots need, what something keeps from merging."""
    judged = asked.judged(TO_DO, "CHAIN_MULTI_HOST", "VDI_STALE_FLAG", "COALESCE_BEHIND", "COALESCE_SLOW")
    told = _to_do(asked, sr)
    if judged is not None:
        return Check(TO_DO, judged.status, f"{judged.detail} {told}".strip())
    return Check(
        TO_DO, "ok" if told else "unknown", told or "neither an inventory nor a tree in the log shows its chains"
    )


def _to_do(asked: Asked, sr: SrState) -> str:
    forest = sr.forest
    if forest is not None and sr.record is not None:
        since = min(
            (sr.pending_since[uuid] for uuid in pending_nodes(forest) if uuid in sr.pending_since), default=None
        )
        oldest = f", the oldest for {duration((asked.now - since).total_seconds())}" if since is not None else ""
        parts = f"{forest.inner_pending} inner and {forest.leaf_pending} leaf pending{oldest}{_amount(sr)}"
        return f"{parts}; {forest.kept} kept by snapshots or clones; {forest.blocked} blocked{_reasons(forest)}."
    if sr.tree is not None and sr.tree.ref is not None:
        inner, leaf = sr.tree.pending()
        when = asked.age(sr.tree.ref.at)
        return f"{inner} inner and {leaf} leaf pending, {sr.tree.kept()} kept, by the tree that SM printed {when}."
    return ""


def _amount(sr: SrState) -> str:
    todo = sr.forest.bytes_to_merge if sr.forest is not None else None
    if not todo:
        return ""
    left = eta_seconds(sr)
    return f" ({size(todo)}" + (f", about {duration(left)} at the last rate)" if left is not None else ")")


def _reasons(forest: Forest) -> str:
    reasons = sorted({node.reason for node in forest.nodes.values() if node.status == "blocked" and node.reason})
    return f" ({', '.join(reasons)})" if reasons else ""


def pending_nodes(forest: Forest) -> dict[str, Node]:
    """uuid → what SM would merge now."""
    return {uuid: node for uuid, node in forest.nodes.items() if node.status in PENDING}


def space_for_merge(asked: Asked, sr: SrState) -> Check:
    """Free space against the smallest need of what is pending: SM takes the next candidate that fits."""
    judged = asked.judged(SPACE, "COALESCE_NO_SPACE", "SR_FULL", "SR_FULL_SOON", "SR_SPACE_LOW")
    free = free_bytes(sr)
    left = f"{size(free)} free ({percent(_free_ratio(sr))})" if free is not None else ""
    if judged is not None:
        return judged
    if free is None or sr.forest is None:
        return Check(SPACE, "unknown", "only the inventory tells how much is free, and what a merge needs")
    todo = pending_nodes(sr.forest)
    needs = [node.need_bytes for node in todo.values() if node.need_bytes is not None]
    if not todo:
        return Check(SPACE, "ok", f"{left}; nothing waits to be merged")
    if not needs:
        return Check(SPACE, "unknown", f"{left}; what the next merge needs cannot be told from XenAPI")
    return Check(
        SPACE, "ok" if min(needs) <= free else "warning", f"{left}; the smallest merge needs {size(min(needs))}"
    )


def free_bytes(sr: SrState) -> int | None:
    """None where the SR has no size or no inventory tells it."""
    record = sr.record
    if record is None or record.physical_size_bytes <= 0:
        return None
    return max(0, record.physical_size_bytes - record.physical_utilisation_bytes)


def _free_ratio(sr: SrState) -> float | None:
    free = free_bytes(sr)
    return free / sr.record.physical_size_bytes if free is not None and sr.record is not None else None


def merge_process(asked: Asked, sr: SrState, host: HostState | None, blocked_by: str) -> Check:
    """Who copies, how far, how fast, how long still. `blocked_by`: a line above that keeps merges from running."""
    copies = [process for process in sr.processes if process.copies]
    if copies:
        return Check(PROCESS, "ok", "; ".join(copy_told(sr, process) for process in copies))
    merge = running_merge(sr)
    if merge is not None:
        pair = f"{merge.kind} merge of {short(merge.child)} into {short(merge.parent)}"
        where = "the log alone does not show how far it is" if asked.state.offline else "no image process is seen"
        return Check(PROCESS, "unknown", f"{pair} began {asked.age(merge.start.at)}; {where}")
    if blocked_by:
        return Check(PROCESS, "skipped", f"not expected, blocked above: {blocked_by}")
    if not known_now(asked, host):
        return Check(PROCESS, "unknown", "the log of its GC host is not known up to now")
    return Check(PROCESS, "skipped", "no merge is running")


def running_merge(sr: SrState) -> MergeSeen | None:
    """The merge that the open run is in."""
    merges = sr.open_run.merges if sr.open_run is not None else ()
    return next((merge for merge in reversed(merges) if merge.outcome == "running"), None)


def copy_told(sr: SrState, found: ImageProcess) -> str:
    """One copy: bytes written of what the inventory says is to be copied, the rate, and what is left of it."""
    process = found.process
    node = sr.forest.nodes.get(process.vdi_uuid) if sr.forest is not None else None
    total = node.copy_bytes if node is not None else None
    speed = found.rate_bytes_per_second
    done = process.write_bytes
    of = f" of {size(total)}" if total else ""
    left = f", {duration(max(0, total - done) / speed)} left" if total and speed else ""
    fast = f", {rate(speed)}" if speed is not None else ""
    what = short(process.vdi_uuid) if process.vdi_uuid else "an image"
    return f"{process.kind.replace('_', ' ')} of {what} (pid {process.pid}): {size(done)}{of}{fast}{left}"


def failed_merges(asked: Asked, sr: SrState, host: HostState | None) -> Check:
    """Pairs that failed and were not merged since, with the cause; else when the last merge was done."""
    judged = asked.judged(FAILED, "COALESCE_FAILED", "VDI_CORRUPT", "LEAF_COALESCE_GAVE_UP", "LEAF_COALESCE_BLOCKED")
    last = sr.last_merge.at if sr.last_merge is not None else None
    told = (
        f"The last merge was done {asked.age(last)}." if last is not None else "No finished merge is in the logs read."
    )
    if judged is not None:
        return Check(FAILED, judged.status, f"{judged.detail} {told}")
    if not sr.runs and sr.last_merge is None:
        return Check(FAILED, "unknown", "no run stands in the logs read")
    if not known_now(asked, host):
        return Check(FAILED, "unknown", f"none was open when the log was last known. {told}")
    return Check(FAILED, "ok", f"None is open. {told}")


def chain_depth(asked: Asked, sr: SrState) -> Check:
    """The deepest chain and how many snapshots it still takes."""
    judged = asked.judged(DEPTH, "CHAIN_AT_LIMIT", "CHAIN_NEAR_LIMIT")
    if judged is not None:
        return judged
    if sr.forest is not None and sr.record is not None:
        depth, of = sr.forest.depth_max, ""
    elif sr.tree is not None and sr.tree.ref is not None:
        depth, of = sr.tree.depth_max, ", by the tree in the log"
    else:
        return Check(DEPTH, "unknown", "neither an inventory nor a tree in the log shows its chains")
    room = plural(max(0, MAX_DEPTH - depth), "snapshot")
    return Check(DEPTH, "ok", f"the deepest chain has {depth} of {MAX_DEPTH}: room for {room}{of}")

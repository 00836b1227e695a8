"""Codes about the length of chains."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from chainwatch_collector.chains.forest import Forest, Node
from chainwatch_collector.judge import keepers
from chainwatch_collector.judge.condition import INVENTORY, Condition, chain_of, of_sr, sr_words, vdi_words
from chainwatch_collector.judge.registry import family
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.read.words import TreeNode
from chainwatch_collector.track.incidents import Incident
from chainwatch_collector.track.state import PoolState, SrState


@family("CHAIN_NEAR_LIMIT", "CHAIN_AT_LIMIT")
def long_chains(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """By the inventory where there is one, else by the last tree that SM printed; and wherever SM refused with 109."""
    for sr in state.srs.values():
        refused = {one.vdi[:8]: one for one in sr.open_incidents("chain_too_long")}
        if sr.forest is not None and sr.record is not None:
            yield from _by_forest(sr, sr.forest, refused, now, limits)
        else:
            yield from _by_log(sr, refused, now, limits)


def _by_forest(
    sr: SrState, forest: Forest, refused: dict[str, Incident], now: datetime, limits: Thresholds
) -> Iterator[Condition]:
    if forest.depth_max < min(limits.chain_near_limit_depth, limits.chain_at_limit_depth) and not refused:
        return
    for uuid, node in forest.nodes.items():
        if node.children or node.status == "garbage" or node.vdi.is_a_snapshot:
            continue
        incident = refused.get(uuid[:8])
        if incident is not None and node.depth < limits.chain_at_limit_depth:
            incident = None
        if node.depth >= limits.chain_near_limit_depth or incident is not None:
            yield _condition(sr, uuid, node.depth, _made_of(forest, node), incident, now, limits, INVENTORY)


def _made_of(forest: Forest, leaf: Node) -> dict[str, int]:
    """How many nodes of the chain are pending, kept, blocked."""
    counts = {"pending": 0, "kept": 0, "blocked": 0}
    uuid: str | None = leaf.vdi.uuid
    seen: set[str] = set()
    while uuid is not None and uuid not in seen:
        seen.add(uuid)
        node = forest.nodes.get(uuid)
        if node is None:
            break
        word = "pending" if node.status in ("inner_pending", "leaf_pending") else node.status
        if word in counts:
            counts[word] += 1
        uuid = node.parent
    return counts


def _by_log(sr: SrState, refused: dict[str, Incident], now: datetime, limits: Thresholds) -> Iterator[Condition]:
    leaves: dict[str, TreeNode] = {leaf.vdi[:8]: leaf for leaf in sr.tree.leaves()} if sr.tree is not None else {}
    for prefix, leaf in leaves.items():
        depth = leaf.depth + 1
        incident = refused.pop(prefix, None)
        newer_tree = incident is not None and _after(sr, incident)
        if newer_tree and depth < limits.chain_at_limit_depth:
            incident = None
        if depth >= limits.chain_near_limit_depth or incident is not None:
            name = max(leaf.vdi, incident.vdi, key=len) if incident is not None else leaf.vdi
            yield _condition(sr, name, depth, {}, incident, now, limits, "")
    for incident in refused.values():
        if not (leaves and _after(sr, incident)):
            yield _condition(sr, incident.vdi, limits.chain_at_limit_depth, {}, incident, now, limits, "")


def _after(sr: SrState, incident: Incident) -> bool:
    """Whether the tree was printed after SM refused."""
    ref = sr.tree.ref if sr.tree is not None else None
    return ref is not None and ref.at is not None and incident.last.at is not None and ref.at >= incident.last.at


def _condition(
    sr: SrState,
    vdi: str,
    depth: int,
    made_of: dict[str, int],
    incident: Incident | None,
    now: datetime,
    limits: Thresholds,
    source: str,
) -> Condition:
    at_limit = incident is not None or depth >= limits.chain_at_limit_depth
    parts = [f"{count} {word}" for word, count in made_of.items() if count]
    detail = f" ({', '.join(parts)})" if parts else ""
    end = "SM refuses its next snapshot" if at_limit else f"SM refuses snapshots at {limits.chain_at_limit_depth}"
    tree = (sr.tree.ref,) if sr.tree is not None and sr.tree.ref is not None and not source else ()
    return of_sr(
        sr,
        "CHAIN_AT_LIMIT" if at_limit else "CHAIN_NEAR_LIMIT",
        "error" if at_limit else "warning",
        f"the chain of {vdi_words(sr, vdi)} on {sr_words(sr)} is {depth} images long{detail}; {end}.",
        now=now,
        incidents=(incident,) if incident is not None else (),
        evidence=() if incident is not None else tuple(ref for ref in tree if ref is not None),
        variant=_remedy(made_of),
        params={"snapshots": keepers.told(keepers.of_chain(sr.forest, vdi))} if sr.forest is not None else None,
        vdi=vdi,
        vdis=chain_of(sr, vdi),
        sources=frozenset((source,)) if source else None,
    )


def _remedy(made_of: dict[str, int]) -> str:
    """What the chain is mostly made of decides what can be done: wait, unblock, or delete snapshots."""
    return max(made_of, key=lambda word: made_of[word]) if any(made_of.values()) else ""

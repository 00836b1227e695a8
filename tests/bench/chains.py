"""`chain_model_50k_s`, `chain_model_one_sr_ms`: chains and space of 50,000 VDIs, and of one changed SR."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping

from chainwatch_collector.chains.build import build_forest
from chainwatch_collector.chains.forest import Forest
from chainwatch_collector.chains.space import rules_of_thumb, snapshot_need
from chainwatch_collector.inventory.records import Sr, Vdi

from bench.figures import Figure, figure

SRS, VDIS_PER_SR = 20, 2500
GIB = 2**30
Estate = list[tuple[Sr, dict[str, Vdi]]]


def figures() -> list[Figure]:
    """For `make bench`."""
    estate = large_estate()
    count = sum(len(vdis) for _, vdis in estate)
    whole = _best_of(5, lambda: [_model(sr, vdis, None) for sr, vdis in estate]) * 50_000 / count
    sr, vdis = estate[0]
    before = _model(sr, vdis, None)
    if before.pending + before.kept < len(vdis) // 4:
        raise AssertionError("the estate has no chains worth the name")
    snapshot = next(uuid for uuid, vdi in vdis.items() if vdi.is_a_snapshot)
    changed = {uuid: vdi for uuid, vdi in vdis.items() if uuid != snapshot}
    filled = dataclasses.replace(sr, physical_utilisation_bytes=sr.physical_utilisation_bytes + GIB)
    one_ms = _best_of(20, lambda: _model(filled, changed, before)) * 1000
    return [
        figure("chain_model_50k_s", whole, "s", "< 0.5", whole < 0.5),
        figure("chain_model_one_sr_ms", one_ms, "ms", "< 20", one_ms < 20),
    ]


def _model(sr: Sr, vdis: Mapping[str, Vdi], before: Forest | None) -> Forest:
    """Trees with what their merges copy and need, the SR's rules, and what a snapshot of each of its disks needs."""
    forest = build_forest(sr, vdis, before)
    rules_of_thumb(sr, "thick")
    for vdi in vdis.values():
        if vdi.managed and not vdi.is_a_snapshot:
            snapshot_need(sr, vdi)
    return forest


def _best_of(times: int, work: Callable[[], object]) -> float:
    """Seconds of one core, the fastest: pure computing, in which what else runs on the machine has no part."""
    took = []
    for _ in range(times):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took)


def large_estate() -> Estate:
    """Thick shared SRs full of disks with a fortnight of backups: kept snapshots, deleted ones, all with bitmaps."""
    return [(_sr(number), _vdis(number)) for number in range(SRS)]


def _sr(number: int) -> Sr:
    return Sr(
        ref=f"OpaqueRef:{number}",
        uuid=f"{number:08d}-0000-4000-8000-000000000000",
        name=f"store {number}",
        type="lvmoiscsi",
        shared=True,
        physical_size_bytes=100_000 * GIB,
        physical_utilisation_bytes=60_000 * GIB,
    )


def _vdis(number: int) -> dict[str, Vdi]:
    vdis: dict[str, Vdi] = {}

    def add(parent: str | None, *, hidden: bool = False, snapshot: bool = False) -> str:
        uuid = f"{number:08d}-0000-4000-8000-{len(vdis):012d}"
        vdis[uuid] = Vdi(
            ref=f"OpaqueRef:{uuid}",
            uuid=uuid,
            name="base copy" if hidden else "disk",
            sr_ref=f"OpaqueRef:{number}",
            managed=not hidden,
            is_a_snapshot=snapshot,
            vhd_parent=parent,
            virtual_size_bytes=100 * GIB,
            physical_utilisation_bytes=10 * GIB,
            allocated_blocks=1000 if hidden else None,
            merged_blocks=1500 if hidden else None,
            image_format="vhd",
        )
        return uuid

    while len(vdis) < VDIS_PER_SR:
        parent: str | None = None
        for night in range(14):
            parent = add(parent, hidden=True)
            if night % 3:
                add(parent, snapshot=True)
        add(parent)
    return vdis

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from chainwatch_collector.chains.merge_space import inner_need_bytes, leaf_need, merged_data_bytes
from chainwatch_collector.chains.overhead import (
    bitmap_bytes,
    empty_bytes,
    linstor_volume_bytes,
    lvm_empty_volume_bytes,
    lvm_volume_bytes,
    round_up,
)
from chainwatch_collector.chains.refusal import of_snapshot, of_space
from chainwatch_collector.chains.space import (
    LeafSize,
    Range,
    attach_need,
    free_bytes,
    leaf_merge_after_snapshot,
    rules_of_thumb,
    snapshot_need,
    window_need,
)
from collector.chains.trees import GIB, MIB, TIB, base, sr, vdi
from corpora import CORPORA, NAMES, needs_corpora
from hypothesis import given
from hypothesis import strategies as st

AT = datetime(2026, 11, 22, tzinfo=UTC)
ON = {"OpaqueRef:host": "RW"}
MIB_4 = 4 * MIB


def printed(size: int) -> str:
    """SM's `num2str`."""
    for unit, letter in ((GIB, "G"), (MIB, "M"), (1024, "K")):
        if size >= unit:
            return f"{size / unit:.3f}{letter}"
    return str(size)


def sized(physical: int) -> LeafSize:
    return LeafSize(physical, AT)


def vhd_bytes(data: int, virtual: int = 100 * GIB) -> int:
    """The size of a VHD that holds so much: data, bitmaps, metadata."""
    return data + bitmap_bytes(data) + empty_bytes(max(virtual, 2 * TIB))


@pytest.mark.parametrize(
    ("virtual_gib", "in_the_log"),
    [(2, "2.012G"), (20, "20.047G"), (65, "65.133G"), (100, "100.203G"), (500, "500.984G")],
)
def test_logical_volumes_as_field_logs_print_them(virtual_gib: int, in_the_log: str) -> None:
    assert printed(lvm_volume_bytes(virtual_gib * GIB)) == in_the_log


def test_a_coalesced_size_of_the_field_is_one_that_the_formula_can_give() -> None:
    blocks = [count for count in range(255_800, 256_000) if printed(lvm_volume_bytes(count * 2 * MIB)) == "500.949G"]
    assert blocks
    assert max(blocks) * 2 * MIB <= 500 * GIB


def test_overheads() -> None:
    assert empty_bytes(2 * TIB) == 4_329_472
    assert (empty_bytes(0), empty_bytes(600 * MIB)) == (4096, 8192), "header 3 KiB, 300 entries to a sector, a bitmap"
    assert lvm_empty_volume_bytes() == 8 * MIB
    assert (bitmap_bytes(0), bitmap_bytes(1), bitmap_bytes(2 * MIB), bitmap_bytes(2 * MIB + 1)) == (0, 4096, 4096, 8192)
    assert lvm_volume_bytes(GIB + 1, "raw") == GIB + MIB_4
    assert lvm_volume_bytes(3 * TIB) == round_up(3 * TIB + empty_bytes(3 * TIB) + bitmap_bytes(3 * TIB), MIB_4)
    assert linstor_volume_bytes(GIB) == round_up(GIB + empty_bytes(2 * TIB) + bitmap_bytes(GIB), 512)
    assert empty_bytes(4 * GIB, "qcow2") == 10 * 65536, "header, L1, and 8 bytes for each of 65,536 clusters"
    assert (bitmap_bytes(GIB, "qcow2"), lvm_volume_bytes(GIB, "qcow2") % MIB_4) == (0, 0)


@pytest.mark.parametrize(
    ("fields", "physical", "need"),
    [
        # smlog.md 6.3: a thick running 100 GiB disk with 10 GiB used needs 10.04 GiB.
        ({"physical_utilisation_bytes": lvm_volume_bytes(100 * GIB), "attached_hosts": ON}, 10 * GIB, 10.04),
        # The same halted: a thick SR makes the new leaf full all the same.
        ({"physical_utilisation_bytes": lvm_volume_bytes(100 * GIB)}, 10 * GIB, 10.04),
        # A snapshot of a snapshot stays small: its volume is not inflated.
        ({"physical_utilisation_bytes": 8 * MIB, "is_a_snapshot": True}, 0, 0.0234),
        # Deflated and attached nowhere: the whole volume is made anew.
        ({"physical_utilisation_bytes": 8 * MIB}, 0, 100.219),
    ],
)
def test_what_a_snapshot_needs_on_thick_lvm(fields: dict[str, Any], physical: int, need: float) -> None:
    disk = vdi("d", virtual_size_bytes=100 * GIB, **fields)
    exact = snapshot_need(sr("lvm"), disk, sized(vhd_bytes(physical)))
    assert exact is not None
    assert exact.low == exact.high
    assert exact.low / GIB == pytest.approx(need, abs=0.005)
    unknown = snapshot_need(sr("lvm"), disk)
    assert unknown is not None
    assert unknown.low <= exact.low <= unknown.high


def test_what_a_snapshot_needs_elsewhere() -> None:
    halted = vdi("d", virtual_size_bytes=100 * GIB, physical_utilisation_bytes=8 * MIB)
    thin = sr("lvm", sm_config={"allocation": "thin"})
    small = snapshot_need(thin, halted, sized(vhd_bytes(0)))
    assert small == Range(24 * MIB, 24 * MIB)
    running = vdi("d", virtual_size_bytes=100 * GIB, physical_utilisation_bytes=8 * MIB, attached_hosts=ON)
    full = snapshot_need(thin, running, sized(vhd_bytes(0)))
    assert full is not None
    assert full.low > 100 * GIB, "attached: full, thin or not"
    two_empty = 2 * empty_bytes(100 * GIB)
    assert snapshot_need(sr("nfs"), running) == Range(two_empty, two_empty)
    for store, disk in ((sr("linstor"), running), (sr("iso"), running), (sr("lvm"), vdi("r", raw=True))):
        assert snapshot_need(store, disk) is None


def test_inner_merge_on_each_family() -> None:
    parent = base("p", physical_utilisation_bytes=GIB, virtual_size_bytes=100 * GIB)
    child = base("c", "p", merged_blocks=1000, virtual_size_bytes=100 * GIB)
    data = 2000 * MIB
    assert merged_data_bytes(child, parent) == data
    assert inner_need_bytes("file", child, parent) == data + 1000 * 4096 + empty_bytes(100 * GIB) - GIB
    assert inner_need_bytes("lvm", child, parent) == lvm_volume_bytes(data) - GIB
    assert inner_need_bytes("linstor", child, parent) == linstor_volume_bytes(data) - GIB
    raw = base("p", raw=True)
    assert [inner_need_bytes(kind, child, raw) for kind in ("lvm", "linstor")] == [0, 0]
    assert inner_need_bytes("lvm", child, base("p", physical_utilisation_bytes=TIB)) == 0
    assert inner_need_bytes("lvm", base("c", "p"), parent) is None
    clusters = base("c", "p", merged_blocks=8000, virtual_size_bytes=4 * GIB, image_format="qcow2")
    assert inner_need_bytes("file", clusters, base("p")) == 500 * MIB + 10 * 65536, "500.625M, a bit is a cluster"


def test_leaf_merge_live_and_by_way_of_a_snapshot() -> None:
    parent = base("p", physical_utilisation_bytes=round_up(vhd_bytes(10 * GIB), MIB_4), allocated_blocks=5120)
    volume = lvm_volume_bytes(100 * GIB)
    leaf = vdi("l", "p", virtual_size_bytes=100 * GIB, physical_utilisation_bytes=volume)
    physical = vhd_bytes(GIB)
    need = leaf_need("lvm", leaf, parent, physical)
    assert need is not None
    inner = lvm_volume_bytes(round_up(physical + 10 * GIB, 2 * MIB)) - parent.physical_utilisation_bytes
    assert need.snapshot_bytes == inner + round_up(physical, MIB_4)
    assert need.live_bytes == max(0, inner - (volume - round_up(physical, MIB_4))) == 0
    on_file = leaf_need("file", vdi("l", "p", virtual_size_bytes=100 * GIB, merged_blocks=5632), parent, physical)
    assert on_file is not None
    assert on_file.snapshot_bytes - on_file.live_bytes == empty_bytes(100 * GIB)
    to_raw = leaf_need("lvm", leaf, base("p", raw=True), physical)
    assert to_raw is not None
    assert to_raw.snapshot_bytes == round_up(physical, MIB_4)


def test_free_space_is_not_told_where_it_is_not_size_minus_utilisation() -> None:
    assert free_bytes(sr("lvm", physical_size_bytes=10, physical_utilisation_bytes=4)) == 6
    assert free_bytes(sr("nfs", physical_size_bytes=10, physical_utilisation_bytes=40)) == 0
    assert [free_bytes(one) for one in (sr("linstor"), sr("nfs", physical_size_bytes=-1), sr("gfs2"))] == [None] * 3


def test_the_rules_of_thumb_stand_beside_the_numbers() -> None:
    used = sr("lvm", physical_size_bytes=100, physical_utilisation_bytes=60)
    thick, thin = rules_of_thumb(used, "thick"), rules_of_thumb(used, "thin")
    assert thick is not None
    assert thin is not None
    assert (thick.free_ratio, thick.thirty_percent_free, thick.half_kept) == (0.4, True, False)
    assert thin.half_kept is None
    assert rules_of_thumb(sr("linstor"), "thin") is None


def test_44_81_109_and_180_are_told_beforehand() -> None:
    disk = vdi("d", virtual_size_bytes=100 * GIB, physical_utilisation_bytes=lvm_volume_bytes(100 * GIB))

    full = of_snapshot(sr("lvm", physical_utilisation_bytes=TIB), disk, 3)
    assert full is not None
    assert (full.error, full.certain, full.free_bytes) == (44, True, 0)
    some = sr("lvm", physical_utilisation_bytes=TIB - 5 * GIB)
    perhaps = of_snapshot(some, disk, 3)
    assert perhaps is not None
    assert (perhaps.error, perhaps.certain) == (44, False), "how much the leaf holds is not known"
    assert of_snapshot(some, disk, 3, sized(vhd_bytes(4 * GIB))) is None
    surely = of_snapshot(some, disk, 3, sized(vhd_bytes(6 * GIB)))
    assert surely is not None
    assert surely.certain
    on_file = of_snapshot(sr("nfs", physical_utilisation_bytes=TIB), disk, 3)
    assert on_file is not None
    assert (on_file.error, on_file.certain) == (81, True)
    long_chain = of_snapshot(sr("nfs"), disk, 30)
    assert long_chain is not None
    assert (long_chain.error, long_chain.certain) == (109, True)
    assert of_snapshot(sr("nfs"), disk, 29) is None
    deflated = vdi("d", virtual_size_bytes=100 * GIB, physical_utilisation_bytes=8 * MIB)
    assert attach_need(sr("lvm"), deflated) == lvm_volume_bytes(100 * GIB) - 8 * MIB
    assert attach_need(sr("lvm"), deflated._replace(attached_hosts=ON)) == 0
    for store, one in ((some, disk), (sr("nfs"), deflated), (sr("lvm", sm_config={"allocation": "thin"}), deflated)):
        assert attach_need(store, one) == 0
    assert of_space(sr("linstor"), Range(TIB, TIB), 44) is None, "free space not known: nothing is foretold"


def test_a_backup_window_holds_all_snapshots_and_then_merges_one_leaf_at_a_time() -> None:
    store = sr("lvm")
    disks = [
        vdi(f"d{n}", virtual_size_bytes=100 * GIB, physical_utilisation_bytes=lvm_volume_bytes(100 * GIB))
        for n in range(3)
    ]
    sizes = {f"d{n}": sized(vhd_bytes((n + 1) * GIB)) for n in range(3)}
    need = window_need(store, [*disks, vdi("raw", raw=True)], sizes)
    assert need is not None
    each = [snapshot_need(store, disk, sizes[disk.uuid]) for disk in disks]
    assert need.snapshots.low == sum(one.low for one in each if one is not None) == need.snapshots.high
    largest = leaf_merge_after_snapshot(store, disks[2], sizes["d2"])
    assert largest is not None
    assert need.leaf_merge.high == largest.high
    assert 3 * GIB < largest.high < 7 * GIB, "as much again is written, beside the growing parent"
    assert largest.low < 32 * MIB
    assert need.total.high == need.snapshots.high + need.leaf_merge.high
    assert window_need(sr("linstor"), disks, sizes) is None
    on_file = window_need(sr("nfs"), disks, {})
    assert on_file is not None
    assert on_file.snapshots.low == 6 * empty_bytes(100 * GIB)


@given(
    st.sampled_from(["lvm", "nfs"]),
    st.integers(0, 4 * TIB),
    st.integers(-1, 5 * TIB),
    st.integers(0, 5 * TIB),
    st.sampled_from(["vhd", "qcow2", None]),
    st.booleans(),
)
def test_ranges_are_ranges_and_hold_the_exact_number(
    kind: str, virtual: int, used: int, physical: int, image_format: str | None, attached: bool
) -> None:
    disk = vdi(
        "d",
        virtual_size_bytes=virtual,
        physical_utilisation_bytes=used,
        image_format=image_format,
        attached_hosts=ON if attached else {},
    )
    store = sr(kind)
    for needed in (snapshot_need, leaf_merge_after_snapshot):
        unknown, exact = needed(store, disk), needed(store, disk, sized(min(physical, max(0, used))))
        assert unknown is not None
        assert exact is not None
        assert 0 <= unknown.low <= unknown.high
        assert 0 <= exact.low <= exact.high
    least, most = snapshot_need(store, disk), snapshot_need(store, disk, sized(max(0, used)))
    assert least is not None
    assert most is not None
    assert most.high <= least.high


_SIZE = re.compile(r"Num combined blocks = (\d+).*?Coalesced size = ([0-9.]+[GMK])", re.S)
_CANDIDATE = re.compile(r"Coalesce candidate: \*?\w+(\[\w+\])?\(([0-9.]+)G/")


@pytest.mark.corpora
@needs_corpora
def test_coalesced_sizes_of_the_corpora_are_those_of_the_formula() -> None:
    """All of them were written by file SRs, VHD and QCOW2; the virtual sizes are those of the candidates."""
    compared = 0
    for name in NAMES:
        text = (CORPORA / name / "SMlog").read_text(errors="replace")
        image_format = "qcow2" if name.startswith("q_") else "vhd"
        virtuals = {round(float(found[1]) * GIB) for found in _CANDIDATE.findall(text)}
        for blocks, size in _SIZE.findall(text):
            told = set()
            for virtual in virtuals:
                child = base("c", merged_blocks=int(blocks), virtual_size_bytes=virtual, image_format=image_format)
                told.add(printed(inner_need_bytes("file", child, base("p")) or 0))
            if virtuals:
                assert size in told, name
                compared += 1
    assert compared > 100

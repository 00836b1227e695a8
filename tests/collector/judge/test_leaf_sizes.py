from __future__ import annotations

from datetime import UTC, datetime

from chainwatch_collector.chains.build import build_forest
from chainwatch_collector.inventory.records import Vdi
from chainwatch_collector.judge.leaf_sizes import leaf_sizes
from chainwatch_collector.read.words import LineRef, TreeNode
from chainwatch_collector.track.state import SrState
from chainwatch_collector.track.trees import LoggedTrees
from collector.chains.trees import GIB, base, by_uuid, sr, vdi

AT = datetime(2026, 11, 22, tzinfo=UTC)
BASE, DISK = "11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002"


def printed(uuid: str, parent: str | None, physical: int | None) -> TreeNode:
    return TreeNode(uuid[:8], parent and parent[:8], 0, False, "vhd", 10 * GIB, physical, None, None, None)


def state(vdis: dict[str, Vdi], *nodes: TreeNode, at: datetime | None = AT) -> SrState:
    ref = LineRef("host", "/var/log/SMlog", 1, 0, at, "SR 46ee ('store') (2 VDIs in 1 VHD trees):")
    trees = LoggedTrees(ref=ref, nodes={node.vdi: node for node in nodes})
    return SrState(uuid="sr", name="store", forest=build_forest(sr("lvm"), vdis), tree=trees)


CHAIN = by_uuid(base(BASE), vdi(DISK, BASE))


def test_sizes_are_of_images_that_stand_where_the_tree_has_them() -> None:
    found = leaf_sizes([state(CHAIN, printed(BASE, None, 3 * GIB), printed(DISK, BASE, GIB))])
    assert {uuid: size.physical_bytes for uuid, size in found.items()} == {BASE: 3 * GIB, DISK: GIB}
    assert found[DISK].at == AT


def test_a_tree_from_before_the_last_snapshot_tells_nothing_of_the_disk() -> None:
    assert DISK not in leaf_sizes([state(CHAIN, printed(DISK, None, GIB))])
    assert DISK not in leaf_sizes([state(CHAIN, printed(DISK, "99999999", GIB))])


def test_what_is_not_printed_or_not_dated_or_not_one_of_a_kind() -> None:
    assert leaf_sizes([state(CHAIN, printed(DISK, BASE, None))]) == {}
    assert leaf_sizes([state(CHAIN, printed(DISK, BASE, GIB), at=None)]) == {}
    assert leaf_sizes([SrState(uuid="sr", name="store")]) == {}
    twins = by_uuid(vdi(DISK), vdi(DISK[:-1] + "3"))
    assert leaf_sizes([state(twins, printed(DISK, None, GIB))]) == {}

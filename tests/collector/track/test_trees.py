from __future__ import annotations

import pickle

import pytest
from chainwatch_collector.read.facts import TreeSeen
from chainwatch_collector.read.words import LineRef, TreeNode
from chainwatch_collector.track import trees as trees_module
from chainwatch_collector.track.trees import LoggedTrees
from hypothesis import given
from hypothesis import strategies as st
from smlog import A, B, C, Smlog, disk, read


def folded(log: Smlog) -> LoggedTrees:
    trees = LoggedTrees()
    for fact in read(log)[1]:
        if isinstance(fact, TreeSeen):
            trees = trees.folded(fact)
    return trees


def changed(log: Smlog, pid: int, *lines: str) -> Smlog:
    """A partial dump: only trees that changed."""
    return log.gc(
        pid, "SR 0a1b ('Local storage') (3 VDIs in 1 VHD trees): showing only VHD trees that changed:", *lines, ""
    )


def test_pending_kept_and_garbage_by_sms_own_rule() -> None:
    log = Smlog().start(1).chain(1)
    assert folded(log).pending() == (1, 1)
    log.start(2).tree(2, (0, disk(A)), (1, disk(C, hidden=False)))
    assert folded(log).pending() == (0, 1)
    log.start(3).tree(3, (0, disk(A)), (1, disk(B, hidden=False)), (1, disk(C, hidden=False)))
    assert (folded(log).pending(), folded(log).kept()) == ((0, 0), 1)
    log.start(4).tree(4, (0, disk(A)), (1, disk(B)), (1, disk(C, hidden=False)))
    assert [name[:8] for name in folded(log).garbage()] == [B[:8]]


def test_partial_dumps_replace_their_tree_and_gone_roots_go() -> None:
    log = Smlog().start(1).tree(1, (0, disk(A)), (1, disk(B, hidden=False)), (0, disk(C, hidden=False)))
    before = folded(log)
    assert set(before.nodes) == {A[:8], B[:8], C[:8]}
    after = folded(changed(log, 1, f"Tree {C} gone", f"        {disk(A, hidden=False)}"))
    assert set(after.nodes) == {A[:8]}
    assert set(before.nodes) == {A[:8], B[:8], C[:8]}, "what was handed out stays as it was"


def test_depth_counts_every_node() -> None:
    trees = folded(Smlog().start(1).chain(1))
    assert trees.depth_max == 3
    assert [leaf.vdi[:8] for leaf in trees.leaves()] == [C[:8]]


def test_mergeable_needs_the_pair_and_an_only_child() -> None:
    trees = folded(Smlog().start(1).tree(1, (0, disk(A)), (1, disk(B, hidden=False)), (1, disk(C, hidden=False))))
    assert not trees.mergeable(B, A)
    trees = folded(Smlog().start(1).chain(1))
    assert trees.mergeable(B, A)
    assert not trees.mergeable(B, C)
    assert not trees.mergeable(A, "")


def images(root: int, count: int) -> tuple[TreeNode, ...]:
    """A chain of so many images; one may be in several trees' dumps over time."""
    names = [f"{root:08x}", *(f"{16 * root + one:08x}" for one in range(1, count))]
    parents = [None, *names]
    return tuple(
        TreeNode(name, parent, depth, False, None, None, None, None, None, None)
        for depth, (name, parent) in enumerate(zip(names, parents, strict=False))
    )


DUMPS = st.lists(
    st.tuples(
        st.booleans(),
        st.dictionaries(st.integers(1, 6), st.integers(1, 4), max_size=4),
        st.sets(st.integers(1, 6), max_size=2),
    ),
    max_size=12,
)


@given(DUMPS, st.sets(st.integers(0, 12)))
def test_folding_dump_by_dump_is_folding_what_is_left_at_once(
    dumps: list[tuple[bool, dict[int, int], set[int]]], lent_at: set[int]
) -> None:
    """And what was lent in between stays as it was."""
    trees, left, lent = LoggedTrees(), dict[int, int](), list[tuple[LoggedTrees, dict[str, TreeNode], dict[str, int]]]()
    for number, (complete, printed, gone) in enumerate(dumps):
        if number in lent_at:
            lent.append((trees.lent(), dict(trees.nodes), dict(trees.children)))
        nodes = tuple(node for root, count in printed.items() for node in images(root, count))
        trees = trees.folded(seen(nodes, complete, tuple(f"{root:08x}" for root in gone)))
        left = {**({} if complete else {root: count for root, count in left.items() if root not in gone}), **printed}
    whole = LoggedTrees().folded(
        seen(tuple(node for root, count in left.items() for node in images(root, count)), True)
    )
    assert (trees.nodes, trees.children, trees.roots) == (whole.nodes, whole.children, whole.roots)
    for was, nodes_then, children_then in lent:
        assert (was.nodes, was.children) == (nodes_then, children_then)


def seen(nodes: tuple[TreeNode, ...], complete: bool, gone: tuple[str, ...] = ()) -> TreeSeen:
    ref = LineRef("xcp1", "SMlog", 0, 0, None, "")
    return TreeSeen(ref=ref, sr_name="", vdi_count=0, tree_count=0, complete=complete, nodes=nodes, gone=gone)


def test_the_trees_that_were_printed_first_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees_module, "NODES_KEPT", 10)
    trees = LoggedTrees()
    for root in range(1, 20):
        trees = trees.folded(seen(images(root, 3), False))
    assert list(trees.roots) == [f"{root:08x}" for root in (17, 18, 19)]
    assert len(trees.nodes) == 9
    assert sum(trees.children.values()) == 6


def test_a_stored_one_goes_on_by_itself() -> None:
    trees = LoggedTrees().folded(seen(images(1, 3), True)).lent()
    loaded = pickle.loads(pickle.dumps(trees))
    assert loaded == trees
    assert loaded.folded(seen(images(2, 1), False)).nodes.keys() > trees.nodes.keys()

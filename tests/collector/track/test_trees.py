from __future__ import annotations

from chainwatch_collector.read.facts import TreeSeen
from chainwatch_collector.track.trees import LoggedTrees
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

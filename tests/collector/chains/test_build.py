from __future__ import annotations

import dataclasses

import pytest
from chainwatch_collector.chains import forest as words
from chainwatch_collector.chains.build import build_forest
from chainwatch_collector.chains.forest import Forest
from chainwatch_collector.chains.overhead import bitmap_bytes, empty_bytes
from chainwatch_collector.inventory.records import Sr, Vdi
from collector.chains.obvious import ancestors, judged, obvious
from collector.chains.trees import GIB, MIB, TIB, base, by_uuid, forests, grown, snap, sr, srs, vdi
from hypothesis import given, settings
from hypothesis import strategies as st


def statuses(built: Forest) -> dict[str, str]:
    return {uuid: node.status for uuid, node in built.nodes.items()}


def test_a_chain_with_every_status() -> None:
    built = build_forest(
        sr(),
        by_uuid(
            base("root"),
            snap("night1", "root"),
            base("night2-base", "root"),
            base("deleted", "night2-base", allocated_blocks=100),
            base("night3-base", "deleted"),
            snap("night3", "night3-base"),
            vdi("disk", "night3-base"),
            base("alone"),
            vdi("clone", "alone"),
            base("rubbish"),
            base("more-rubbish", "rubbish"),
        ),
    )
    assert statuses(built) == {
        "root": "kept",
        "night1": "leaf",
        "night2-base": "kept",
        "deleted": "inner_pending",
        "night3-base": "inner_pending",
        "night3": "leaf",
        "disk": "leaf",
        "alone": "base",
        "clone": "leaf_pending",
        "rubbish": "garbage",
        "more-rubbish": "garbage",
    }
    assert built.nodes["root"].kept_by == ("night1",)
    assert built.nodes["night2-base"].kept_by == ("night3",), "what merges into it brings the branches"
    assert built.nodes["disk"].depth == 5 == built.depth_max
    assert (built.inner_pending, built.leaf_pending, built.kept, built.blocked, built.garbage) == (2, 1, 2, 0, 2)
    assert built.pending == 3
    assert (built.bytes_to_merge, built.bytes_unknown) == (200 * MIB, 2)
    assert built.roots == ("root", "alone", "rubbish")


def test_thirty_kept_snapshots_are_no_backlog() -> None:
    vdis = [base("b00")]
    for night in range(1, 29):
        vdis += [snap(f"s{night}", f"b{night - 1:02d}"), base(f"b{night:02d}", f"b{night - 1:02d}")]
    built = build_forest(sr(), by_uuid(*vdis, snap("s29", "b28"), vdi("disk", "b28")))
    assert built.nodes["disk"].depth == words.MAX_DEPTH
    assert (built.pending, built.kept) == (0, 29)


def test_clones_keep_their_base_together_and_hidden_branches_are_named_by_what_is_visible() -> None:
    clones = build_forest(sr(), by_uuid(base("b"), vdi("c1", "b"), vdi("c2", "b"), snap("s", "b")))
    assert clones.nodes["b"].kept_by == ("s", "c1", "c2")
    histories = by_uuid(base("b"), base("x", "b"), base("y", "b"), vdi("d1", "x"), base("z", "y"), vdi("d2", "z"))
    built = build_forest(sr(), histories)
    assert built.nodes["b"].kept_by == ("d1", "d2")
    assert statuses(built) == {
        "b": "kept",
        "x": "base",
        "y": "base",
        "d1": "leaf_pending",
        "z": "inner_pending",
        "d2": "leaf_pending",
    }


@pytest.mark.parametrize(
    ("config", "inner", "leaf"),
    [
        ({"gc": "false"}, words.GC_OFF, words.GC_OFF),
        ({"coalesce": "false"}, words.COALESCE_OFF, ""),
        ({"leaf-coalesce": "false"}, "", words.LEAF_COALESCE_OFF_SR),
        ({"gc": "true"}, "", ""),
    ],
)
def test_switches_of_the_sr(config: dict[str, str], inner: str, leaf: str) -> None:
    built = build_forest(sr(other_config=config), by_uuid(base("a"), base("b", "a"), vdi("c", "b")))
    assert (built.nodes["b"].reason, built.nodes["c"].reason) == (inner, leaf)
    assert built.blocked == bool(inner) + bool(leaf)


@pytest.mark.parametrize(
    ("fields", "inner", "leaf"),
    [
        ({"on_boot": "reset"}, "", words.ON_BOOT_RESET),
        ({"allow_caching": True}, "", words.ALLOW_CACHING),
        ({"other_config": {"leaf-coalesce": "false"}}, "", words.LEAF_COALESCE_OFF),
        ({"other_config": {"leaf-coalesce": "force"}}, "", ""),
        ({"relinking": True}, words.RELINKING, words.RELINKING),
        ({"paused": True}, words.PAUSED, words.PAUSED),
        ({"activating": True}, words.ACTIVATING, words.ACTIVATING),
        ({"image_format": "qcow2", "attached_hosts": {"h1": "RW"}}, "", ""),
        ({"image_format": "qcow2", "attached_hosts": {"h1": "RO", "h2": "RO"}}, words.MULTI_HOST, words.MULTI_HOST),
        ({"image_format": "vhd", "attached_hosts": {"h1": "RO", "h2": "RO"}}, "", ""),
    ],
)
def test_what_a_leaf_blocks(fields: dict[str, object], inner: str, leaf: str) -> None:
    built = build_forest(sr(), by_uuid(base("a"), base("b", "a"), vdi("c", "b", **fields)))
    assert (built.nodes["b"].reason, built.nodes["c"].reason) == (inner, leaf)


def test_qcow2_clones_on_two_hosts_block_what_they_share() -> None:
    shared = {"image_format": "qcow2"}
    built = build_forest(
        sr(),
        by_uuid(
            base("a", **shared),
            base("b", "a", **shared),
            vdi("c1", "b", **shared, attached_hosts={"h1": "RW"}),
            vdi("c2", "b", **shared, attached_hosts={"h2": "RW"}),
        ),
    )
    assert built.nodes["b"].reason == words.MULTI_HOST


def test_a_missing_parent_blocks_everything_below_it() -> None:
    built = build_forest(sr(), by_uuid(base("a", "gone"), base("b", "a"), vdi("c", "b"), vdi("other")))
    assert built.missing_parents == {"a": "gone"}
    assert statuses(built) == {"a": "base", "b": "blocked", "c": "blocked", "other": "leaf"}
    assert built.nodes["c"].reason == words.PARENT_MISSING
    lost = build_forest(sr(), by_uuid(base("a", missing=True), vdi("c", "a")))
    assert (lost.missing_parents, lost.nodes["c"].reason) == ({}, words.PARENT_MISSING)


def test_loops_and_self_parents_are_told_and_not_judged() -> None:
    looping = by_uuid(base("a", "b"), base("b", "a"), vdi("c", "b"), base("me", "me"), base("x"), vdi("y", "x"))
    built = build_forest(sr(), looping)
    assert set(built.cycles) == {"a", "b", "me"}
    assert {uuid for uuid, node in built.nodes.items() if node.status == "unknown"} == {"a", "b", "c", "me"}
    assert (built.nodes["c"].depth, built.nodes["me"].depth) == (3, 1)
    assert built.nodes["y"].status == "leaf_pending"


def test_a_visible_node_above_others_is_nothing_that_sm_merges() -> None:
    built = build_forest(sr(), by_uuid(base("a"), vdi("odd", "a"), vdi("leaf", "odd"), base("b"), vdi("disk", "b")))
    want = {"a": "base", "odd": "leaf", "leaf": "leaf_pending", "b": "base", "disk": "leaf_pending"}
    assert statuses(built) == want


def test_raw_and_service_vdis_are_no_backlog_and_no_garbage() -> None:
    built = build_forest(
        sr("lvm"),
        by_uuid(
            base("raw-root", raw=True, image_format="raw"),
            vdi("child", "raw-root", allocated_blocks=5, merged_blocks=5),
            base("raw-leaf", raw=True),
            base("state", type="ha_statefile"),
            vdi("log", "child", type="cbt_metadata"),
        ),
    )
    want = {"raw-root": "base", "child": "leaf_pending", "raw-leaf": "leaf", "state": "leaf", "log": "leaf"}
    assert statuses(built) == want
    assert (built.nodes["child"].depth, built.nodes["child"].need_bytes) == (2, 0), "a raw root counts; needs no room"


def test_an_sr_without_gc_is_not_healthy_but_unknown() -> None:
    for one in (sr("gfs2"), sr("iso"), sr("nfs", content_type="iso"), sr("nfs", is_tools_sr=True)):
        built = build_forest(one, by_uuid(base("a"), vdi("b", "a")))
        assert set(statuses(built).values()) == {"unknown"}


def test_bytes_and_space_of_a_merge() -> None:
    vdis = by_uuid(
        base("a", physical_utilisation_bytes=2 * GIB),
        base("b", "a", allocated_blocks=1000, merged_blocks=1500),
        vdi("c", "b"),
    )
    on_file = build_forest(sr("nfs"), vdis).nodes["b"]
    data = 3000 * MIB
    assert on_file.copy_bytes == 2000 * MIB
    assert on_file.need_bytes == data + bitmap_bytes(data) + empty_bytes(10 * GIB) - 2 * GIB
    on_lvm = build_forest(sr("lvm"), vdis).nodes["b"]
    assert on_lvm.need_bytes is not None
    assert on_lvm.need_bytes > 0
    assert on_lvm.need_bytes % (4 * MIB) == 0
    full = build_forest(sr("nfs", physical_utilisation_bytes=TIB - 100 * MIB), vdis)
    assert (full.nodes["b"].status, full.nodes["b"].reason) == ("blocked", words.NO_SPACE)
    assert build_forest(sr("linstor", physical_utilisation_bytes=TIB), vdis).nodes["b"].status == "inner_pending"


@settings(max_examples=200, deadline=None)
@given(srs, forests)
def test_nonsense_is_survived_and_agrees_with_the_obvious(one: Sr, vdis: dict[str, Vdi]) -> None:
    built = build_forest(one, vdis)
    assert built.nodes.keys() == vdis.keys()
    for uuid in vdis:
        assert judged(built.nodes[uuid]) == obvious(one, vdis, uuid), uuid
    for status in ("inner_pending", "leaf_pending", "kept", "blocked", "garbage"):
        assert getattr(built, status) == sum(node.status == status for node in built.nodes.values())
    assert built.depth_max == max((node.depth for node in built.nodes.values()), default=0)


@settings(max_examples=100, deadline=None)
@given(grown())
def test_the_depth_of_a_disk_is_made_of_what_is_kept_pending_and_blocked(vdis: dict[str, Vdi]) -> None:
    built = build_forest(sr(), vdis)
    for node in built.nodes.values():
        if not node.children:
            path = [built.nodes[uuid] for uuid in ancestors(vdis, node.vdi.uuid)]
            counted = sum(one.status in ("inner_pending", "leaf_pending", "kept", "blocked") for one in path)
            assert node.depth == 1 + counted
    for node in built.nodes.values():
        assert (node.status == "kept") is bool(node.kept_by)
        assert all(built.nodes[uuid].vdi.managed for uuid in node.kept_by)


@settings(max_examples=100, deadline=None)
@given(srs, forests, forests)
def test_a_change_of_nonsense_gives_what_building_anew_gives(
    one: Sr, before: dict[str, Vdi], changes: dict[str, Vdi]
) -> None:
    old = build_forest(one, before)
    after = {uuid: vdi for uuid, vdi in before.items() if uuid not in changes}
    after.update({uuid: vdi for uuid, vdi in changes.items() if vdi.managed})
    assert build_forest(one, after, old) == build_forest(one, after)


@settings(max_examples=80, deadline=None)
@given(grown(), st.data())
def test_a_change_gives_what_building_anew_gives(before: dict[str, Vdi], data: st.DataObject) -> None:
    """VDIs vanish, move and get flags; the SR fills or is switched."""
    store, after, uuids = sr(), dict(before), sorted(before)
    for _ in range(data.draw(st.integers(0, 3))):
        uuid = data.draw(st.sampled_from(uuids))
        change = data.draw(st.sampled_from(["gone", "moved", "flag", "missing", "hidden"]))
        if change == "gone":
            after.pop(uuid, None)
        elif uuid in after:
            parent = data.draw(st.sampled_from([None, *uuids])) if change == "moved" else after[uuid].vhd_parent
            after[uuid] = after[uuid]._replace(
                vhd_parent=parent,
                paused=change == "flag",
                missing=change == "missing",
                managed=after[uuid].managed and change != "hidden",
            )
    used = data.draw(st.sampled_from([TIB // 10, TIB, TIB - GIB, TIB - 4 * GIB]))
    switch = data.draw(st.sampled_from([{}, {}, {"gc": "false"}, {"leaf-coalesce": "false"}]))
    changed = dataclasses.replace(store, physical_utilisation_bytes=used, other_config=switch)
    assert build_forest(changed, after, build_forest(store, before)) == build_forest(changed, after)


def test_a_change_reaches_the_trees_it_concerns_and_no_other() -> None:
    vdis = by_uuid(base("a"), vdi("b", "a"), base("x"), vdi("y", "x"), snap("s", "x"))
    old = build_forest(sr(), vdis)
    for changed in (
        {uuid: one for uuid, one in vdis.items() if uuid != "s"},
        {**vdis, "s": snap("s")},
    ):
        new = build_forest(sr(), changed, old)
        assert new.nodes["b"] is old.nodes["b"]
        assert (old.nodes["y"].status, new.nodes["y"].status) == ("leaf", "leaf_pending")


def test_a_parent_that_vanishes_leaves_its_children_without() -> None:
    vdis = by_uuid(base("a"), base("b", "a"), vdi("c", "b"))
    old = build_forest(sr(), vdis)
    del vdis["a"]
    new = build_forest(sr(), vdis, old)
    assert (new.missing_parents, new.nodes["b"].depth, new.nodes["c"].status) == ({"b": "a"}, 1, "blocked")


def test_loops_come_and_go() -> None:
    sound = by_uuid(base("a"), base("b", "a"), vdi("c", "b"))
    looping = {**sound, "a": base("a", "b")}
    old = build_forest(sr(), sound)
    knotted = build_forest(sr(), looping, old)
    assert set(statuses(knotted).values()) == {"unknown"}
    assert build_forest(sr(), sound, knotted) == old


def test_switches_and_free_space_reach_unchanged_records() -> None:
    vdis = by_uuid(base("a"), base("b", "a", allocated_blocks=500, merged_blocks=500), vdi("c", "b"))
    old = build_forest(sr(), vdis)
    for changed, reason in (
        (sr(other_config={"gc": "false"}), words.GC_OFF),
        (sr(physical_utilisation_bytes=TIB - 100 * MIB), words.NO_SPACE),
        (sr(physical_utilisation_bytes=TIB // 2), ""),
    ):
        assert build_forest(changed, vdis, old).nodes["b"].reason == reason
    full = build_forest(sr(physical_utilisation_bytes=TIB), vdis, old)
    assert build_forest(sr(), vdis, full).nodes["b"].status == "inner_pending"


def test_a_very_deep_chain_does_not_recurse() -> None:
    vdis = {"n0": base("n0")}
    for number in range(1, 20_000):
        vdis[f"n{number}"] = base(f"n{number}", f"n{number - 1}")
    built = build_forest(sr(), {**vdis, "leaf": vdi("leaf", "n19999")})
    assert built.depth_max == 20_001
    assert built.pending == 20_000


# The same again, slowly: one node at a time, by the words of smlog.md 3.4.

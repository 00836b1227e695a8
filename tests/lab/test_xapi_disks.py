"""What SM does to chains in the lab, as XenAPI shows it: uuids that stay or go, bitmaps, tasks, messages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lab.xapi import images
from lab.xapi.collection import TASK_NAME
from lab.xapi.failures import XapiError
from lab.xapi.handle import LabPool, lab_pool
from lab.xapi.images import GIB
from lab.xapi.pool import XapiPool


def vm_with_chain(pool: XapiPool) -> None:
    sr = pool.estate.add_sr("nfs", "vms")
    leaf = pool.disks.add_chain(sr, "disk of app", depth=4)[-1]
    pool.estate.add_vm("app", pool.host("xcp1"), [pool.disks.ref(leaf)])


@pytest.fixture
def lab(tmp_path: Path) -> XapiPool:
    """Objects only: nothing listens."""
    pool = XapiPool(tmp_path)
    vm_with_chain(pool)
    return pool


@pytest.fixture
def served() -> Iterator[LabPool]:
    with lab_pool(build=vm_with_chain) as pool:
        yield pool


def chain(lab: XapiPool, name: str = "disk of app") -> list[str]:
    """uuids from root to leaf."""
    node = lab.database.get("VDI", lab.estate.find("VDI", name))["uuid"]
    path = [node]
    while parent := lab.disks.parent(path[0]):
        path.insert(0, parent)
    return path


def test_an_inner_merge_takes_the_childs_uuid_and_keeps_the_parents(lab: XapiPool) -> None:
    root, middle, upper, leaf = chain(lab)
    held = lab.disks.blocks[root] | lab.disks.blocks[middle]
    lab.storage.coalesce_inner(middle)
    assert chain(lab) == [root, upper, leaf]
    assert images.decode_blocks(lab.disks.record(root)["sm_config"]["vhd-blocks"]) == held
    with pytest.raises(XapiError, match="UUID_INVALID"):
        lab.disks.ref(middle)


def test_a_leaf_merge_keeps_the_leafs_uuid_and_takes_the_parents(lab: XapiPool) -> None:
    root, middle, upper, leaf = chain(lab)
    ref = lab.disks.ref(leaf)
    lab.storage.coalesce_leaf(leaf)
    assert chain(lab) == [root, middle, leaf]
    assert lab.disks.ref(leaf) == ref
    with pytest.raises(XapiError, match="UUID_INVALID"):
        lab.disks.ref(upper)


def test_a_merge_into_the_root_leaves_no_parent_key(lab: XapiPool) -> None:
    sr = lab.estate.find("SR", "vms")
    _, leaf = lab.disks.add_chain(sr, "short", depth=2)
    lab.storage.coalesce_leaf(leaf)
    assert "vhd-parent" not in lab.disks.record(leaf)["sm_config"]


def test_merges_that_sm_would_not_do_are_refused(lab: XapiPool) -> None:
    root, middle, _, leaf = chain(lab)
    lab.disks.add_vdi(lab.estate.find("SR", "vms"), "clone", parent=root)
    for wrong in (root, middle, leaf):
        with pytest.raises(ValueError, match=r"node|siblings"):
            lab.storage.coalesce_inner(wrong)
    with pytest.raises(ValueError, match="leaf"):
        lab.storage.coalesce_leaf(middle)


def test_a_snapshot_makes_the_disk_a_child_of_a_new_base_copy(lab: XapiPool) -> None:
    *_, parent, leaf = chain(lab)
    ref, held = lab.disks.ref(leaf), lab.disks.blocks[leaf]
    snapshot_vm = lab.storage.snapshot_vm(lab.estate.find("VM", "app"), "before")
    assert lab.disks.ref(leaf) == ref
    base = lab.disks.parent(leaf)
    assert lab.disks.parent(base) == parent
    assert lab.disks.record(base)["managed"] is False
    assert (lab.disks.blocks[base], lab.disks.blocks[leaf]) == (held, 0)
    (snapshot,) = [uuid for uuid in lab.disks.children(base) if uuid != leaf]
    assert lab.disks.record(snapshot)["snapshot_of"] == ref
    record = lab.database.get("VM", snapshot_vm)
    assert record["is_a_snapshot"]
    assert list(lab.database.get("VM", lab.estate.find("VM", "app"))["snapshots"]) == [snapshot_vm]


def test_the_chains_limit_is_109(lab: XapiPool) -> None:
    sr = lab.estate.find("SR", "vms")
    leaf = lab.disks.add_chain(sr, "long", depth=29)[-1]
    lab.storage.snapshot_vdi(leaf)
    with pytest.raises(XapiError, match="SR_BACKEND_FAILURE_109"):
        lab.storage.snapshot_vdi(leaf)


def test_a_collection_merges_everything_and_its_task_tells(served: LabPool) -> None:
    assert served.do("gc_start", sr="vms") is True
    (task,) = served.dump()["task"].values()
    sr = served.call(lambda lab: lab.estate.find("SR", "vms"))
    assert (task["name_label"], task["other_config"], task["status"]) == (TASK_NAME, {"applies_to": sr}, "pending")
    progress = []
    while served.do("gc_step", sr="vms"):
        progress += [task["progress"] for task in served.dump()["task"].values()]
    assert progress == sorted(progress)
    assert progress[-1] == 1.0
    served.do("gc_finish", sr="vms")
    assert [task["status"] for task in served.dump()["task"].values()] == ["success"]
    served.do("gc_reap", sr="vms")
    assert served.dump()["task"] == {}
    assert served.call(chain) == [served.call(chain)[-1]]


def test_deleting_a_snapshot_leaves_its_base_copy_pending(lab: XapiPool) -> None:
    sr = lab.estate.find("SR", "vms")
    leaf = lab.disks.add_vdi(sr, "flat", blocks=images.run_of_blocks(0, 5))
    vm = lab.estate.add_vm("flat", None, [lab.disks.ref(leaf)])
    snapshot = lab.storage.snapshot_vm(vm, "flat before")
    assert leaf not in lab.storage.pending_leaf(sr)
    lab.storage.delete_vm(snapshot)
    assert leaf in lab.storage.pending_leaf(sr)


def test_no_space_is_a_message_that_sr_and_candidates_name(served: LabPool) -> None:
    leaf = served.call(chain)[-1]
    ref = served.do("no_space", sr="vms", vdis=[leaf])
    inventory = served.dump()
    assert inventory["message"][ref]["name"] == "SM_GC_NO_SPACE"
    assert [sr["sm_config"]["gc_no_space"] for sr in inventory["SR"].values()] == [ref]
    assert [v["uuid"] for v in inventory["VDI"].values() if v["sm_config"].get("gc_no_space") == ref] == [leaf]


def test_room_again_takes_the_message_and_leaves_the_keys(served: LabPool) -> None:
    ref = served.do("no_space", sr="vms")
    assert served.do("no_space", sr="vms") == ref
    served.do("space_again", sr="vms")
    inventory = served.dump()
    assert inventory["message"] == {}
    assert [sr["sm_config"]["gc_no_space"] for sr in inventory["SR"].values()] == [ref]
    assert served.do("no_space", sr="vms") != ref


def test_a_disk_of_a_running_vm_names_its_host_until_it_stops(served: LabPool) -> None:
    def keys(lab: XapiPool) -> list[str]:
        config = lab.database.get("VDI", lab.estate.find("VDI", "disk of app"))["sm_config"]
        return [key for key in config if key.startswith("host_")]

    host = served.call(lambda lab: lab.host("xcp1"))
    assert served.call(keys) == [f"host_{host}"]
    served.do("vm_shutdown", vm="app")
    assert served.call(keys) == []


def test_sizes_of_thick_disks_are_their_lvs(lab: XapiPool) -> None:
    """The 100 GiB disk of the field notes: 100.203 GiB inflated."""
    sr = lab.estate.add_sr("lvmoiscsi", "san")
    disk = lab.disks.record(lab.disks.add_vdi(sr, "thick", 100 * GIB))
    assert round(disk["physical_utilisation"] / GIB, 3) == 100.203
    base = lab.disks.record(lab.disks.add_base(sr, 100 * GIB, images.run_of_blocks(0, 512)))
    data, bitmaps, header = 1024, 2, 4.13  # MiB, rounded up to 4 MiB extents
    assert base["physical_utilisation"] / images.MIB == -(-(data + bitmaps + header) // 4) * 4


def test_a_big_qcow2_has_no_bitmap_that_xenapi_could_hold(lab: XapiPool) -> None:
    sr = lab.estate.find("SR", "vms")
    base = lab.disks.add_base(sr, 5 << 40, 1, image_format="qcow2")
    lab.disks.add_vdi(sr, "big", 5 << 40, 0, base, "qcow2")
    lab.disks.publish_blocks(sr)
    assert lab.disks.record(base)["sm_config"]["vhd-blocks"] == "skipped"


@given(st.integers(0, 2**400 - 1))
def test_a_bitmap_survives_its_encoding(bitmap: int) -> None:
    assert images.decode_blocks(images.encode_blocks(bitmap, 400 * images.BLOCK_BYTES)) == bitmap


@settings(max_examples=40, deadline=None)
@example(list("wswdl"))
@example(list("wswswddil"))
@given(st.lists(st.sampled_from("sdilw"), max_size=25))
def test_whatever_sm_does_no_data_is_lost(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    """s snapshots, d deletes the oldest snapshot, i and l merge, w writes: what the disk reads stays."""
    lab = XapiPool(tmp_path_factory.mktemp("lab"))
    sr = lab.estate.add_sr("nfs", "vms")
    leaf = lab.disks.add_vdi(sr, "disk", GIB)
    vm, snapshots, written = lab.estate.add_vm("vm", None, [lab.disks.ref(leaf)]), [], 0
    for number, step in enumerate(steps):
        if step == "s":
            snapshots.append(lab.storage.snapshot_vm(vm, f"snapshot {number}"))
        elif step == "d" and snapshots:
            lab.storage.delete_vm(snapshots.pop(0))
        elif step == "w":
            written |= 1 << number
            lab.disks.write(leaf, 1 << number)
        elif step in "il":
            pending = lab.storage.pending_inner(sr) if step == "i" else lab.storage.pending_leaf(sr)
            merge = lab.storage.coalesce_inner if step == "i" else lab.storage.coalesce_leaf
            if pending:
                merge(pending[0])
    read = 0
    for uuid in chain(lab, "disk"):
        read |= lab.disks.blocks[uuid]
    assert read == written
    for uuid in lab.disks.of_sr(sr):
        assert all(lab.disks.parent(child) == uuid for child in lab.disks.children(uuid))

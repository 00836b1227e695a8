from __future__ import annotations

from typing import Any

import pytest
from collector.judge.scene import (
    MASTER,
    MEMBER,
    Scene,
    a_picture,
    a_vbd,
    a_vm,
    disk,
    host_ref,
    offline,
    pending_chain,
    quiet_pool,
)
from smlog import SR, A, B, C, Smlog
from smlog import disk as printed

VM = a_vm("eeeeeee5-0000-4000-8000-000000000005")


@pytest.mark.parametrize(
    ("fields", "seconds"), [({"relinking": True}, 600), ({"activating": True}, 600), ({"paused": True}, 120)]
)
def test_flag_that_stays(fields: dict[str, Any], seconds: int) -> None:
    scene = quiet_pool(disk(C, **fields))
    scene.look()
    assert "VDI_STALE_FLAG" not in scene.wait(seconds - 1).codes()
    found = scene.wait(2).look()["VDI_STALE_FLAG"]
    assert (found.severity, found.subject.uuid) == ("warning", C)
    scene.vdis(disk(C))
    assert "VDI_STALE_FLAG" not in scene.codes()


def test_flags_that_come_and_go_are_normal() -> None:
    scene = quiet_pool(disk(C))
    for turn in range(40):
        scene.vdis(disk(C, paused=bool(turn % 2)))
        scene.wait(100)
    assert "VDI_STALE_FLAG" not in scene.codes()


def test_paused_by_a_merge_that_runs_is_its_own() -> None:
    scene = quiet_pool(disk(A, hidden=True), disk(C, A, paused=True))
    log = scene.smlog().start(100).tree(100, (0, printed(A)), (1, printed(C, hidden=False)))
    scene.log(log.gc(100, f"Leaf-coalescing {printed(C, hidden=False)} -> {printed(A)}"))
    scene.look()
    assert "VDI_STALE_FLAG" not in scene.wait(200).codes()


def test_host_key_of_a_running_vm_is_normal_and_stale_when_it_stopped() -> None:
    leaf = disk(C, attached_hosts={host_ref(MEMBER): "RW"})
    vbd = a_vbd(VM, leaf)
    scene = quiet_pool(leaf, vms={VM.ref: VM}, vbds={vbd.ref: vbd})
    scene.look()
    assert "VDI_STALE_FLAG" not in scene.wait(4000).codes()
    scene.seen(vbds={vbd.ref: a_vbd(VM, leaf, currently_attached=False)})
    found = scene.look()["VDI_STALE_FLAG"]
    assert "xcp2" in found.summary


def test_host_key_of_a_host_that_is_gone() -> None:
    scene = quiet_pool(disk(C, attached_hosts={"OpaqueRef:gone": "RW"}))
    scene.look()
    assert "a host that is gone" in scene.wait(1801).look()["VDI_STALE_FLAG"].summary


def test_gc_running_file_of_a_dead_run() -> None:
    log = Smlog(cow=True).start(100).chain(100).sm(100, f"gc_running already exist for {SR}. Ignoring...")
    assert offline(log)["VDI_STALE_FLAG"].severity == "error"
    log.finish(100).tick().start(110).chain(110).finish(110)
    assert "VDI_STALE_FLAG" not in offline(log)


# --- LEAF_COALESCE_BLOCKED ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [{"on_boot": "reset"}, {"allow_caching": True}])
def test_leaf_off_by_its_own_settings_is_info(fields: dict[str, Any]) -> None:
    scene = quiet_pool(disk(A, hidden=True), disk(C, A, **fields))
    scene.look()
    assert scene.wait(90_000).look()["LEAF_COALESCE_BLOCKED"].severity == "info"
    assert scene.sr().state in ("quiet", "idle", "waiting")


def test_leaf_switch_that_outlived_its_migration() -> None:
    scene = quiet_pool(disk(A, hidden=True), disk(C, A, other_config={"leaf-coalesce": "false"}))
    assert scene.look()["LEAF_COALESCE_BLOCKED"].severity == "info"
    found = scene.wait(86_500).look()["LEAF_COALESCE_BLOCKED"]
    assert found.severity == "warning"
    assert scene.last is not None
    assert "worse" in {transition.change for transition in scene.last.transitions} or found.count == 1
    scene.vdis(disk(A, hidden=True), disk(C, A))
    assert "LEAF_COALESCE_BLOCKED" not in scene.codes()


# --- VDI_GARBAGE ----------------------------------------------------------------------------------------------


def test_garbage_for_two_hours() -> None:
    scene = quiet_pool(disk(C), disk(B, hidden=True))
    scene.look()
    assert "VDI_GARBAGE" not in scene.wait(7199).codes()
    found = scene.wait(2).look()["VDI_GARBAGE"]
    assert (found.severity, found.subject.uuid) == ("warning", SR)
    scene.vdis(disk(C))
    assert "VDI_GARBAGE" not in scene.codes()


def test_garbage_where_no_agent_looks_is_unknown() -> None:
    scene = Scene(a_picture((disk(C), disk(B, hidden=True))), agents={MEMBER})
    scene.look()
    assert "VDI_GARBAGE" not in scene.wait(9000).codes()


def test_new_garbage_each_time_is_a_gc_at_work() -> None:
    scene = quiet_pool(*pending_chain())
    for turn in range(6):
        scene.vdis(disk(C), disk(f"{turn:08x}-0000-4000-8000-000000000000", hidden=True))
        scene.wait(3600)
        scene.log(scene.smlog(MASTER).start(100 + turn).chain(100 + turn).finish(100 + turn))
    assert "VDI_GARBAGE" not in scene.codes()

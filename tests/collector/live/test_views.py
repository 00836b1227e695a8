"""Views of a pool whose state real lines, samples and pictures made."""

from dataclasses import replace
from datetime import timedelta

import pytest
from chainwatch_collector.fold.assignment import UNASSIGNED
from chainwatch_collector.fold.pool_fold import Judged
from chainwatch_collector.inventory.records import Task
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.keep.rows import HostRow
from chainwatch_collector.live import backups, forests, lookup, pools, rescan_checks, storage, texts
from chainwatch_collector.live.board import Board, HostExtra, Registered
from chainwatch_collector.show.changes import ChangeHub
from chainwatch_collector.show.views import NotAvailableError, Subject, UnknownSubjectError
from collector.judge.scene import (
    GIB,
    MASTER,
    MEMBER,
    POOL_UUID,
    SR_REF,
    START,
    Scene,
    a_vbd,
    a_vm,
    disk,
    pending_chain,
    process,
    quiet_pool,
)
from smlog import SR, A, B, C

STRANGER = "33333333-0000-4000-8000-000000000003"


def row(uuid: str, *, connected: bool = True) -> HostRow:
    return HostRow(
        1, uuid, f"dom0-{uuid[:4]}", connected, "0.1.0", "3.6.8", "3.2.12", "UTC", 0, (), 0.0, START, START, START, 2, 1
    )


def board_of(scene: Scene) -> Board:
    """What the surfaces would have after this look; the master has an agent, and so has a host of no pool."""
    scene.look()
    assert scene.last is not None
    assert scene.picture is not None
    board = Board(ChangeHub())
    board.pictured(POOL_UUID, scene.picture)
    board.placed({MASTER: POOL_UUID, STRANGER: UNASSIGNED})
    extra = HostExtra(gaps=1, committed={"/var/log/SMlog": 700})
    board.register(Registered({MASTER: row(MASTER), STRANGER: row(STRANGER)}, {MASTER: extra}))
    board.judged(Judged(POOL_UUID, scene.now, scene.last.answer, scene.tracker.state(scene.now)))
    return board


def merging() -> Scene:
    """B is being copied into A, half a GiB so far; C is a VM's disk."""
    guest = a_vm("c0000000-0000-4000-8000-000000000001", power_state="Running")
    vbd = a_vbd(guest, disk(C, B), device="xvda")
    scene = quiet_pool(*pending_chain(), vms={guest.ref: guest}, vbds={vbd.ref: vbd})
    scene.log(scene.smlog().start(100).chain(100).inner_start(100).copy(101).tick(1))
    scene.processes[MASTER] = (process(written=GIB // 4),)
    scene.look()
    scene.now += timedelta(seconds=10)
    scene.processes[MASTER] = (process(written=GIB // 2),)
    return scene


def test_a_running_merge_has_its_progress() -> None:
    scene = merging()
    (merge,) = storage.merge_views(board_of(scene), scene.now, storage.FullNames())
    assert (merge.child, merge.parent, merge.host_name, merge.outcome) == (B, A, "xcp1", "running")
    assert merge.done_bytes == GIB // 2
    assert merge.rate_bytes_per_second == pytest.approx(GIB / 40, rel=0.05)
    assert merge.total_bytes is None or merge.eta_seconds is not None


def test_the_forest_has_its_nodes_parents_first_with_their_vms() -> None:
    board = board_of(merging())
    state = board.states[POOL_UUID]
    owners = forests.Owners()
    view = forests.sr_forest(state.picture, state.srs[SR], START, owners)
    assert [(node.uuid, node.depth, node.status) for node in view.nodes[:2]] == [(A, 1, "base"), (B, 2, "merging")]
    leaf = view.nodes[2]
    assert (leaf.uuid, leaf.vm_name, leaf.device, leaf.parent) == (C, "vm c", "xvda", B)
    assert forests.vdi_forest(state.picture, state.srs[SR], C, START, owners).nodes == view.nodes
    assert [node.uuid for node in forests.chain_ends(state.picture, state.srs[SR], owners)] == [C]


def test_a_name_a_uuid_and_its_beginning_find_the_thing() -> None:
    board = board_of(merging())
    assert lookup.find(board, "store") == Subject("sr", SR, "store", POOL_UUID)
    assert lookup.find(board, B[:8]) == Subject("vdi", B, "base copy", POOL_UUID)
    assert lookup.find(board, C.upper()).uuid == C
    assert lookup.find(board, "xcp1", ("host",)).uuid == MASTER
    assert lookup.find(board, "prod").kind == "pool"
    assert lookup.find(board, "vm c").kind == "vm"
    assert lookup.find(board, f"dom0-{STRANGER[:4]}").pool_uuid == UNASSIGNED
    with pytest.raises(UnknownSubjectError) as found:
        lookup.find(board, "base copy")
    assert {one.uuid for one in found.value.candidates} == {A, B}
    for nothing in ("nobody", "", B[:7], "x" * 36):
        with pytest.raises(UnknownSubjectError):
            lookup.find(board, nothing)


def test_every_host_is_an_agent_with_one_or_without() -> None:
    scene = merging()
    agents = {view.host_uuid: view for view in pools.agent_views(board_of(scene), scene.now)}
    assert {uuid: view.state for uuid, view in agents.items()} == {
        MASTER: "reporting",
        MEMBER: "missing",
        STRANGER: "unassigned",
    }
    master = agents[MASTER]
    assert (master.host_name, master.pool_name, master.gaps, master.dropped_total) == ("xcp1", "prod", 1, 2)
    assert master.logs[0].committed_bytes == min(700, master.logs[0].size_bytes)
    assert master.lag_seconds is not None
    assert agents[STRANGER].pool_name == "unassigned"


def test_pools_say_whether_they_answer() -> None:
    scene = merging()
    prod, unassigned = pools.pool_views(board_of(scene))
    assert (prod.name, prod.master_name, prod.reachable, prod.problem, prod.hosts) == ("prod", "xcp1", True, None, 2)
    assert (prod.software, prod.hosts_with_agent) == ("8.3.0", 1)
    assert (unassigned.name, unassigned.hosts) == ("unassigned", 1)
    scene.seen(problem="no route to host")
    assert pools.pool_views(board_of(scene))[0].problem == "no route to host"


def test_an_sr_has_its_gc_host_and_attachments() -> None:
    board = board_of(merging())
    view = storage.SrViews().of(board, pools.agent_states(board))[SR]
    assert (view.gc_host_name, view.vdis, view.pool_name, view.shared) == ("xcp1", 3, "prod", True)
    assert {(one.host_name, one.attached, one.agent) for one in view.attachments} == {
        ("xcp1", True, "reporting"),
        ("xcp2", True, "missing"),
    }


def test_tasks_are_those_that_go_on() -> None:
    going = Task(ref="t1", uuid="u1", name="Export of VM web", created_at=START, progress=0.5, applies_to_ref=SR_REF)
    done = replace(going, ref="t2", uuid="u2", status="success")
    scene = merging().seen(tasks={"t1": going, "t2": done})
    (view,) = backups.task_views(board_of(scene))
    assert (view.uuid, view.kind, view.progress, view.subject) == (
        "u1",
        "export",
        0.5,
        Subject("sr", SR, "store", POOL_UUID),
    )


def statuses(scene: Scene) -> dict[str, str]:
    board = board_of(scene)
    return {check.name: check.status for check in rescan_checks.prechecks(board.states[POOL_UUID], SR, Thresholds())}


def test_a_rescan_is_offered_only_when_nothing_goes_on() -> None:
    quiet = quiet_pool(*pending_chain())
    quiet.log(quiet.smlog().start(100).chain(100).finish(100))
    assert set(statuses(quiet).values()) == {"ok"}
    busy = statuses(merging())
    assert busy["no GC run is active"] == "error"
    assert busy["no merge runs"] == "error"
    away = quiet_pool(*pending_chain())
    away.agents.clear()
    assert statuses(away)["no GC run is active"] == "unknown"
    detached = quiet_pool(*pending_chain(), pbds={})
    assert statuses(detached)["the SR is attached on its GC host"] == "error"
    assert [check.status for check in rescan_checks.prechecks(None, SR, Thresholds())] == ["unknown"]


def test_why_is_the_judges_page() -> None:
    scene = merging()
    board = board_of(scene)
    subject = Subject("sr", SR, "store", POOL_UUID)
    page = texts.why(subject, board.states[POOL_UUID], board.answers[POOL_UUID], scene.now, Thresholds())
    assert page.checks
    assert page.subject == subject
    unknown = texts.why(subject, None, None, scene.now, Thresholds())
    assert (unknown.status, unknown.checks) == ("unknown", ())
    task = Subject("task", "u1", "Export", POOL_UUID)
    with pytest.raises(NotAvailableError):
        texts.why(task, board.states[POOL_UUID], board.answers[POOL_UUID], scene.now, Thresholds())


def test_the_board_tells_what_changed_and_nothing_twice() -> None:
    scene = quiet_pool(*pending_chain())
    board = board_of(scene)
    heard = board.hub.revision
    assert scene.last is not None
    state = scene.tracker.state(scene.now)
    board.judged(Judged(POOL_UUID, scene.now, scene.last.answer, state))
    assert board.hub.revision == heard
    changed = replace(scene.last.answer, srs=tuple(replace(sr, state="stuck") for sr in scene.last.answer.srs))
    board.judged(Judged(POOL_UUID, scene.now, changed, state))
    assert board.hub.revision == heard + 1


def test_an_answer_of_another_collector_takes_the_old_state_along() -> None:
    scene = merging()
    board = board_of(scene)
    board.judged(Judged(POOL_UUID, scene.now, board.answers[POOL_UUID], None))
    assert POOL_UUID not in board.states
    assert storage.merge_views(board, scene.now, storage.FullNames()) == []
    board.retired(POOL_UUID)
    assert board.answers == {}
    assert pools.pool_views(board)[0].name == "unassigned"


def test_the_catalogue_and_pasted_messages_are_explained() -> None:
    assert texts.catalogue()["SR_FULL"].title
    assert "COALESCE_NO_SPACE" in [one.code for one in texts.explain("No space to coalesce *abc")]

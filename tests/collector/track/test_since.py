from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from chainwatch_collector.chains.build import build_forest
from chainwatch_collector.inventory.records import Vdi
from chainwatch_collector.track.since import Since, held_by_control_domains
from collector.judge.scene import START, a_picture, a_vbd, a_vm, an_sr, disk, pending_chain
from smlog import A, B, C


def later(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def see(since: Since, seconds: float, *vdis: Vdi) -> Since:
    return since.see(build_forest(an_sr(), {vdi.uuid: vdi for vdi in vdis}), START + timedelta(seconds=seconds))


def test_pending_counts_from_when_it_was_first_shown_without_a_pause() -> None:
    since = see(see(Since(), 0, *pending_chain()), 100, *pending_chain())
    assert since.pending[B] == START
    since = see(since, 200, disk(C))
    assert since.pending == {}
    assert see(since, 300, *pending_chain()).pending[B] == later(300)


def test_flags_garbage_and_missing() -> None:
    since = see(
        Since(), 0, disk(C, paused=True, attached_hosts={"OpaqueRef:h": "RW"}, missing=True), disk(A, hidden=True)
    )
    assert (set(since.flags), set(since.host_keys)) == ({(C, "paused")}, {(C, "OpaqueRef:h")})
    assert since.keyed_refs == {f"OpaqueRef:{C}"}
    assert (set(since.garbage), since.missing) == ({A}, (C,))


def test_disks_held_by_a_control_domain() -> None:
    dom0 = a_vm("fffffff6-0000-4000-8000-000000000006", is_control_domain=True)
    guest = a_vm("eeeeeee5-0000-4000-8000-000000000005")
    leaf = disk(C)
    mine, other = a_vbd(dom0, leaf), a_vbd(guest, leaf)
    picture = a_picture((leaf,), vms={vm.ref: vm for vm in (dom0, guest)}, vbds={v.ref: v for v in (mine, other)})
    held = held_by_control_domains(picture, {})
    assert held == {mine.ref: START}
    assert held_by_control_domains(replace(picture, as_of=later(60)), held) == {mine.ref: START}
    assert held_by_control_domains(replace(picture, vbds={}), held) == {}

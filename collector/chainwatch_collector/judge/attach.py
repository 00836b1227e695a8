"""ATTACH_NO_SPACE: a VM that did not start, or would not: its disks on a thick LVM SR have no room to be inflated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.chains.scope import family as family_of
from chainwatch_collector.chains.scope import gets_verdict, provisioning
from chainwatch_collector.chains.window import start_refusals
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Vm
from chainwatch_collector.judge import keepers
from chainwatch_collector.judge.answer import FindingSubject
from chainwatch_collector.judge.condition import INVENTORY, Condition, of_sr, sr_words, vdi_words
from chainwatch_collector.judge.known import Guests
from chainwatch_collector.judge.registry import family
from chainwatch_collector.judge.space import numbers, recent, room_again
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.incidents import Incident
from chainwatch_collector.track.state import PoolState, SrState
from chainwatch_collector.words import size

CODE = "ATTACH_NO_SPACE"


@dataclass(frozen=True, slots=True)
class StartRefused:
    """A VM that is off and would not start now."""

    vm: Vm
    sr_uuid: str
    need_bytes: int
    free_bytes: int


@family(CODE)
def attach_refused(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """180, or 44 at an attach: the log names the disk, the inventory the VM that has it."""
    guests = Guests(state.picture)
    for sr in state.srs.values():
        found = recent(sr.open_incidents("attach_no_space"), now, limits)
        room = keepers.of_sr(sr) if found else {}
        for incident in found:
            if not room_again(sr, incident):
                yield _refused(sr, guests.vm_of(sr, incident.vdi), incident, room, now)


def _refused(sr: SrState, vm: Vm | None, incident: Incident, room: dict[str, str], now: datetime) -> Condition:
    told = numbers(incident)
    what = f"disk {vdi_words(sr, incident.vdi)}" if incident.vdi else "a disk"
    who = f"VM '{vm.name}' does not start: {what}" if vm is not None else what
    return of_sr(
        sr,
        CODE,
        "error",
        f"{who} on {sr_words(sr)} could not be attached for lack of space{f' ({told})' if told else ''}.",
        now=now,
        incidents=(incident,),
        vdi=incident.vdi or None,
        key=incident.vdi,
        of=FindingSubject("vm", vm.uuid, vm.name) if vm is not None else None,
        params=room | ({"vm_uuid": vm.uuid} if vm is not None else {}),
    )


def starts(picture: Picture) -> tuple[StartRefused, ...]:
    """Every guest that is off and would not start now. A replica, whose start is blocked, is none to be started."""
    thick = any(family_of(sr) == "lvm" and provisioning(sr) == "thick" for sr in picture.srs.values())
    if not thick:
        return ()
    index = PoolIndex(picture)
    off = [vm for vm in picture.vms.values() if gets_verdict(vm) and "start" not in vm.blocked_operations]
    return tuple(
        StartRefused(vm, picture.srs[ref].uuid, refusal.need_bytes.low, refusal.free_bytes)
        for vm in off
        for ref, refusal in start_refusals(index, vm).items()
        if refusal.need_bytes is not None and refusal.free_bytes is not None
    )


def conditions(state: PoolState, refused: Iterable[StartRefused], found: Iterable[Condition]) -> Iterator[Condition]:
    """One for each VM and SR that no log has told of; information, for nobody has tried to start it."""
    told = {one.subject.uuid for one in found if one.code == CODE}
    for one in refused:
        sr = state.srs.get(one.sr_uuid)
        if sr is None or one.vm.uuid in told:
            continue
        yield of_sr(
            sr,
            CODE,
            "info",
            f"VM '{one.vm.name}', which is off, would not start: its disks on {sr_words(sr)} need"
            f" {size(one.need_bytes)} to be inflated to their full size, and {size(one.free_bytes)} is free.",
            now=state.now,
            key=f"foretold:{one.sr_uuid}",
            of=FindingSubject("vm", one.vm.uuid, one.vm.name),
            params={**keepers.of_sr(sr), "vm_uuid": one.vm.uuid},
            sources=frozenset((INVENTORY,)),
        )

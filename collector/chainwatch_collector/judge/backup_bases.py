"""Bases of the next backup that are gone, what dead runs left, changed-block tracking that broke."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from chainwatch_collector.backups.seen import BaseSeen
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Message, Sr, Vdi
from chainwatch_collector.judge.answer import FindingSubject
from chainwatch_collector.judge.condition import INVENTORY, JOBS, Condition
from chainwatch_collector.judge.registry import family
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.state import PoolState
from chainwatch_collector.words import clock, duration, plural, short, size

_BY_INVENTORY: Final = frozenset((INVENTORY,))
_BY_JOBS: Final = frozenset((INVENTORY, JOBS))
_CBT_MESSAGES: Final = frozenset(("VDI_CBT_SNAPSHOT_FAILED", "VDI_CBT_RESIZE_FAILED", "VDI_CBT_METADATA_INCONSISTENT"))
_WHY: Final = {
    "replica_gone": "the replica of its base is gone from the target SR",
    "no_base": "its base snapshot is gone",
    "disk_added": "{count} added since the base was made",
    "disk_moved": "{count} moved to another SR or replaced since the base was made",
}


@family("BACKUP_BASE_MISSING")
def base_missing(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """The next run of a job is a full one for this VM; one finding for each job."""
    for base in state.backups.bases:
        if base.problem:
            why = _WHY[base.problem].format(count=plural(len(base.full_vdis), "disk was", "disks were"))
            yield Condition(
                code="BACKUP_BASE_MISSING",
                subject=FindingSubject("vm", base.vm_uuid, base.vm_name),
                severity="warning",
                summary=f"The next run of {_job(base)} for VM '{base.vm_name}' is a full one of about"
                f" {size(base.full_bytes)}: {why}.{_to_delete(base)}",
                since=now,
                key=base.job,
                variant=base.problem,
                params=_params(base),
                vdis=frozenset(base.full_vdis),
                sources=_BY_JOBS,
                hold_seconds=limits.backup_base_seconds,
            )


def _params(base: BaseSeen) -> dict[str, str]:
    named = f"'{base.snapshot_name}' {short(base.snapshot_uuid)}" if base.snapshot_uuid else ""
    return {"vm_uuid": base.vm_uuid, "snapshots": named}


def _job(base: BaseSeen) -> str:
    name = base.job_name or ("an old Xen Orchestra's job" if base.job.startswith("legacy") else base.job)
    return name if name.startswith("an ") else f"job '{name}'"


def _to_delete(base: BaseSeen) -> str:
    """Only a replica that is gone leaves a snapshot that is in the way."""
    if base.problem != "replica_gone":
        return ""
    made = f" of {clock(base.at)}" if base.at is not None else ""
    return f" An old Xen Orchestra needs its snapshot '{base.snapshot_name}'{made} deleted first."


@family("BACKUP_LEFTOVER")
def leftovers(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Snapshots of runs that died: not exported, or never even tagged, a day old."""
    by_vm: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    since: dict[str, datetime] = {}
    for one in state.backups.leftovers:
        at = one.at or now
        by_vm.setdefault(one.vm_uuid, []).append(
            f"'{one.snapshot_name}' ({short(one.snapshot_uuid)}, {duration((now - at).total_seconds())} old)"
        )
        names[one.vm_uuid] = one.vm_name
        since[one.vm_uuid] = min(since.get(one.vm_uuid, at), at)
    for uuid, found in by_vm.items():
        told = ", ".join(found[:5]) + (" and more" if len(found) > 5 else "")
        yield Condition(
            code="BACKUP_LEFTOVER",
            subject=FindingSubject("vm", uuid, names[uuid]),
            severity="info",
            summary=f"VM '{names[uuid]}' has {plural(len(found), 'snapshot')} of backup runs that died: {told}.",
            since=since[uuid],
            count=len(found),
            params={"vm_uuid": uuid, "snapshots": told},
            sources=_BY_INVENTORY,
        )


@family("CBT_BROKEN")
def cbt_broken(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """XenAPI said that it gave the change log up, or the last backup had one; and the disk has none now."""
    picture = state.picture
    if picture is None:
        return
    told: dict[str, Message] = {}
    for message in picture.messages:
        if message.name in _CBT_MESSAGES and message.subject_class.lower() == "vdi":
            before = told.get(message.subject_uuid)
            told[message.subject_uuid] = message if before is None or message.at > before.at else before
    silent = {uuid for base in state.backups.bases for uuid in base.cbt_off} - told.keys()
    if not told and not silent:
        return
    for sr, vdi in _with_uuids(picture, told.keys() | silent):
        if vdi.cbt_enabled is False and vdi.managed:
            yield _cbt(sr, vdi, told.get(vdi.uuid), now)


def _with_uuids(picture: Picture, uuids: set[str]) -> Iterator[tuple[Sr, Vdi]]:
    for sr in picture.srs.values():
        of_sr = picture.vdis(sr.ref)
        yield from ((sr, of_sr[uuid]) for uuid in sorted(uuids & of_sr.keys()))


def _cbt(sr: Sr, vdi: Vdi, message: Message | None, now: datetime) -> Condition:
    why = f"XenAPI said {message.name} at {clock(message.at)}" if message is not None else "its last backup had it"
    return Condition(
        code="CBT_BROKEN",
        subject=FindingSubject("vdi", vdi.uuid, vdi.name),
        severity="warning",
        summary=f"Changed-block tracking of disk '{vdi.name}' ({short(vdi.uuid)}) is off: {why}."
        " The next backup of it is a full one.",
        since=message.at if message is not None else now,
        params={"vdi_uuid": vdi.uuid, "sr_uuid": sr.uuid},
        sr_uuid=sr.uuid,
        vdis=frozenset((vdi.uuid,)),
        sources=_BY_INVENTORY,
    )

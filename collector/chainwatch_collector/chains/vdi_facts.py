"""Marks on VDIs that should have gone: flags, attachments to dom0, changed-block tracking. Since when is `track`'s."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.chains.scope import raises_chain_codes
from chainwatch_collector.inventory.records import Message, Ref, Vbd, Vdi, Vm

FlagKind = Literal["relinking", "activating", "paused", "host_gone", "host_detached"]

CBT_MESSAGES: Final = frozenset(
    ["VDI_CBT_SNAPSHOT_FAILED", "VDI_CBT_RESIZE_FAILED", "VDI_CBT_METADATA_INCONSISTENT"],
)
"""What SM tells when an error made it switch changed-block tracking off."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A mark in `sm_config` that blocks merges or VM starts when it stays. `host_ref`: of a `host_<ref>` key."""

    kind: FlagKind
    vdi: Vdi
    host_ref: Ref | None = None


def flags(index: PoolIndex, vdis: Iterable[Vdi]) -> Iterator[Flag]:
    """Every flag that is set now; stale is what stays longer than its threshold.

    `host_gone`: the key names a host that the pool does not have; `host_detached`: a disk marked as active on a host
    while no VBD of it is attached.
    """
    for vdi in vdis:
        if not raises_chain_codes(vdi):
            continue
        if vdi.relinking:
            yield Flag("relinking", vdi)
        if vdi.activating:
            yield Flag("activating", vdi)
        if vdi.paused:
            yield Flag("paused", vdi)
        if vdi.attached_hosts:
            yield from _host_keys(index, vdi)


def _host_keys(index: PoolIndex, vdi: Vdi) -> Iterator[Flag]:
    in_use = any(vbd.currently_attached for vbd in index.vbds_of_vdi(vdi))
    for host_ref in vdi.attached_hosts:
        if host_ref not in index.picture.hosts:
            yield Flag("host_gone", vdi, host_ref)
        elif not in_use and not vdi.current_operations:
            yield Flag("host_detached", vdi, host_ref)


@dataclass(frozen=True, slots=True)
class Held:
    """A disk that a control domain has attached: for an export, NBD, a copy or a migration; or left behind."""

    vdi: Vdi
    vbd: Vbd
    domain: Vm


def held_by_control_domains(index: PoolIndex) -> tuple[Held, ...]:
    """Every attached VBD of a control domain with a VDI."""
    found: list[Held] = []
    for domain in index.picture.vms.values():
        if domain.is_control_domain:
            for vbd in index.vbds_of_vm(domain):
                vdi = index.vdis.get(vbd.vdi_ref) if vbd.vdi_ref is not None else None
                if vdi is not None and vbd.currently_attached:
                    found.append(Held(vdi, vbd, domain))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class CbtOff:
    """Changed-block tracking that an error switched off: the newest message that says so."""

    vdi: Vdi
    message: Message


def cbt_switched_off(index: PoolIndex) -> tuple[CbtOff, ...]:
    """Disks of which SM said that tracking broke, and that have not got it back (`VDI.cbt_enabled`)."""
    newest: dict[str, Message] = {}
    for message in index.picture.messages:
        if message.name in CBT_MESSAGES:
            before = newest.get(message.subject_uuid)
            newest[message.subject_uuid] = message if before is None or message.at > before.at else before
    if not newest:
        return ()
    vdis = (vdi for vdi in index.vdis.values() if vdi.uuid in newest and vdi.cbt_enabled is False)
    return tuple(CbtOff(vdi, newest[vdi.uuid]) for vdi in vdis)

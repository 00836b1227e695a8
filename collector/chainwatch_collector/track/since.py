"""Since when merges are pending, images garbage, flags set and disks held, as the inventory has shown it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from chainwatch_collector.chains.forest import Forest
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Vdi

Key = TypeVar("Key", bound=Hashable)
PENDING = ("inner_pending", "leaf_pending", "blocked")


@dataclass(slots=True)
class Since:
    """VDI uuid, (uuid, flag) or (uuid, host ref) → when the pictures first showed it so, without a pause since."""

    pending: dict[str, datetime] = field(default_factory=dict)
    garbage: dict[str, datetime] = field(default_factory=dict)
    flags: dict[tuple[str, str], datetime] = field(default_factory=dict)
    host_keys: dict[tuple[str, str], datetime] = field(default_factory=dict)
    keyed_refs: frozenset[str] = frozenset()
    missing: tuple[str, ...] = ()

    def see(self, forest: Forest, at: datetime) -> Since:
        """With a newer forest; a new object, so that states made before keep theirs."""
        nodes = forest.nodes
        return Since(
            _carried(self.pending, (uuid for uuid, node in nodes.items() if node.status in PENDING), at),
            _carried(self.garbage, (uuid for uuid, node in nodes.items() if node.status == "garbage"), at),
            _carried(self.flags, (flag for node in nodes.values() for flag in flags_of(node.vdi)), at),
            _carried(self.host_keys, (key for node in nodes.values() for key in host_keys_of(node.vdi)), at),
            frozenset(node.vdi.ref for node in nodes.values() if node.vdi.attached_hosts),
            tuple(uuid for uuid, node in nodes.items() if node.vdi.missing),
        )


def flags_of(vdi: Vdi) -> Iterator[tuple[str, str]]:
    """(uuid, flag) of every sm_config key that keeps somebody waiting while it is there."""
    if vdi.relinking:
        yield vdi.uuid, "relinking"
    if vdi.activating:
        yield vdi.uuid, "activating"
    if vdi.paused:
        yield vdi.uuid, "paused"


def host_keys_of(vdi: Vdi) -> Iterator[tuple[str, str]]:
    """(uuid, host ref) of every host that holds the disk, as SM has it."""
    for host_ref in vdi.attached_hosts:
        yield vdi.uuid, host_ref


def held_by_control_domains(picture: Picture, before: Mapping[str, datetime]) -> dict[str, datetime]:
    """VBD ref → since when, for disks attached to a control domain."""
    at = picture.as_of
    domains = {vm.ref for vm in picture.vms.values() if vm.is_control_domain}
    if at is None or not domains:
        return {}
    held = (
        vbd.ref for vbd in picture.vbds.values() if vbd.vm_ref in domains and vbd.currently_attached and vbd.vdi_ref
    )
    return _carried(before, held, at)


def _carried(before: Mapping[Key, datetime], now: Iterable[Key], at: datetime) -> dict[Key, datetime]:
    return {key: before.get(key, at) for key in now}

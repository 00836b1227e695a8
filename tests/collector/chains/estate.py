"""A pool written by hand: two hosts, one shared SR, what a test adds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Host, Message, Pbd, Pool, SmType, Sr, Vbd, Vdi, Vm
from collector.chains.trees import SR_REF, by_uuid, sr

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MASTER, MEMBER = "OpaqueRef:master", "OpaqueRef:member"


def host(ref: str, **fields: Any) -> Host:
    """A live host of today."""
    version = {"product_version": "8.3.0"}
    given = {"uuid": f"uuid-{ref[10:]}", "name": ref[10:], "live": True, "software": version, **fields}
    return Host(ref=ref, **given)


def pbd(host_ref: str, sr_ref: str = SR_REF, *, attached: bool = True, **fields: Any) -> Pbd:
    """A PBD, plugged."""
    ref = f"OpaqueRef:pbd-{host_ref[10:]}-{sr_ref[10:]}"
    return Pbd(ref=ref, uuid=ref[10:], host_ref=host_ref, sr_ref=sr_ref, currently_attached=attached, **fields)


def vm(name: str = "vm", **fields: Any) -> Vm:
    """A running guest on the member."""
    given = {"power_state": "Running", "resident_on_ref": MEMBER, **fields}
    return Vm(ref=f"OpaqueRef:{name}", uuid=name, name=name, **given)


def vbd(one: Vm, vdi: Vdi | None, **fields: Any) -> Vbd:
    """A Disk VBD, attached; without a VDI an empty CD drive."""
    disk = vdi.uuid if vdi is not None else "empty"
    given: dict[str, Any] = {"type": "Disk" if vdi else "CD", "empty": vdi is None, "currently_attached": True}
    return Vbd(
        ref=f"OpaqueRef:vbd-{one.uuid}-{disk}",
        uuid=f"vbd-{one.uuid}-{disk}",
        vm_ref=one.ref,
        vdi_ref=vdi.ref if vdi is not None else None,
        **{**given, **fields},
    )


def pool(
    vdis: Iterable[Vdi] = (),
    vms: Iterable[Vm] = (),
    vbds: Iterable[Vbd] = (),
    *,
    store: Sr | None = None,
    pbds: Iterable[Pbd] | None = None,
    hosts: Iterable[Host] | None = None,
    sm_types: Iterable[SmType] = (),
    messages: Iterable[Message] = (),
    restrictions: Iterable[str] = (),
    **fields: Any,
) -> Picture:
    """The picture as of NOW."""
    store = store or sr()
    members = list(hosts) if hosts is not None else [host(MASTER), host(MEMBER)]
    plugged = list(pbds) if pbds is not None else [pbd(one.ref, store.ref) for one in members]
    the_pool = Pool(
        ref="OpaqueRef:pool", uuid="pool", name="prod", master_ref=MASTER, restrictions=frozenset(restrictions)
    )
    given: dict[str, Any] = {"pool": the_pool, "as_of": NOW, **fields}
    return Picture(
        hosts={one.ref: one for one in members},
        srs={store.ref: store},
        vdis_by_sr={store.ref: by_uuid(*vdis)},
        vms={one.ref: one for one in vms},
        vbds={one.ref: one for one in vbds},
        pbds={one.ref: one for one in plugged},
        sm_types={one.type: one for one in sm_types},
        messages=tuple(messages),
        **given,
    )

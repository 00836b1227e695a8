"""Slim records of what XenAPI says: the fields that somebody reads, parsed once. `slim.py` makes them.

Shapes: `ref` is an OpaqueRef, `uuid` the full 36 characters; references to other objects are refs and end in `_ref`,
None for NULL. Times are aware UTC, sizes bytes, and a field that this version of XenAPI does not have is None or empty,
never a guess. Secrets (device_config values, xenstore data) never get in here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple

Ref = str
ImageFormat = Literal["vhd", "qcow2", "raw"]
EMPTY: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """`pool`. `restrictions` keeps the names whose value is "true"."""

    ref: Ref
    uuid: str
    name: str
    master_ref: Ref | None
    restrictions: frozenset[str] = frozenset()
    ha_enabled: bool = False
    other_config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """`host` joined with its `host_metrics`. `live` None: not told."""

    ref: Ref
    uuid: str
    name: str
    hostname: str = ""
    address: str = ""
    enabled: bool = True
    live: bool | None = None
    software: Mapping[str, str] = field(default_factory=dict)
    multipathing: bool = False
    resident_vm_refs: tuple[Ref, ...] = ()
    allowed_operations: tuple[str, ...] = ()
    current_operations: tuple[str, ...] = ()
    edition: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sr:
    """`SR`. `physical_size_bytes` ≤ 0: the SR has no size. `other_config`, `sm_config`: the keys SM's GC reads."""

    ref: Ref
    uuid: str
    name: str
    type: str
    content_type: str = ""
    shared: bool = False
    physical_size_bytes: int = 0
    physical_utilisation_bytes: int = 0
    virtual_allocation_bytes: int = 0
    is_tools_sr: bool = False
    clustered: bool = False
    other_config: Mapping[str, str] = field(default_factory=dict)
    sm_config: Mapping[str, str] = field(default_factory=dict)
    current_operations: tuple[str, ...] = ()
    allowed_operations: tuple[str, ...] = ()


class Vdi(NamedTuple):
    """`VDI`. `vhd_parent` is a uuid (`sm_config["vhd-parent"]`), also for QCOW2.

    `allocated_blocks`: set bits of `vhd-blocks`; `merged_blocks`: set bits of this node's bitmap or its parent's, of a
    parent's only child alone (no other can be merged); both None where a bitmap is absent, `skipped` or damaged. One
    block is 2 MiB.
    `attached_hosts`: host ref → RW or RO, from `host_<ref>` keys. `other_config`: backup keys (`xo:…`, `XO_…`),
    `leaf-coalesce`, `gc`, `coalesce`, nothing else. A tuple, unlike the others: 50,000 at a time are made, compared and
    kept, and it takes a third of the time for that.
    """

    ref: Ref
    uuid: str
    name: str
    sr_ref: Ref
    type: str = "user"
    managed: bool = True
    missing: bool = False
    is_a_snapshot: bool = False
    snapshot_of_ref: Ref | None = None
    snapshot_time: datetime | None = None
    virtual_size_bytes: int = 0
    physical_utilisation_bytes: int = 0
    vhd_parent: str | None = None
    image_format: ImageFormat | None = None
    raw: bool = False
    allocated_blocks: int | None = None
    merged_blocks: int | None = None
    paused: bool = False
    relinking: bool = False
    activating: bool = False
    attached_hosts: Mapping[Ref, str] = EMPTY
    on_boot: str = "persist"
    allow_caching: bool = False
    sharable: bool = False
    read_only: bool = False
    cbt_enabled: bool | None = None
    gc_no_space: bool = False
    other_config: Mapping[str, str] = EMPTY
    current_operations: tuple[str, ...] = ()

    def with_merged(self, blocks: int | None) -> "Vdi":
        """The same with these `merged_blocks`; `_replace` takes five times as long."""
        return Vdi._make((*self[:_MERGED], blocks, *self[_MERGED + 1 :]))


_MERGED: Final = Vdi._fields.index("merged_blocks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vm:
    """`VM`: guests, templates, snapshots and control domains alike. `other_config`: backup keys only."""

    ref: Ref
    uuid: str
    name: str
    power_state: str = "Halted"
    is_a_template: bool = False
    is_control_domain: bool = False
    is_a_snapshot: bool = False
    snapshot_of_ref: Ref | None = None
    snapshot_time: datetime | None = None
    resident_on_ref: Ref | None = None
    has_vendor_device: bool = False
    tags: tuple[str, ...] = ()
    blocked_operations: Mapping[str, str] = field(default_factory=dict)
    allowed_operations: tuple[str, ...] = ()
    current_operations: tuple[str, ...] = ()
    suspend_vdi_ref: Ref | None = None
    vusb_count: int = 0
    other_config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vbd:
    """`VBD`."""

    ref: Ref
    uuid: str
    vm_ref: Ref
    vdi_ref: Ref | None
    device: str = ""
    userdevice: str = ""
    type: str = "Disk"
    mode: str = "RW"
    empty: bool = False
    currently_attached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pbd:
    """`PBD`. `paths`: SCSI id → (current, maximum) of `mpath-<id>`; `iscsi_sessions` likewise, None where not told.

    `provisioning`: `device_config["provisioning"]` (LINSTOR), the one value kept of device_config.
    """

    ref: Ref
    uuid: str
    host_ref: Ref
    sr_ref: Ref
    currently_attached: bool
    multipathed: bool = False
    paths: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    iscsi_sessions: tuple[int, int] | None = None
    provisioning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmType:
    """`SM`: a driver and what it can do."""

    ref: Ref
    type: str
    features: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """`task`. `applies_to_ref`: `other_config["applies_to"]`, the SR of a "Garbage Collection" task."""

    ref: Ref
    uuid: str
    name: str
    description: str = ""
    status: str = "pending"
    progress: float = 0.0
    created_at: datetime | None = None
    finished_at: datetime | None = None
    resident_on_ref: Ref | None = None
    applies_to_ref: Ref | None = None
    error_info: tuple[str, ...] = ()
    creator: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`message`: what SM and xapi told, e.g. SM_GC_NO_SPACE. `priority` 1 is critical, 5 information."""

    uuid: str
    name: str
    priority: int
    subject_class: str
    subject_uuid: str
    at: datetime
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRates:
    """Bytes per second of one host, the mean of the last minute. `srs`: first 8 hex digits of the SR's uuid → (read,
    write). `vifs`: VM uuid → (received, sent) by the guest. `vbds`: VM uuid → (read, write). `network` None: no
    interface told anything; else (received, sent) by all physical interfaces together.
    """

    at: datetime
    network: tuple[float, float] | None = None
    vifs: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    vbds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    srs: Mapping[str, tuple[float, float]] = field(default_factory=dict)

"""XenAPI records -> slim records: what somebody reads is kept, everything else and every secret is dropped at once.

Unknown fields, enums and SR types pass. `vhd-blocks` becomes a number here; `blocks.py` joins parent and child.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from sys import intern
from typing import Any, Final, NamedTuple, cast

from chainwatch_collector.inventory.blocks import Bitmap, parse_bitmap
from chainwatch_collector.inventory.fields import NO_REF, Fields, parse_pair
from chainwatch_collector.inventory.kept import (
    BACKUP_PREFIXES,
    HOST_SOFTWARE,
    MAX_VALUE,
    SR_OTHER_CONFIG,
    SR_SM_CONFIG,
    VDI_OTHER_CONFIG,
    kept,
)
from chainwatch_collector.inventory.records import (
    EMPTY,
    Host,
    ImageFormat,
    Message,
    Pbd,
    Pool,
    Ref,
    SmType,
    Sr,
    Task,
    Vbd,
    Vdi,
    Vm,
)

MAX_BODY: Final = 4096
_FORMATS: Final[Mapping[str, str]] = {"vhd": "vhd", "qcow2": "qcow2", "raw": "raw", "aio": "raw"}
_QUIET: Final = frozenset({"vdi_type", "image-format", "vhd-parent", "vhd-blocks"})
"""Keys of a VDI's sm_config that say what it is; every other says what goes on with it."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class SlimVdi(NamedTuple):
    """A VDI and its `vhd-blocks`, which the caller drops once the merged sizes are made."""

    vdi: Vdi
    bitmap: Bitmap | None


def slim_pool(f: Fields) -> Pool:
    """`pool`."""
    restrictions = f.map("restrictions")
    return Pool(
        ref=f.ref,
        uuid=_uuid(f),
        name=f.text("name_label"),
        master_ref=f.reference("master"),
        restrictions=frozenset(name for name, value in restrictions.items() if str(value).lower() == "true"),
        ha_enabled=f.flag("ha_enabled"),
        other_config=kept(f.map("other_config"), frozenset(), BACKUP_PREFIXES),
    )


def slim_host(f: Fields, live: bool | None = None) -> Host:
    """`host`; `live` is of its `host_metrics`."""
    software = f.map("software_version")
    return Host(
        ref=f.ref,
        uuid=_uuid(f),
        name=f.text("name_label"),
        hostname=f.text("hostname"),
        address=f.text("address"),
        enabled=f.flag("enabled", True),
        live=live,
        software=kept(software, HOST_SOFTWARE),
        multipathing=f.flag("multipathing"),
        resident_vm_refs=f.texts("resident_VMs"),
        allowed_operations=f.texts("allowed_operations"),
        current_operations=f.texts("current_operations"),
        edition=f.text("edition"),
    )


def slim_sr(f: Fields) -> Sr:
    """`SR`."""
    return Sr(
        ref=f.ref,
        uuid=_uuid(f),
        name=f.text("name_label"),
        type=f.word("type").lower(),
        content_type=f.word("content_type"),
        shared=f.flag("shared"),
        physical_size_bytes=f.integer("physical_size"),
        physical_utilisation_bytes=f.integer("physical_utilisation"),
        virtual_allocation_bytes=f.integer("virtual_allocation"),
        is_tools_sr=f.flag("is_tools_sr"),
        clustered=f.flag("clustered"),
        other_config=kept(f.map("other_config"), SR_OTHER_CONFIG),
        sm_config=kept(f.map("sm_config"), SR_SM_CONFIG),
        current_operations=f.texts("current_operations"),
        allowed_operations=f.texts("allowed_operations"),
    )


def slim_vdi(f: Fields) -> SlimVdi:
    """`VDI`."""
    sm_config = f.map("sm_config")
    quiet = sm_config.keys() <= _QUIET
    bitmap = parse_bitmap(sm_config.get("vhd-blocks"))
    kind = sm_config.get("image-format") or sm_config.get("vdi_type")
    image_format = cast("ImageFormat | None", _FORMATS.get(str(kind).lower()))
    vdi = Vdi(
        ref=f.ref,
        uuid=_uuid(f),
        name=f.word("name_label"),
        sr_ref=f.reference("SR") or "",
        type=f.word("type", "user"),
        managed=f.flag("managed", True),
        missing=f.flag("missing"),
        is_a_snapshot=f.flag("is_a_snapshot"),
        snapshot_of_ref=f.reference("snapshot_of"),
        snapshot_time=f.time("snapshot_time"),
        virtual_size_bytes=f.integer("virtual_size"),
        physical_utilisation_bytes=f.integer("physical_utilisation"),
        vhd_parent=intern(str(sm_config.get("vhd-parent") or "")) or None,
        image_format=image_format,
        raw=image_format == "raw",
        allocated_blocks=None if bitmap is None else bitmap.blocks,
        paused=not quiet and _set(sm_config, "paused"),
        relinking=not quiet and _set(sm_config, "relinking"),
        activating=not quiet and _set(sm_config, "activating"),
        attached_hosts=EMPTY if quiet else _attached(sm_config),
        on_boot=f.word("on_boot", "persist"),
        allow_caching=f.flag("allow_caching"),
        sharable=f.flag("sharable"),
        read_only=f.flag("read_only"),
        cbt_enabled=f.optional_flag("cbt_enabled"),
        gc_no_space=bool(sm_config.get("gc_no_space")),
        other_config=kept(f.map("other_config"), VDI_OTHER_CONFIG, BACKUP_PREFIXES),
        current_operations=f.texts("current_operations"),
    )
    return SlimVdi(vdi, bitmap)


def slim_vm(f: Fields) -> Vm:
    """`VM`."""
    return Vm(
        ref=f.ref,
        uuid=_uuid(f),
        name=f.text("name_label"),
        power_state=f.word("power_state", "Halted"),
        is_a_template=f.flag("is_a_template"),
        is_control_domain=f.flag("is_control_domain"),
        is_a_snapshot=f.flag("is_a_snapshot"),
        snapshot_of_ref=f.reference("snapshot_of"),
        snapshot_time=f.time("snapshot_time"),
        resident_on_ref=f.reference("resident_on"),
        has_vendor_device=f.flag("has_vendor_device"),
        tags=f.texts("tags"),
        blocked_operations=_strings(f.map("blocked_operations")),
        allowed_operations=f.texts("allowed_operations"),
        current_operations=f.texts("current_operations"),
        suspend_vdi_ref=f.reference("suspend_VDI"),
        vusb_count=len(f.texts("VUSBs")),
        other_config=kept(f.map("other_config"), frozenset(), BACKUP_PREFIXES),
    )


def slim_vbd(f: Fields) -> Vbd:
    """`VBD`."""
    return Vbd(
        ref=f.ref,
        uuid=_uuid(f),
        vm_ref=f.reference("VM") or "",
        vdi_ref=f.reference("VDI"),
        device=f.word("device"),
        userdevice=f.word("userdevice"),
        type=f.word("type", "Disk"),
        mode=f.word("mode", "RW"),
        empty=f.flag("empty"),
        currently_attached=f.flag("currently_attached"),
    )


def slim_pbd(f: Fields) -> Pbd:
    """`PBD`. Of `device_config`, where passwords are, one harmless value is kept."""
    other = f.map("other_config")
    counts = {key.removeprefix("mpath-"): parse_pair(value) for key, value in other.items() if key.startswith("mpath-")}
    return Pbd(
        ref=f.ref,
        uuid=_uuid(f),
        host_ref=f.reference("host") or "",
        sr_ref=f.reference("SR") or "",
        currently_attached=f.flag("currently_attached"),
        multipathed=str(other.get("multipathed", "")).lower() == "true",
        paths={scsi_id: count for scsi_id, count in counts.items() if count is not None},
        iscsi_sessions=parse_pair(other.get("iscsi_sessions")),
        provisioning=str(f.map("device_config").get("provisioning", "")),
    )


def slim_sm_type(f: Fields) -> SmType:
    """`SM`."""
    return SmType(ref=f.ref, type=f.word("type").lower(), features=frozenset(map(str, f.map("features"))))


def slim_task(f: Fields) -> Task:
    """`task`."""
    other = f.map("other_config")
    applies_to = other.get("applies_to")
    return Task(
        ref=f.ref,
        uuid=_uuid(f),
        name=f.text("name_label"),
        description=f.text("name_description")[:MAX_VALUE],
        status=f.word("status", "pending"),
        progress=f.number("progress"),
        created_at=f.time("created"),
        finished_at=f.time("finished"),
        resident_on_ref=f.reference("resident_on"),
        applies_to_ref=None if applies_to is None or applies_to in NO_REF else str(applies_to),
        error_info=tuple(text[:MAX_VALUE] for text in f.texts("error_info")),
        creator=_creator(other),
    )


def slim_message(f: Fields) -> Message:
    """`message`."""
    return Message(
        uuid=_uuid(f),
        name=f.text("name"),
        priority=f.integer("priority", 5),
        subject_class=f.word("cls"),
        subject_uuid=f.text("obj_uuid"),
        at=f.time("timestamp") or _EPOCH,
        body=f.text("body")[:MAX_BODY],
    )


def slim_live(f: Fields) -> bool | None:
    """`host_metrics.live`."""
    return f.optional_flag("live")


SLIMMERS: Final[Mapping[str, Callable[[Fields], Any]]] = {
    "pool": slim_pool,
    "host": slim_host,
    "host_metrics": slim_live,
    "SR": slim_sr,
    "VDI": slim_vdi,
    "VM": slim_vm,
    "VBD": slim_vbd,
    "PBD": slim_pbd,
    "SM": slim_sm_type,
    "task": slim_task,
}
"""XenAPI class -> what makes its slim record. `message` is polled and not among them."""


def _uuid(f: Fields) -> str:
    return f.text("uuid") or f.ref.removeprefix("OpaqueRef:")


def _set(sm_config: Mapping[str, Any], key: str) -> bool:
    return key in sm_config and str(sm_config[key]).lower() not in ("", "false", "none")


def _attached(sm_config: Mapping[str, Any]) -> Mapping[Ref, str]:
    found = {intern(key[5:]): intern(str(mode)) for key, mode in sm_config.items() if key.startswith("host_")}
    return found or EMPTY


def _strings(values: Mapping[str, Any]) -> Mapping[str, str]:
    return {intern(key): intern(str(value)) for key, value in values.items()} or EMPTY


def _creator(other_config: Mapping[str, Any]) -> str:
    """Who made a task, as far as its keys tell: tasks have no field for it."""
    if any(key.startswith("xo:") for key in other_config):
        return "Xen Orchestra"
    return "XenCenter" if "XenCenterUUID" in other_config else ""

"""Records as XenAPI returns them, less everything that `slim.py` does not read: what leaves a pool in a dump.

An allow-list: a field that a later XenAPI brings stays out. Names of VMs and disks stay, since people look for them.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from chainwatch_collector.inventory.kept import (
    BACKUP_PREFIXES,
    HOST_SOFTWARE,
    MAX_VALUE,
    SR_OTHER_CONFIG,
    SR_SM_CONFIG,
    VDI_OTHER_CONFIG,
)
from chainwatch_collector.inventory.records import Ref

_NAMED: Final = frozenset({"uuid", "name_label", "other_config", "current_operations"})
FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "pool": _NAMED | {"master", "restrictions", "ha_enabled"},
    "host": _NAMED
    | {"hostname", "address", "enabled", "metrics", "software_version", "multipathing", "resident_VMs", "edition"}
    | {"allowed_operations"},
    "host_metrics": frozenset({"uuid", "live"}),
    "SR": _NAMED
    | {"type", "content_type", "shared", "physical_size", "physical_utilisation", "virtual_allocation", "is_tools_sr"}
    | {"clustered", "sm_config", "allowed_operations", "VDIs"},
    "VDI": _NAMED
    | {"SR", "type", "managed", "missing", "is_a_snapshot", "snapshot_of", "snapshot_time", "virtual_size"}
    | {"physical_utilisation", "sm_config", "on_boot", "allow_caching", "sharable", "read_only", "cbt_enabled"},
    "VM": _NAMED
    | {"power_state", "is_a_template", "is_control_domain", "is_a_snapshot", "snapshot_of", "snapshot_time"}
    | {"resident_on", "has_vendor_device", "tags", "blocked_operations", "allowed_operations", "suspend_VDI", "VUSBs"},
    "VBD": frozenset({"uuid", "VM", "VDI", "device", "userdevice", "type", "mode", "empty", "currently_attached"}),
    "PBD": frozenset({"uuid", "host", "SR", "currently_attached", "other_config", "device_config"}),
    "SM": frozenset({"uuid", "type", "features"}),
    "task": _NAMED | {"name_description", "status", "progress", "created", "finished", "resident_on", "error_info"},
    "message": frozenset({"uuid", "name", "priority", "cls", "obj_uuid", "timestamp", "body"}),
}
_KEYS: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("host", "software_version"): HOST_SOFTWARE,
    ("host", "other_config"): frozenset(),
    ("SR", "other_config"): SR_OTHER_CONFIG,
    ("SR", "sm_config"): SR_SM_CONFIG,
    ("VDI", "other_config"): VDI_OTHER_CONFIG,
    ("VDI", "sm_config"): frozenset(
        {"vhd-parent", "vhd-blocks", "vdi_type", "image-format", "paused", "relinking", "activating", "gc_no_space"}
    ),
    ("PBD", "device_config"): frozenset({"provisioning"}),
    ("PBD", "other_config"): frozenset({"multipathed", "iscsi_sessions"}),
    ("task", "other_config"): frozenset({"applies_to", "XenCenterUUID"}),
}
_PREFIXES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("VDI", "sm_config"): ("host_",),
    ("PBD", "other_config"): ("mpath-",),
    **{(kind, "other_config"): BACKUP_PREFIXES for kind in ("pool", "VDI", "VM", "task")},
}
_LONG: Final = frozenset({"vhd-blocks"})


def scrub(kind: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with the fields and keys that are read, and nothing else."""
    known = FIELDS[kind]
    return {name: _map(kind, name, value) for name, value in record.items() if name in known}


def scrubbed(kind: str, records: Mapping[Ref, Mapping[str, Any]]) -> Iterator[tuple[Ref, dict[str, Any]]]:
    """All of a class."""
    for ref, record in records.items():
        yield ref, scrub(kind, record)


def _map(kind: str, name: str, value: Any) -> Any:
    place = (kind, name)
    if not isinstance(value, Mapping) or (place not in _KEYS and place not in _PREFIXES):
        return value
    keys, prefixes = _KEYS.get(place, frozenset()), _PREFIXES.get(place, ())
    return {
        key: item
        for key, item in value.items()
        if (key in keys or key.startswith(prefixes)) and (key in _LONG or len(str(item)) <= MAX_VALUE)
    }

"""The classes that the lab's xapi has, their fields with default values, and which sets mirror which references.

Fields as in XenAPI's model of the 24.x to 26.x series; `schema_vm.py` and `schema_host.py` have the big ones.
"""

from collections.abc import Mapping

from lab.xapi.schema_host import HOST, HOST_METRICS, NAMED, OPERATIONS, POOL
from lab.xapi.schema_vm import VM, VM_GUEST_METRICS, VM_METRICS
from lab.xapi.values import EPOCH, NULL, Record, RefSet

CLASSES: Mapping[str, Record] = {
    "session": {
        "uuid": "",
        "this_host": NULL,
        "this_user": NULL,
        "last_active": EPOCH,
        "pool": True,
        "other_config": {},
        "is_local_superuser": True,
        "subject": NULL,
        "validation_time": EPOCH,
        "auth_user_sid": "",
        "auth_user_name": "",
        "rbac_permissions": [],
        "tasks": RefSet(),
        "parent": NULL,
        "originator": "",
        "client_certificate": False,
    },
    "task": {
        **NAMED,
        **OPERATIONS,
        "created": EPOCH,
        "finished": EPOCH,
        "status": "pending",
        "session": NULL,
        "resident_on": NULL,
        "progress": 0.0,
        "type": "<none/>",
        "result": "",
        "error_info": [],
        "other_config": {},
        "subtask_of": NULL,
        "subtasks": RefSet(),
        "backtrace": "()",
    },
    "pool": POOL,
    "host": HOST,
    "host_metrics": HOST_METRICS,
    "SR": {
        **NAMED,
        **OPERATIONS,
        "VDIs": RefSet(),
        "PBDs": RefSet(),
        "virtual_allocation": 0,
        "physical_utilisation": 0,
        "physical_size": 0,
        "type": "nfs",
        "content_type": "user",
        "shared": False,
        "other_config": {},
        "tags": [],
        "sm_config": {},
        "blobs": {},
        "local_cache_enabled": False,
        "introduced_by": NULL,
        "clustered": False,
        "is_tools_sr": False,
    },
    "PBD": {
        "uuid": "",
        "host": NULL,
        "SR": NULL,
        "device_config": {},
        "currently_attached": True,
        "other_config": {},
    },
    "VDI": {
        **NAMED,
        **OPERATIONS,
        "SR": NULL,
        "VBDs": RefSet(),
        "crash_dumps": [],
        "virtual_size": 0,
        "physical_utilisation": 0,
        "type": "user",
        "sharable": False,
        "read_only": False,
        "other_config": {},
        "storage_lock": False,
        "location": "",
        "managed": True,
        "missing": False,
        "parent": NULL,
        "xenstore_data": {},
        "sm_config": {},
        "is_a_snapshot": False,
        "snapshot_of": NULL,
        "snapshots": RefSet(),
        "snapshot_time": EPOCH,
        "tags": [],
        "allow_caching": False,
        "on_boot": "persist",
        "metadata_of_pool": NULL,
        "metadata_latest": False,
        "is_tools_iso": False,
        "cbt_enabled": False,
    },
    "VBD": {
        "uuid": "",
        **OPERATIONS,
        "VM": NULL,
        "VDI": NULL,
        "device": "",
        "userdevice": "0",
        "bootable": False,
        "mode": "RW",
        "type": "Disk",
        "unpluggable": True,
        "storage_lock": False,
        "empty": False,
        "other_config": {},
        "currently_attached": False,
        "status_code": 0,
        "status_detail": "",
        "runtime_properties": {},
        "qos_algorithm_type": "",
        "qos_algorithm_params": {},
        "qos_supported_algorithms": [],
        "metrics": NULL,
    },
    "VM": VM,
    "VM_metrics": VM_METRICS,
    "VM_guest_metrics": VM_GUEST_METRICS,
    "SM": {
        **NAMED,
        "type": "",
        "vendor": "Citrix Systems Inc",
        "copyright": "(C) 2008 Citrix Systems Inc",
        "version": "1.0",
        "required_api_version": "1.0",
        "configuration": {},
        "capabilities": [],
        "features": {},
        "other_config": {},
        "driver_filename": "",
        "required_cluster_stack": [],
        "supported_image_formats": [],
    },
    "Certificate": {
        "uuid": "",
        "name": "",
        "type": "host",
        "host": NULL,
        "not_before": EPOCH,
        "not_after": EPOCH,
        "fingerprint": "",
    },
    "network": {**NAMED, **OPERATIONS, "VIFs": RefSet(), "PIFs": RefSet(), "MTU": 1500, "other_config": {}},
    "VIF": {"uuid": "", **OPERATIONS, "device": "0", "network": NULL, "VM": NULL, "MAC": "", "MTU": 1500},
    "PIF": {"uuid": "", "device": "eth0", "network": NULL, "host": NULL, "IP": "", "management": False},
    "VUSB": {"uuid": "", **OPERATIONS, "VM": NULL, "USB_group": NULL, "currently_attached": False},
    "console": {"uuid": "", "protocol": "rfb", "location": "", "VM": NULL, "other_config": {}},
}

MIRRORS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "VBD": {"VM": ("VM", "VBDs"), "VDI": ("VDI", "VBDs")},
    "VDI": {"SR": ("SR", "VDIs"), "snapshot_of": ("VDI", "snapshots")},
    "PBD": {"SR": ("SR", "PBDs"), "host": ("host", "PBDs")},
    "VM": {"snapshot_of": ("VM", "snapshots"), "resident_on": ("host", "resident_VMs"), "parent": ("VM", "children")},
    "task": {"subtask_of": ("task", "subtasks"), "session": ("session", "tasks")},
    "Certificate": {"host": ("host", "certificates")},
    "VIF": {"VM": ("VM", "VIFs"), "network": ("network", "VIFs")},
    "PIF": {"network": ("network", "PIFs"), "host": ("host", "PIFs")},
    "VUSB": {"VM": ("VM", "VUSBs")},
    "console": {"VM": ("VM", "consoles")},
}
"""Class → reference field → the class and the Set(Ref) field that mirror it."""
_CONTAINERS: Mapping[str, list[tuple[str, type]]] = {
    class_name: [(name, type(value)) for name, value in fields.items() if isinstance(value, dict | list)]
    for class_name, fields in CLASSES.items()
}
_NO_MIRRORS: Mapping[str, tuple[str, str]] = {}


def defaults(class_name: str) -> Record:
    """A fresh record. Raises `KeyError` for a class that is not here."""
    record = CLASSES[class_name].copy()
    for name, kind in _CONTAINERS[class_name]:
        record[name] = kind(record[name])
    return record


def mirrors(class_name: str) -> Mapping[str, tuple[str, str]]:
    """Reference field → the other class and its mirroring field."""
    return MIRRORS.get(class_name, _NO_MIRRORS)

"""Roles, and which one a call needs (xapi's rbac_static.csv in short): reading needs read-only, all else more."""

from collections.abc import Mapping

ROLES = ("read-only", "vm-operator", "vm-admin", "vm-power-admin", "pool-operator", "pool-admin")
"""Lowest first."""

_NEEDED: Mapping[str, str] = {
    "VDI.list_changed_blocks": "vm-operator",
    "VDI.update": "vm-admin",
    "VDI.enable_cbt": "vm-admin",
    "VDI.disable_cbt": "vm-admin",
    "VDI.data_destroy": "vm-admin",
    "VDI.destroy": "vm-admin",
    "VDI.snapshot": "vm-admin",
    "VM.snapshot": "vm-power-admin",
    "VM.destroy": "vm-admin",
    "SR.scan": "vm-power-admin",
    "SR.update": "pool-operator",
    "message.create": "pool-operator",
    "message.destroy": "pool-operator",
    "host.call_plugin": "pool-admin",
}
_READS = ("get_", "login_", "is_")
_READ_ONLY = frozenset(
    {
        "session.logout",
        "event.from",
        "event.inject",
        "task.create",
        "task.cancel",
        "task.destroy",
        "system.listMethods",
    }
)


def is_read_only(method: str) -> bool:
    """Whether the call changes nothing in the pool (a session and tasks of one's own aside)."""
    return method in _READ_ONLY or method.partition(".")[2].startswith(_READS)


def needed(method: str) -> str:
    """The lowest role that may call `method`."""
    if is_read_only(method):
        return "read-only"
    return _NEEDED.get(method, "pool-operator")


def allows(role: str, method: str) -> bool:
    """Whether a session of `role` may call `method`."""
    return ROLES.index(role) >= ROLES.index(needed(method))

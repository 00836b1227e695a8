"""The XenAPI methods that this product may call: an exact list, all of which the role read-only has."""

from typing import Final

CLASSES: Final = ("pool", "host", "host_metrics", "SR", "VDI", "VM", "VBD", "PBD", "SM", "task")
"""Classes of the picture, in the order in which they are fetched."""

READ_ONLY_METHODS: Final = frozenset(
    {
        *(f"{name}.{verb}" for name in CLASSES for verb in ("get_all", "get_all_records", "get_record")),
        "VDI.get_all_records_where",
        "event.inject",
        "event.from",
        "message.get_since",
        "message.get_by_uuid",
        "session.get_is_local_superuser",
        "session.get_rbac_permissions",
        "Certificate.get_all_records",
    }
)

SESSION_METHODS: Final = frozenset({"session.login_with_password", "session.logout"})

SCAN_METHOD: Final = "SR.scan"
"""The one method that is not read-only. Only `scan.ScanSession.scan_sr` sends it, for a rescan that was asked for."""


class MethodNotAllowedError(Exception):
    """A method that is not in the list; nothing was sent."""


def check_allowed(method: str) -> None:
    """Raises `MethodNotAllowedError`."""
    if method not in READ_ONLY_METHODS and method not in SESSION_METHODS:
        raise MethodNotAllowedError(f"{method}: not among the read-only methods of XenAPI, nothing was sent")

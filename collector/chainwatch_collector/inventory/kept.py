"""Which keys of the open maps of XenAPI (`other_config`, `sm_config` ...) are kept. Everything else is dropped."""

from collections.abc import Mapping
from sys import intern
from typing import Any, Final

from chainwatch_collector.inventory.records import EMPTY

SR_OTHER_CONFIG: Final = frozenset(
    ("auto-scan", "dirty", "gc", "coalesce", "leaf-coalesce", "coalesce-error-rate", "xo:maintenanceState", "testmode")
)
SR_SM_CONFIG: Final = frozenset(
    {
        *("allocation", "initial_allocation", "allocation_quantum", "multipathable", "gc_no_space"),
        *("last-coalesce-error", "type", "use_vhd", "image-formats", "preferred-image-formats"),
    }
)
VDI_OTHER_CONFIG: Final = frozenset(("leaf-coalesce", "gc", "coalesce"))
HOST_SOFTWARE: Final = frozenset(
    {
        *("product_version", "product_version_text", "product_version_text_short", "product_brand", "platform_name"),
        *("platform_version", "build_number", "xapi", "xapi_build", "xen", "linux", "sm"),
    }
)
BACKUP_PREFIXES: Final = ("xo:", "XO_")
MAX_VALUE: Final = 512
"""Longer values of other_config are documents (resource sets, custom fields), not marks of a backup."""


def kept(values: Mapping[str, Any], keys: frozenset[str], prefixes: tuple[str, ...] = ()) -> Mapping[str, str]:
    """The keys of `keys` and those that begin with one of `prefixes`, without values that are documents."""
    if not values:
        return EMPTY
    found = {
        intern(key): str(value)
        for key, value in values.items()
        if (key in keys or (prefixes and key.startswith(prefixes))) and len(str(value)) <= MAX_VALUE
    }
    return found or EMPTY

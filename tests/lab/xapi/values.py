"""Values as the database holds them, before an encoding: plain Python, and the few types that Python lacks.

int is XenAPI's int64, datetime is aware UTC, list and `RefSet` are sets, dict is a map.
"""

import uuid
from datetime import UTC, datetime
from typing import Any

NULL = "OpaqueRef:NULL"
Record = dict[str, Any]


class Int32(int):
    """A 32-bit integer: the only one that XML-RPC carries typed (`valid_ref_counts`)."""


class RefSet(dict[str, None]):
    """A Set(Ref) that the database maintains: ordered, constant time to add and to remove from."""


def new_uuid() -> str:
    """A random uuid."""
    return str(uuid.uuid4())


def new_ref() -> str:
    """A random opaque reference; it has nothing to do with the object's uuid."""
    return f"OpaqueRef:{uuid.uuid4()}"


def now() -> datetime:
    """XenAPI keeps whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def format_time(value: datetime) -> str:
    """The form that xapi writes, without hyphens."""
    return value.astimezone(UTC).strftime("%Y%m%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Both forms that xapi reads, with and without hyphens. Raises `ValueError`."""
    compact = text.replace("-", "").removesuffix("Z")
    return datetime.strptime(compact, "%Y%m%dT%H:%M:%S").replace(tzinfo=UTC)

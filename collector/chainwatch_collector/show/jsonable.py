"""Frozen records → plain JSON values: times in UTC with `Z`, enums by value, None kept."""

import dataclasses
import enum
import functools
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.responses import Response

from chainwatch_collector.words import iso


@functools.cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def jsonable(value: Any) -> Any:
    """The JSON value of a record, a mapping, a sequence or a scalar. Raises `TypeError` for anything else."""
    if value is None or isinstance(value, str | int | float | bool):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, datetime):
        return iso(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: jsonable(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(item) for item in value]
    if isinstance(value, enum.Enum):
        return jsonable(value.value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def dumps(value: Any) -> str:
    return json.dumps(jsonable(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


class Json(Response):
    """A response whose body is `jsonable(content)`; the schema is documented by the route's `response_model`."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return dumps(content).encode()

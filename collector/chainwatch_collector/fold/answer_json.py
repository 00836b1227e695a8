"""An answer as JSON and back: what is stored beside a pool's state, so that a start has an answer at once. Pure.

The shape is `interfaces.md` section 3, as the surfaces give it.
"""

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chainwatch_collector.judge.answer import Answer
from chainwatch_collector.words import iso


def answer_to_json(answer: Answer) -> dict[str, Any]:
    """Plain values; times as ISO 8601 in UTC with Z."""
    plain = _plain(answer)
    assert isinstance(plain, dict)
    return plain


def answer_from_json(body: Mapping[str, Any]) -> Answer:
    """What `answer_to_json` gave. Unknown fields are left out; raises `ValueError` where it is none of ours."""
    try:
        answer = _built(Answer, body)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"the stored answer is not one of ours: {error}") from error
    assert isinstance(answer, Answer)
    return answer


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


@functools.cache
def _hints(kind: type) -> tuple[tuple[str, Any], ...]:
    return tuple(typing.get_type_hints(kind).items())


def _built(kind: Any, value: Any) -> Any:
    """`value` as the annotated type `kind`."""
    if value is None:
        return None
    if kind is datetime:
        return datetime.fromisoformat(value)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return kind(**{name: _built(hint, value[name]) for name, hint in _hints(kind) if name in value})
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return _built(next(one for one in arguments if one is not type(None)), value)
    if origin is tuple:
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(_built(one, item) for one, item in zip(kinds, value, strict=True))
    return value

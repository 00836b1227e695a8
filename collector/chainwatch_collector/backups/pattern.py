"""Smart-backup patterns: Xen Orchestra's value-matcher, exactly, and who empties a pattern. Pure.

`packages/value-matcher`: an array matches where each of its items is matched by some item of an array; an object with
the one key `__and`, `__or` or `__not` combines; any other object matches an object that has every key with a value that
matches; all else is strict equality (JavaScript's `===`). A missing property never matches, and so `__not` of it does.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_COMBINING: Final = ("__and", "__or", "__not")


class PatternError(ValueError):
    """A pattern that Xen Orchestra's matcher would choke on; says where and the fix."""


def matches(pattern: Any, value: Any) -> bool:
    """Whether a value of JSON matches. Raises `PatternError` for `__and` or `__or` without a list."""
    if isinstance(pattern, list | tuple):
        return isinstance(value, list | tuple) and all(any(matches(sub, item) for item in value) for sub in pattern)
    if isinstance(pattern, Mapping):
        return _object(pattern, value)
    return _same(pattern, value)


def _object(pattern: Mapping[str, Any], value: Any) -> bool:
    if len(pattern) == 1:
        ((key, part),) = pattern.items()
        if key == "__and":
            return all(matches(sub, value) for sub in _listed(key, part))
        if key == "__or":
            return any(matches(sub, value) for sub in _listed(key, part))
        if key == "__not":
            return not matches(part, value)
    if not isinstance(value, Mapping | list | tuple):
        return False
    for key in _in_order(pattern):
        has, own = _property(value, key)
        if not has or not matches(pattern[key], own):
            return False
    return True


def _in_order(pattern: Mapping[str, Any]) -> list[str]:
    """JavaScript's order of keys, indices first: it decides whether a broken clause is met at all."""
    indices = sorted((key for key in pattern if _is_index(key)), key=int)
    return [*indices, *(key for key in pattern if not _is_index(key))]


def _is_index(key: str) -> bool:
    return key.isascii() and key.isdigit() and str(int(key)) == key


def _property(value: Mapping[str, Any] | Sequence[Any], key: str) -> tuple[bool, Any]:
    """(whether there is one, the property): an array has its length and its indices, as in JavaScript."""
    if isinstance(value, Mapping):
        return key in value, value.get(key)
    if key == "length":
        return True, len(value)
    has = _is_index(key) and int(key) < len(value)
    return has, value[int(key)] if has else None


def _same(pattern: Any, value: Any) -> bool:
    """`===` of values that JSON can have: 1 is 1.0, true is not 1."""
    if isinstance(pattern, bool) or isinstance(value, bool):
        return pattern is value
    if isinstance(pattern, int | float) and isinstance(value, int | float):
        return math.isclose(pattern, value, rel_tol=0.0, abs_tol=0.0)
    return type(pattern) is type(value) and bool(pattern == value)


def _listed(key: str, part: Any) -> Sequence[Any]:
    if not isinstance(part, list | tuple):
        raise PatternError(f"{key} takes a list; write {key} = [ … ]")
    return part


def check(pattern: Any) -> None:
    """Raises `PatternError` where `matches` would, at whatever value."""
    if isinstance(pattern, Mapping):
        combines = [key for key in pattern if key in _COMBINING]
        if combines and len(pattern) > 1:
            raise PatternError(f"{combines[0]} stands beside other keys, where it means a property; put it alone")
        for key in combines:
            if key != "__not":
                _listed(key, pattern[key])
        for part in pattern.values():
            check(part)
    elif isinstance(pattern, list | tuple):
        for part in pattern:
            check(part)


def keys_used(pattern: Any) -> frozenset[str]:
    """The properties that a pattern asks an object for, at the top."""
    if not isinstance(pattern, Mapping):
        return frozenset()
    if len(pattern) == 1:
        ((key, part),) = pattern.items()
        if key in ("__and", "__or"):
            return frozenset().union(*(keys_used(sub) for sub in _listed(key, part)))
        if key == "__not":
            return keys_used(part)
    return frozenset(pattern)


def named(pattern: Any) -> Iterator[str]:
    """The texts that a clause wants, those below `__not` left out: the pools of `$pool`."""
    if isinstance(pattern, str):
        yield pattern
    elif isinstance(pattern, list | tuple):
        for part in pattern:
            yield from named(part)
    elif isinstance(pattern, Mapping):
        for key, part in pattern.items():
            if key != "__not":
                yield from named(part)

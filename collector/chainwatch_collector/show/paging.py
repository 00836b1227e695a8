"""Pages of lists that are held in memory: ordered by a key, continued behind the last key that was given out.

A cursor is opaque to clients. It stays good while the list changes: what is new before it is not repeated, what is gone
is not missed.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from chainwatch_collector.show.errors import ApiError
from chainwatch_collector.show.views import Page

T = TypeVar("T")
Key = tuple[int | float | str, ...]


def encode_cursor(key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def decode_cursor(text: str) -> Key:
    """Raises `ApiError` (400) where the text is no cursor of ours."""
    try:
        key = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error):
        key = None
    if not isinstance(key, list) or not all(isinstance(part, int | float | str) for part in key):
        raise ApiError(400, "bad_cursor", "this cursor is not one of ours", "take `next` of the page before", "after")
    return tuple(key)


def page(items: Sequence[T], key: Callable[[T], Key], limit: int, after: str | None) -> Page[T]:
    """At most `limit` items behind the cursor, in the order of `key`."""
    ordered = sorted(items, key=key)
    if after is not None:
        last = decode_cursor(after)
        try:
            ordered = [item for item in ordered if key(item) > last]
        except TypeError as error:
            raise ApiError(400, "bad_cursor", "this cursor is of another list", "start without it", "after") from error
    chosen = ordered[:limit]
    return Page(tuple(chosen), encode_cursor(key(chosen[-1])) if len(ordered) > limit else None)

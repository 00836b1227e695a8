"""Query parameters that many routes take, with their limits and what OpenAPI says of them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import Path, Query

from chainwatch_collector.show.errors import ApiError, ErrorBody

Limit = Annotated[int, Query(ge=1, le=1000, description="items in a page")]
After = Annotated[str | None, Query(max_length=500, description="`next` of the page before")]
Text = Annotated[str, Query(min_length=1, max_length=4000)]
Named = Annotated[
    str, Path(min_length=1, max_length=300, description="name, uuid, or the first 8 characters of a uuid")
]
SubjectText = Annotated[str, Query(min_length=1, max_length=300, description="name, uuid, or 8 characters of a uuid")]
SeverityFilter = Annotated[Literal["error", "warning", "info"] | None, Query(description="only this severity")]
Since = Annotated[str | None, Query(max_length=40, description="ISO time, or an age such as 90m, 2h, 3d")]

ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": ErrorBody, "description": "a parameter that cannot be right"},
    401: {"model": ErrorBody, "description": "no token, or one that is not known"},
    403: {"model": ErrorBody, "description": "the role or the pool does not reach"},
    404: {"model": ErrorBody, "description": "nothing goes by that name"},
    409: {"model": ErrorBody, "description": "the name fits several things, or the state forbids it"},
    422: {"model": ErrorBody, "description": "a parameter of the wrong form"},
    429: {"model": ErrorBody, "description": "too many tries from this address"},
    503: {"model": ErrorBody, "description": "the collector cannot answer this now"},
}

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_MAX_AGE_SECONDS: Final = 400 * 86400


def moment(text: str | None, now: datetime, field: str) -> datetime | None:
    """`2h`, `90m`, `3d` before now, or an ISO time (UTC where it names no zone). Raises `ApiError` (400)."""
    if text is None:
        return None
    number, unit = text[:-1], text[-1:].lower()
    if number.isdigit() and number.isascii() and unit in _UNITS and int(number) * _UNITS[unit] <= _MAX_AGE_SECONDS:
        return now - timedelta(seconds=int(number) * _UNITS[unit])
    try:
        parsed = datetime.fromisoformat(text)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        hint = "give 90m, 2h, 3d (at most 400d) or 2026-11-22T07:48:00Z"
        raise ApiError(400, "bad_time", f"{field}: {text!r} is no time", hint, field) from None

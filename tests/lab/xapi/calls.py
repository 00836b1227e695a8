"""What was called: the negative control that a client only reads."""

from typing import NamedTuple


class CallRecord(NamedTuple):
    """Who was called for what. `session` is the first parameter."""

    host_ref: str
    method: str
    session: str

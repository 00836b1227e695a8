"""How long to wait before the next attempt: exponential, with full jitter, by what ended the last one."""

import random
from typing import NamedTuple


class Advice(NamedTuple):
    """What an operator reads, and the least seconds to wait."""

    text: str
    least_seconds: float = 0.0
    worst: bool = False


def advice(code: str, details: str) -> Advice:
    """proto/README.md section 10 for the end of a stream."""
    if code == "UNAVAILABLE":
        hint = _unavailable(details)
        return Advice("the collector is not reachable: {}{}".format(details, hint))
    if code == "UNAUTHENTICATED":
        return Advice("{}: the certificate may be refused; enroll this host again".format(details), worst=True)
    if code == "PERMISSION_DENIED":
        return Advice("{}: the certificate was revoked or retired; enroll this host again".format(details), worst=True)
    if code == "INVALID_ARGUMENT":
        return Advice("the collector refused a message, please report this: {}".format(details), worst=True)
    if code == "ABORTED":
        return Advice("{}: another agent holds this host's stream".format(details), least_seconds=5.0)
    if code == "FAILED_PRECONDITION" and details.startswith("duplicate host"):
        return Advice("{}; enroll the one that is not this host under its own uuid".format(details), worst=True)
    if code == "FAILED_PRECONDITION":
        return Advice("{}: beginning again from the collector's positions".format(details))
    if code == "UNIMPLEMENTED":
        return Advice("{}: the address is no chainwatch collector's ingest port".format(details), worst=True)
    return Advice("the stream ended: {}: {}".format(code, details))


def _unavailable(details: str) -> str:
    low = details.lower()
    if "socket closed" in low or "handshake" in low or "ssl" in low or "certificate" in low:
        return " (this host's certificate may be refused, or the collector's is not of our CA)"
    if "name resolution" in low or "dns" in low:
        return " (the name in [collector] addresses is not known)"
    return ""


class Backoff:
    """`first_seconds` doubled after every failure up to `most_seconds`, and of that a random part."""

    def __init__(self, first_seconds: float, most_seconds: float, chance: "random.Random") -> None:
        self._first = first_seconds
        self._most = most_seconds
        self._chance = chance
        self._failures = 0

    def succeeded(self) -> None:
        """A stream was welcomed."""
        self._failures = 0

    def next_seconds(self, given: Advice) -> float:
        """How long to wait now."""
        ceiling = min(self._most, self._first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        if given.worst:
            ceiling = self._most
        return max(min(given.least_seconds, self._most), self._chance.uniform(0.0, ceiling))

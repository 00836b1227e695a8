"""When the certificates that a collector shows and signs with end, and when that is soon. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from cryptography import x509

SOON: Final = timedelta(days=30)
# Of a life that is short: what a timer of its own renews at a third of it is late when only this share is left.
_SOON_SHARE: Final = 1 / 5
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Expiry:
    """`name`: what it is for. `given`: from a configured file, which nobody renews but who wrote it there."""

    name: str
    path: Path
    given: bool
    begins: datetime
    ends: datetime

    def days_left(self, now: datetime) -> float:
        """Negative after its end."""
        return (self.ends - now) / _DAY

    def standing(self, now: datetime) -> Literal["ok", "warning", "error"]:
        """Warning when somebody should have renewed it, error after its end."""
        left = self.ends - now
        if left <= timedelta(0):
            return "error"
        return "warning" if left < min(SOON, (self.ends - self.begins) * _SOON_SHARE) else "ok"

    def sentence(self, now: datetime) -> str:
        """One line, with the fix where one is due."""
        standing, days = self.standing(now), self.days_left(now)
        until = f"{self.name} certificate {self.path}"
        if standing == "error":
            return f"{until} ended on {self.ends:%Y-%m-%d}: {self._fix()}"
        left = f"{until} ends on {self.ends:%Y-%m-%d}, {days:.0f} days left"
        return left if standing == "ok" else f"{left}: {self._fix()}"

    def _fix(self) -> str:
        if self.given:
            return "put a new one and its key into the files; they are read again by themselves"
        return "it should have been renewed: is state_dir writable, and the clock right?"


def expiry(name: str, path: Path, given: bool, certificate: x509.Certificate) -> Expiry:
    """Of the first certificate in a file."""
    return Expiry(name, path, given, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def worst(expiries: Iterable[Expiry], now: datetime) -> Expiry | None:
    """The one that ends first, as far as that is a matter: an error before a warning, a warning before what is well."""
    rank = {"error": 0, "warning": 1, "ok": 2}
    return min(expiries, key=lambda one: (rank[one.standing(now)], one.ends), default=None)

"""May this certificate still be used? Pure: a `Book` of what the database knows, and the certificate that was shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple


class CertificateRow(NamedTuple):
    """One row of the table of certificates."""

    host_uuid: str
    sha256: str
    issued_at: datetime
    not_after: datetime
    first_used_at: datetime | None
    retired_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str


class Shown(NamedTuple):
    """What a peer showed. `ours`: signed by the collector's own CA, so that only we can have issued it."""

    host_uuid: str
    sha256: str
    issued_at: datetime
    not_after: datetime
    ours: bool


@dataclass(frozen=True)
class Book:
    """Certificates by SHA-256, the newest issue time by host, and hosts that were revoked."""

    certificates: Mapping[str, CertificateRow]
    newest: Mapping[str, datetime]
    revoked_hosts: Mapping[str, tuple[datetime, str]]


@dataclass(frozen=True)
class Standing:
    """`good`: in use. `first_use`: good, its host's other certificates retire now. `refused`: `reason` says why."""

    verdict: Literal["good", "first_use", "refused"]
    reason: str = ""


GOOD = Standing("good")
FIRST_USE = Standing("first_use")


def standing(book: Book, shown: Shown, now: datetime) -> Standing:
    """One that no row names is good if we signed it: the database may be older than it, restored from a copy."""
    if shown.not_after < now:
        return _refused(f"this certificate ended on {shown.not_after:%Y-%m-%d %H:%M} UTC")
    row = book.certificates.get(shown.sha256)
    if row is not None:
        return _known(row)
    revoked = book.revoked_hosts.get(shown.host_uuid)
    if revoked is not None and shown.issued_at <= revoked[0]:
        return _refused(f"this host was revoked on {revoked[0]:%Y-%m-%d %H:%M} UTC by {revoked[1]}")
    if not shown.ours:
        return GOOD
    newest = book.newest.get(shown.host_uuid)
    if newest is not None and newest > shown.issued_at:
        return _retired()
    return FIRST_USE


def _known(row: CertificateRow) -> Standing:
    if row.revoked_at is not None:
        return _refused(f"this certificate was revoked on {row.revoked_at:%Y-%m-%d %H:%M} UTC by {row.revoked_by}")
    if row.retired_at is not None:
        return _retired()
    return GOOD if row.first_used_at is not None else FIRST_USE


def _retired() -> Standing:
    return _refused("a newer certificate of this host is in use, this one is retired")


def _refused(reason: str) -> Standing:
    return Standing("refused", reason)

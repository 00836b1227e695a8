"""Certificates and enrolment tokens in the database. Units for the `Writer`, functions for `Readers`; times aware UTC.

Each change stands in the audit log by the same transaction.
"""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from chainwatch_collector.keep.people import AuditIn, add_audit
from chainwatch_collector.keep.rows import from_us, to_us
from chainwatch_collector.keep.tables import CERTIFICATES
from chainwatch_collector.keep.trust_tables import ENROLMENT_TOKENS, REVOKED_HOSTS
from chainwatch_collector.trust.authority import Issued
from chainwatch_collector.trust.standing import Book, CertificateRow, Shown


class TokenIn(NamedTuple):
    """An enrolment token to be kept; of its secret only the hash."""

    host_uuid: str
    sha256: str
    by: str
    pool_uuid: str | None
    now: datetime
    expires_at: datetime


class Redemption(NamedTuple):
    """What an agent brought: the secret's hash, the uuid of the host it runs on, the address it called from."""

    sha256: str
    host_uuid: str
    peer: str
    now: datetime


class Enrolled(NamedTuple):
    host_uuid: str
    issued: Issued


def read_book(connection: Connection, now: datetime) -> Book:
    """What decides of certificates now; those that ended are left out."""
    rows = {}
    newest: dict[str, datetime] = {}
    for row in connection.execute(select(CERTIFICATES).where(CERTIFICATES.c.not_after_us > to_us(now))):
        issued, until = from_us(row.issued_at_us), from_us(row.not_after_us)
        assert issued is not None
        assert until is not None
        rows[row.sha256] = CertificateRow(
            row.host_uuid,
            row.sha256,
            issued,
            until,
            from_us(row.first_used_at_us),
            from_us(row.retired_at_us),
            from_us(row.revoked_at_us),
            row.revoked_by,
        )
        newest[row.host_uuid] = max(issued, newest.get(row.host_uuid, issued))
    revoked = {}
    for row in connection.execute(select(REVOKED_HOSTS)):
        at = from_us(row.revoked_at_us)
        assert at is not None
        revoked[row.host_uuid] = (at, row.revoked_by)
    return Book(rows, newest, revoked)


def add_token(connection: Connection, token: TokenIn) -> None:
    """Keep it. Unused ones of the same host are void from now on: of two tokens on paper only the newer one works."""
    _void_tokens(connection, token.host_uuid)
    connection.execute(
        insert(ENROLMENT_TOKENS).values(
            host_uuid=token.host_uuid,
            sha256=token.sha256,
            created_at_us=to_us(token.now),
            created_by=token.by,
            expires_at_us=to_us(token.expires_at),
            used_from="",
        )
    )
    until = f"an enrolment token, until {token.expires_at:%Y-%m-%d %H:%M} UTC"
    _audit(connection, token.now, token.by, "enroll", token.host_uuid, "done", until, token.pool_uuid)


def redeem(connection: Connection, asked: Redemption, issue: Callable[[str], Issued]) -> Enrolled | str:
    """Use a token up, keep the certificate that `issue` makes for its host, retire the host's others. Or why not."""
    row = connection.execute(
        select(ENROLMENT_TOKENS).where(ENROLMENT_TOKENS.c.sha256 == asked.sha256).with_for_update()
    ).one_or_none()
    if row is None:
        return _refuse(connection, asked, "", "this enrolment token is not known, or a newer one was made for its host")
    if row.used_at_us is not None:
        used = from_us(row.used_at_us)
        return _refuse(connection, asked, row.host_uuid, f"this enrolment token was used on {used:%Y-%m-%d %H:%M} UTC")
    if row.expires_at_us <= to_us(asked.now):
        return _refuse(connection, asked, row.host_uuid, "this enrolment token has expired")
    if asked.host_uuid != row.host_uuid:
        text = f"this enrolment token is for host {row.host_uuid}, this is host {asked.host_uuid}"
        return _refuse(connection, asked, row.host_uuid, text)
    issued = issue(row.host_uuid)
    change = update(ENROLMENT_TOKENS).where(ENROLMENT_TOKENS.c.id == row.id)
    connection.execute(change.values(used_at_us=to_us(asked.now), used_from=asked.peer))
    _retire_all(connection, row.host_uuid, asked.now)
    _keep(connection, row.host_uuid, issued, f"token of {row.created_by}")
    detail = f"enrolled from {asked.peer} by the token of {row.created_by}"
    _audit(connection, asked.now, f"host {row.host_uuid}", "enroll", row.host_uuid, "done", detail)
    return Enrolled(row.host_uuid, issued)


def keep_renewed(connection: Connection, host_uuid: str, issued: Issued, peer: str, now: datetime) -> None:
    """Keep it beside the one in use, which retires when this one is first used."""
    _keep(connection, host_uuid, issued, "renewal")
    detail = f"asked from {peer}, until {issued.not_after:%Y-%m-%d}"
    _audit(connection, now, f"host {host_uuid}", "renew", host_uuid, "done", detail)


def first_used(connection: Connection, shown: Shown, now: datetime) -> None:
    """The host uses this certificate: its others are retired. One that no row names is adopted."""
    number = connection.execute(select(CERTIFICATES.c.id).where(CERTIFICATES.c.sha256 == shown.sha256)).scalar()
    if number is None:
        number = _keep(connection, shown.host_uuid, Issued(b"", shown.sha256, shown.issued_at, shown.not_after), "seen")
    connection.execute(
        update(CERTIFICATES)
        .where(CERTIFICATES.c.id == number, CERTIFICATES.c.first_used_at_us.is_(None))
        .values(first_used_at_us=to_us(now))
    )
    older = update(CERTIFICATES).where(
        CERTIFICATES.c.host_uuid == shown.host_uuid,
        CERTIFICATES.c.id < number,
        CERTIFICATES.c.retired_at_us.is_(None),
    )
    connection.execute(older.values(retired_at_us=to_us(now)))


def revoke_host(connection: Connection, host_uuid: str, by: str, pool_uuid: str | None, now: datetime) -> int:
    """Refuse every certificate that the host has now, and its unused tokens. How many certificates were in force."""
    change = update(CERTIFICATES).where(CERTIFICATES.c.host_uuid == host_uuid, CERTIFICATES.c.revoked_at_us.is_(None))
    count = connection.execute(change.values(revoked_at_us=to_us(now), revoked_by=by)).rowcount
    connection.execute(delete(REVOKED_HOSTS).where(REVOKED_HOSTS.c.host_uuid == host_uuid))
    connection.execute(insert(REVOKED_HOSTS).values(host_uuid=host_uuid, revoked_at_us=to_us(now), revoked_by=by))
    _void_tokens(connection, host_uuid)
    _audit(connection, now, by, "revoke", host_uuid, "done", f"{count} certificates", pool_uuid)
    return count


def _void_tokens(connection: Connection, host_uuid: str) -> None:
    connection.execute(
        delete(ENROLMENT_TOKENS).where(
            ENROLMENT_TOKENS.c.host_uuid == host_uuid, ENROLMENT_TOKENS.c.used_at_us.is_(None)
        )
    )


def _retire_all(connection: Connection, host_uuid: str, now: datetime) -> None:
    change = update(CERTIFICATES).where(CERTIFICATES.c.host_uuid == host_uuid, CERTIFICATES.c.retired_at_us.is_(None))
    connection.execute(change.values(retired_at_us=to_us(now)))


def _keep(connection: Connection, host_uuid: str, issued: Issued, by: str) -> int:
    made = connection.execute(
        insert(CERTIFICATES).values(
            host_uuid=host_uuid,
            sha256=issued.sha256,
            not_after_us=to_us(issued.not_after),
            issued_at_us=to_us(issued.issued_at),
            issued_by=by,
        )
    )
    key = made.inserted_primary_key
    assert key is not None
    return int(key[0])


def _refuse(connection: Connection, asked: Redemption, host_uuid: str, reason: str) -> str:
    who = f"host {asked.host_uuid}"
    _audit(connection, asked.now, who, "enroll", host_uuid, "refused", f"{reason}; asked from {asked.peer}")
    return reason


def _audit(
    connection: Connection,
    at: datetime,
    who: str,
    what: str,
    subject: str,
    outcome: str,
    detail: str,
    pool_uuid: str | None = None,
) -> None:
    add_audit(connection, AuditIn(at, who, what, subject, pool_uuid, outcome, detail))

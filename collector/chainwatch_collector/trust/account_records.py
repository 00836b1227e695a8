"""Accounts, tokens and sessions in the database. Units for the `Writer`, functions for `Readers`; times aware UTC."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from chainwatch_collector.keep.people import AuditIn, add_audit
from chainwatch_collector.keep.rows import from_us, to_us
from chainwatch_collector.keep.trust_tables import ACCESS_TOKENS, ACCOUNTS


class AccountRow(NamedTuple):
    account_id: int
    name: str
    role: str
    pools: frozenset[str] | None
    password: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    disabled: bool


class AccessRow(NamedTuple):
    """A token or session with its account. `role`, `pools`: how it narrows the account's."""

    token_id: int
    kind: str
    label: str
    csrf: str | None
    role: str | None
    pools: frozenset[str] | None
    created_at: datetime
    created_by: str
    expires_at: datetime
    revoked: bool
    account: AccountRow


class AccessIn(NamedTuple):
    """A token or session to be kept; of its secret only the hash."""

    account_id: int
    kind: str
    label: str
    sha256: str
    csrf: str | None
    role: str | None
    pools: frozenset[str] | None
    created_at: datetime
    created_by: str
    expires_at: datetime


def accounts(connection: Connection) -> list[AccountRow]:
    """By name."""
    return [_account(row) for row in connection.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.name))]


def account_named(connection: Connection, name: str) -> AccountRow | None:
    row = connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.name == name)).one_or_none()
    return _account(row) if row is not None else None


def access_by_hash(connection: Connection, sha256: str) -> AccessRow | None:
    """A token or session, also one that ended."""
    row = connection.execute(_access_query().where(ACCESS_TOKENS.c.sha256 == sha256)).one_or_none()
    return _access(row) if row is not None else None


def tokens_in_force(connection: Connection, now: datetime) -> list[AccessRow]:
    """Not the sessions."""
    wanted = _access_query().where(
        ACCESS_TOKENS.c.kind == "token",
        ACCESS_TOKENS.c.revoked_at_us.is_(None),
        ACCESS_TOKENS.c.expires_at_us > to_us(now),
    )
    return [_access(row) for row in connection.execute(wanted.order_by(ACCESS_TOKENS.c.id))]


def add_account(
    connection: Connection, name: str, values: Mapping[str, Any], now: datetime, by: str, detail: str
) -> AccountRow | None:
    """None where there is one of that name."""
    if account_named(connection, name) is not None:
        return None
    made = {"name": name, "created_at_us": to_us(now), "created_by": by, **values}
    connection.execute(insert(ACCOUNTS).values(made))
    audit(connection, now, by, "account", name, "done", f"added: {detail}")
    return account_named(connection, name)


def change_account(
    connection: Connection, name: str, values: Mapping[str, Any], now: datetime, by: str, detail: str
) -> AccountRow | None:
    """None where there is none of that name. Who got another password or was disabled has no session any more."""
    found = account_named(connection, name)
    if found is None:
        return None
    if values:
        connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.id == found.account_id).values(dict(values)))
    if "password" in values or values.get("disabled_at_us") is not None:
        sessions = ACCESS_TOKENS.c.account_id == found.account_id, ACCESS_TOKENS.c.kind == "session"
        connection.execute(delete(ACCESS_TOKENS).where(*sessions))
    audit(connection, now, by, "account", name, "done", f"changed: {detail}")
    return account_named(connection, name)


def add_access(connection: Connection, access: AccessIn, detail: str, subject: str) -> int:
    """Keep a token or session; those that ended are forgotten on the way. Its id."""
    ended = ACCESS_TOKENS.c.expires_at_us <= to_us(access.created_at)
    connection.execute(delete(ACCESS_TOKENS).where(ended))
    made = connection.execute(
        insert(ACCESS_TOKENS).values(
            account_id=access.account_id,
            kind=access.kind,
            label=access.label,
            sha256=access.sha256,
            csrf=access.csrf,
            role=access.role,
            pools=pools_text(access.pools),
            created_at_us=to_us(access.created_at),
            created_by=access.created_by,
            expires_at_us=to_us(access.expires_at),
        )
    )
    what = "login" if access.kind == "session" or access.label.startswith("login ") else "token"
    audit(connection, access.created_at, access.created_by, what, subject, "done", detail)
    key = made.inserted_primary_key
    assert key is not None
    return int(key[0])


def end_session(connection: Connection, sha256: str, now: datetime) -> None:
    """Signed out; nothing where it had ended."""
    found = access_by_hash(connection, sha256)
    if found is not None:
        connection.execute(delete(ACCESS_TOKENS).where(ACCESS_TOKENS.c.id == found.token_id))
        audit(connection, now, found.account.name, "logout", found.account.name, "done", "")


def revoke_token(connection: Connection, token_id: int, now: datetime, by: str, subject: str) -> bool:
    """Whether there was one in force."""
    change = update(ACCESS_TOKENS).where(ACCESS_TOKENS.c.id == token_id, ACCESS_TOKENS.c.revoked_at_us.is_(None))
    done = connection.execute(change.values(revoked_at_us=to_us(now))).rowcount > 0
    if done:
        audit(connection, now, by, "token", subject, "done", f"revoked: {token_id}")
    return done


def audit(connection: Connection, at: datetime, who: str, what: str, subject: str, outcome: str, detail: str) -> None:
    """An entry that belongs to no pool."""
    add_audit(connection, AuditIn(at, who, what, subject, None, outcome, detail))


def pools_text(pools: frozenset[str] | None) -> str | None:
    """As it is kept."""
    return None if pools is None else json.dumps(sorted(pools))


def _access_query() -> "Select[Any]":
    joined = ACCESS_TOKENS.join(ACCOUNTS, ACCOUNTS.c.id == ACCESS_TOKENS.c.account_id)
    own = [column.label(f"t_{column.name}") for column in ACCESS_TOKENS.c]
    return select(*ACCOUNTS.c, *own).select_from(joined)


def _access(row: Row[Any]) -> AccessRow:
    return AccessRow(
        token_id=row.t_id,
        kind=row.t_kind,
        label=row.t_label,
        csrf=row.t_csrf,
        role=row.t_role,
        pools=_pools(row.t_pools),
        created_at=_at(row.t_created_at_us),
        created_by=row.t_created_by,
        expires_at=_at(row.t_expires_at_us),
        revoked=row.t_revoked_at_us is not None,
        account=_account(row),
    )


def _account(row: Row[Any]) -> AccountRow:
    return AccountRow(
        account_id=row.id,
        name=row.name,
        role=row.role,
        pools=_pools(row.pools),
        password=row.password,
        created_at=_at(row.created_at_us),
        created_by=row.created_by,
        expires_at=from_us(row.expires_at_us),
        disabled=row.disabled_at_us is not None,
    )


def _pools(text: str | None) -> frozenset[str] | None:
    return None if text is None else frozenset(json.loads(text))


def _at(micros: int) -> datetime:
    at = from_us(micros)
    assert at is not None
    return at

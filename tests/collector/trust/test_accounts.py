"""Accounts, tokens and sessions: who gets in, how far, and until when."""

from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path

import pytest
from chainwatch_collector.keep.engine import open_engine, sqlite_url
from chainwatch_collector.keep.people import audit_since
from chainwatch_collector.keep.readers import Readers
from chainwatch_collector.keep.trust_tables import ACCESS_TOKENS, ACCOUNTS
from chainwatch_collector.show.accounts import AccountChange, TokenRequest
from chainwatch_collector.show.errors import ApiError
from chainwatch_collector.show.guard import SESSION_COOKIE, Credentials, Principal, RefusedError, Role
from chainwatch_collector.trust.accounts import LocalAccounts
from collector.trust.conftest import Clock, Store
from sqlalchemy import select

# The statements run on PostgreSQL in test_on_postgresql.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

PROD = "07edc1b2-0000-4000-8000-000000000001"
DR = "07edc1b2-0000-4000-8000-000000000002"
ROOT = Principal("root", Role.ADMIN)
WORD = "correct horse battery"
FROM = "192.0.2.7"


@dataclass
class Nobody:
    """A guard that knows nobody: what is let in is let in by accounts."""

    async def identify(self, credentials: Credentials) -> Principal:
        raise RefusedError(401, "nobody", "none")


@pytest.fixture
def accounts(store: Store, clock: Clock) -> LocalAccounts:
    return LocalAccounts(store.writer, store.readers, Nobody(), clock)


def bearer(token: str) -> Credentials:
    return Credentials(token, {}, FROM)


def cookie(value: str) -> Credentials:
    return Credentials(None, {SESSION_COOKIE: value}, FROM)


async def refused(work: Awaitable[object], status: int = 401) -> str:
    with pytest.raises(RefusedError) as raised:
        await work
    assert raised.value.status == status
    return raised.value.message


async def forget(accounts: LocalAccounts) -> None:
    """As if the two seconds of the cache had passed."""
    accounts._cache.clear()


async def test_a_session_has_the_account_s_role_pools_and_a_csrf_token(accounts: LocalAccounts, clock: Clock) -> None:
    await accounts.add("ana", AccountChange(role="operator", pools=(PROD,), password=WORD), ROOT)
    made = await accounts.session("ana", WORD, FROM)
    who = await accounts.identify(cookie(made.cookie))
    assert (who.name, who.role, who.pools) == ("ana", Role.OPERATOR, frozenset({PROD}))
    assert len(who.csrf or "") > 40
    # A session's secret is none of a token, nor the other way round.
    assert "not known" in await refused(accounts.identify(bearer("cwt_" + made.cookie[4:])))
    await refused(accounts.identify(bearer(made.cookie)))
    clock.pass_(hours=12, seconds=1)
    assert "this session has expired" in await refused(accounts.identify(cookie(made.cookie)))


async def test_signing_out_ends_the_session(accounts: LocalAccounts) -> None:
    await accounts.add("ana", AccountChange(password=WORD), ROOT)
    made = await accounts.session("ana", WORD, FROM)
    await accounts.end_session(made.cookie)
    assert await refused(accounts.identify(cookie(made.cookie))) == "nobody"


@pytest.mark.parametrize(("name", "password"), [("ana", "wrong horse battery"), ("bo", WORD), ("ana", ""), ("", "")])
async def test_a_wrong_name_and_a_wrong_password_are_told_alike(
    accounts: LocalAccounts, name: str, password: str
) -> None:
    await accounts.add("ana", AccountChange(password=WORD), ROOT)
    await accounts.add("bo", AccountChange(), ROOT)
    assert "do not let you in" in await refused(accounts.session(name, password, FROM))


async def test_disabling_and_a_new_password_end_what_there_was(accounts: LocalAccounts) -> None:
    await accounts.add("ana", AccountChange(password=WORD), ROOT)
    session, token = await accounts.session("ana", WORD, FROM), await accounts.token_by_password("ana", WORD, FROM)
    await accounts.change_password(Principal("ana", Role.VIEWER), WORD, "another horse battery", FROM)
    assert await refused(accounts.identify(cookie(session.cookie))) == "nobody"
    assert (await accounts.identify(bearer(token.token))).name == "ana"
    await accounts.change("ana", AccountChange(disabled=True), ROOT)
    assert "was revoked" in await refused(accounts.identify(bearer(token.token)))
    await refused(accounts.session("ana", "another horse battery", FROM))
    await accounts.change("ana", AccountChange(disabled=False), ROOT)
    assert (await accounts.identify(bearer(token.token))).name == "ana"


async def test_a_token_follows_its_account_and_only_narrows(accounts: LocalAccounts, clock: Clock) -> None:
    await accounts.add("ana", AccountChange(role="operator", pools=(PROD, DR)), ROOT)
    wide = await accounts.add_token(TokenRequest("ana", "", 3600), ROOT)
    narrow = await accounts.add_token(TokenRequest("ana", "", 7200, "viewer", (PROD,)), ROOT)
    who = await accounts.identify(bearer(narrow.token))
    assert (who.role, who.pools, who.csrf) == (Role.VIEWER, frozenset({PROD}), None)
    assert (await accounts.identify(bearer(wide.token))).role == Role.OPERATOR
    await accounts.change("ana", AccountChange(role="viewer", pools=(DR,)), ROOT)
    assert (await accounts.identify(bearer(wide.token))).role == Role.VIEWER
    assert (await accounts.identify(bearer(narrow.token))).pools == frozenset()
    clock.pass_(seconds=3601)
    assert "has expired" in await refused(accounts.identify(bearer(wide.token)))
    assert [one.id for one in await accounts.tokens()] == [narrow.id]
    await accounts.revoke_token(narrow.id, ROOT)
    assert "was revoked" in await refused(accounts.identify(bearer(narrow.token)))
    assert await accounts.tokens() == []


async def test_an_account_that_ends_takes_its_tokens_along(accounts: LocalAccounts, clock: Clock) -> None:
    clock_end = clock().replace(day=26)
    await accounts.add("temp", AccountChange(expires_at=clock_end), ROOT)
    token = await accounts.add_token(TokenRequest("temp", "", 30 * 86400), ROOT)
    assert (await accounts.identify(bearer(token.token))).name == "temp"
    clock.pass_(days=2)
    assert "has expired" in await refused(accounts.identify(bearer(token.token)))


async def test_nobody_gives_more_than_they_have(accounts: LocalAccounts) -> None:
    limited = Principal("lim", Role.ADMIN, frozenset({PROD}))
    await accounts.add("all", AccountChange(role="admin"), ROOT)
    await accounts.add("lim", AccountChange(role="admin", pools=(PROD,)), ROOT)
    further = "reaches further than lim does"
    assert further in await refused(accounts.add("x", AccountChange(), limited), 403)
    assert further in await refused(accounts.add("x", AccountChange(pools=(DR,)), limited), 403)
    assert further in await refused(accounts.change("all", AccountChange(disabled=True), limited), 403)
    assert further in await refused(accounts.change("all", AccountChange(password=WORD), limited), 403)
    assert further in await refused(accounts.change("lim", AccountChange(every_pool=True), limited), 403)
    assert further in await refused(accounts.add_token(TokenRequest("all", "", 60), limited), 403)
    assert (await accounts.add("x", AccountChange(pools=(PROD,)), limited)).pools == (PROD,)
    # Who came with a narrowed token makes no wider one.
    narrow = Principal("all", Role.VIEWER, frozenset({PROD}))
    assert "reaches further" in await refused(accounts.add_token(TokenRequest("all", "", 60, "admin"), narrow), 403)
    made = await accounts.add_token(TokenRequest("all", "", 60), narrow)
    who = await accounts.identify(bearer(made.token))
    assert (who.role, who.pools) == (Role.VIEWER, frozenset({PROD}))


@pytest.mark.parametrize("name", ["", "-x", "a b", "x" * 65, "root\n", "../etc"])
async def test_impossible_names_are_refused(accounts: LocalAccounts, name: str) -> None:
    with pytest.raises(ApiError, match="name: letters"):
        await accounts.add(name, AccountChange(), ROOT)


async def test_what_is_not_there_or_there_already_is_said(accounts: LocalAccounts) -> None:
    await accounts.add("ana", AccountChange(), ROOT)
    with pytest.raises(ApiError, match="there is an account ana already"):
        await accounts.add("ana", AccountChange(), ROOT)
    with pytest.raises(ApiError, match="there is no account 'bo'"):
        await accounts.change("bo", AccountChange(disabled=True), ROOT)
    with pytest.raises(ApiError, match="there is no account 'bo'"):
        await accounts.add_token(TokenRequest("bo", "", 60), ROOT)
    with pytest.raises(ApiError, match="there is no token '9' in force"):
        await accounts.revoke_token("9", ROOT)
    with pytest.raises(ApiError, match="12 to 256 characters"):
        await accounts.change("ana", AccountChange(password="short"), ROOT)


async def test_another_collector_s_revocation_is_seen(accounts: LocalAccounts, store: Store, clock: Clock) -> None:
    await accounts.add("ana", AccountChange(), ROOT)
    token = await accounts.add_token(TokenRequest("ana", "", 3600), ROOT)
    assert (await accounts.identify(bearer(token.token))).name == "ana"
    await LocalAccounts(store.writer, store.readers, Nobody(), clock).revoke_token(token.id, ROOT)
    await forget(accounts)
    assert "was revoked" in await refused(accounts.identify(bearer(token.token)))


async def test_while_the_database_is_away_nobody_is_called_unknown(store: Store, clock: Clock) -> None:
    away = Readers(open_engine(sqlite_url(Path("/nowhere/chainwatch.db")), read_only=True), threads=1)
    accounts = LocalAccounts(store.writer, away, Nobody(), clock)
    with pytest.raises(ApiError, match="the database does not answer") as raised:
        await accounts.identify(bearer("cwt_" + "A" * 43))
    assert raised.value.detail.status == 503
    away.close()


async def test_no_secret_is_kept_or_audited(accounts: LocalAccounts, store: Store, clock: Clock) -> None:
    await accounts.add("ana", AccountChange(password=WORD), ROOT)
    session, token = await accounts.session("ana", WORD, FROM), await accounts.token_by_password("ana", WORD, FROM)
    await refused(accounts.session("ana", "wrong horse battery", FROM))
    await refused(accounts.session("wrong horse\nbattery", "x", FROM))
    await accounts.end_session(session.cookie)
    kept = await store.readers.read(
        lambda c: [
            *c.execute(select(ACCOUNTS)),
            *c.execute(select(ACCESS_TOKENS)),
            *audit_since(c, clock.now.replace(year=2020), 50),
        ]
    )
    for secret in (WORD, session.cookie, token.token, "wrong horse"):
        assert secret not in str(kept)
    rows = await store.readers.read(lambda c: audit_since(c, clock.now.replace(year=2020), 50))
    assert [(row.who, row.what, row.outcome) for row in reversed(rows)] == [
        ("root", "account", "done"),
        ("ana", "login", "done"),
        ("ana", "login", "done"),
        ("ana", "login", "refused"),
        ("an impossible name", "login", "refused"),
        ("ana", "logout", "done"),
    ]
    refusals = await store.readers.read(
        lambda c: audit_since(c, clock.now.replace(year=2020), 50, filters={"what": "login", "outcome": "refused"})
    )
    assert [row.who for row in refusals] == ["an impossible name", "ana"]

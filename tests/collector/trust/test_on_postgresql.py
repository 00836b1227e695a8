"""Every statement of accounts once on PostgreSQL too; what they mean is in test_accounts."""

import pytest
from chainwatch_collector.keep.people import audit_since
from chainwatch_collector.show.accounts import AccountChange, TokenRequest
from chainwatch_collector.show.guard import SESSION_COOKIE, Credentials, Principal, RefusedError, Role
from chainwatch_collector.trust.accounts import LocalAccounts
from collector.trust.conftest import Clock, Store
from collector.trust.test_accounts import Nobody

WORD = "correct horse battery"
FROM = "192.0.2.7"
ROOT = Principal("root", Role.ADMIN)


@pytest.mark.postgres
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_whole_life(store: Store, clock: Clock) -> None:
    accounts = LocalAccounts(store.writer, store.readers, Nobody(), clock)
    await accounts.add("ana", AccountChange(role="operator", pools=("p",), password=WORD), ROOT)
    session = await accounts.session("ana", WORD, FROM)
    token = await accounts.add_token(TokenRequest("ana", "laptop", 3600, "viewer"), ROOT)
    who = await accounts.identify(Credentials(None, {SESSION_COOKIE: session.cookie}, FROM))
    assert (who.name, who.role, who.pools) == ("ana", Role.OPERATOR, frozenset({"p"}))
    assert (await accounts.identify(Credentials(token.token, {}, FROM))).role == Role.VIEWER
    assert [one.label for one in await accounts.tokens()] == ["laptop"]
    await accounts.end_session(session.cookie)
    await accounts.change("ana", AccountChange(every_pool=True, expires_at=clock().replace(year=2030)), ROOT)
    assert (await accounts.accounts())[0].pools is None
    await accounts.revoke_token(token.id, ROOT)
    await accounts.change("ana", AccountChange(disabled=True), ROOT)
    with pytest.raises(RefusedError):
        await accounts.session("ana", WORD, FROM)
    rows = await store.readers.read(lambda c: audit_since(c, clock().replace(year=2020), 50, filters={"who": "root"}))
    assert [row.what for row in reversed(rows)] == ["account", "token", "account", "token", "account"]

"""Local accounts: passwords, sessions, tokens; and the `Guard` that knows them.

What a token stands for is looked up for every request that finds it older than two seconds in the cache: a revocation
reaches every collector of one database so soon.
"""

import asyncio
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from chainwatch_collector.keep.readers import QueryTimeoutError, Readers
from chainwatch_collector.keep.rows import to_us
from chainwatch_collector.keep.writer import Priority, Writer, WriterBusyError, WriterClosedError
from chainwatch_collector.show.accounts import (
    AccountChange,
    AccountView,
    NewSession,
    NewToken,
    TokenRequest,
    TokenView,
)
from chainwatch_collector.show.errors import ApiError
from chainwatch_collector.show.guard import SESSION_COOKIE, Credentials, Guard, Principal, RefusedError
from chainwatch_collector.trust import account_records as records
from chainwatch_collector.trust.account_records import AccessIn, AccessRow, AccountRow
from chainwatch_collector.trust.identities import utc_now
from chainwatch_collector.trust.passwords import PasswordError, hashed, matches
from chainwatch_collector.trust.reach import principal_of, touchable, within
from chainwatch_collector.trust.tokens import token_sha256

T = TypeVar("T")
TOKEN_PREFIX: Final = "cwt_"
SESSION_PREFIX: Final = "cws_"
SESSION_SECONDS: Final = 12 * 3600
LOGIN_TOKEN_SECONDS: Final = 30 * 86400
_CACHE_SECONDS: Final = 2.0
_CACHE_SIZE: Final = 1024
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_LOGIN_HINT: Final = "check name and password; after some tries wait a minute"


class LocalAccounts:
    """See `show.accounts.Accounts`; also a `Guard`. `fallback` knows everybody else: the token file, loopback."""

    def __init__(
        self, writer: Writer, readers: Readers, fallback: Guard, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._fallback = fallback
        self._clock = clock
        self._cache: OrderedDict[str, tuple[float, AccessRow | None]] = OrderedDict()
        # scrypt takes 32 MiB each.
        self._hashing = asyncio.Semaphore(2)

    # --- the guard ----------------------------------------------------------------------------------------------

    async def identify(self, credentials: Credentials) -> Principal:
        """Raises `RefusedError`."""
        bearer, cookie = credentials.bearer, credentials.cookies.get(SESSION_COOKIE, "")
        if bearer is not None and bearer.startswith(TOKEN_PREFIX):
            access = await self._access(bearer)
            if access is None or access.kind != "token":
                raise RefusedError(
                    401, "this token is not known", "ask an administrator for one, then chainwatch login"
                )
            return principal_of(access, self._clock())
        if bearer is None and cookie.startswith(SESSION_PREFIX):
            access = await self._access(cookie)
            if access is not None and access.kind == "session":
                return principal_of(access, self._clock())
        return await self._fallback.identify(credentials)

    async def _access(self, secret: str) -> AccessRow | None:
        sha256 = token_sha256(secret)
        found = self._cache.get(sha256)
        if found is None or time.monotonic() - found[0] > _CACHE_SECONDS:
            asked_at = time.monotonic()
            try:
                found = (asked_at, await self._readers.read(partial(records.access_by_hash, sha256=sha256)))
            except (SQLAlchemyError, QueryTimeoutError):
                raise ApiError(503, "not_available", "the database does not answer", "try again in a moment") from None
            self._cache[sha256] = found
            if len(self._cache) > _CACHE_SIZE:
                self._cache.popitem(last=False)
        return found[1]

    # --- coming in ----------------------------------------------------------------------------------------------

    async def session(self, name: str, password: str, peer: str) -> NewSession:
        """For a browser. Raises `RefusedError` (401)."""
        account = await self._by_password(name, password, peer)
        secret, now = SESSION_PREFIX + secrets.token_urlsafe(32), self._clock()
        csrf = secrets.token_urlsafe(32)
        until = now + timedelta(seconds=SESSION_SECONDS)
        access = AccessIn(
            account.account_id, "session", "", token_sha256(secret), csrf, None, None, now, account.name, until
        )
        await self._write(partial(records.add_access, access=access, detail=f"from {peer}", subject=account.name))
        return NewSession(secret, until)

    async def token_by_password(self, name: str, password: str, peer: str) -> NewToken:
        """For the command line. Raises `RefusedError` (401)."""
        account = await self._by_password(name, password, peer)
        return await self._new_token(account, f"login from {peer}", LOGIN_TOKEN_SECONDS, None, None, account.name)

    async def end_session(self, cookie: str) -> None:
        """Sign out."""
        await self._write(partial(records.end_session, sha256=token_sha256(cookie), now=self._clock()))

    async def _by_password(self, name: str, password: str, peer: str) -> AccountRow:
        account = await self._readers.read(partial(records.account_named, name=name))
        async with self._hashing:
            right = await asyncio.to_thread(matches, password, account.password if account is not None else None)
        now = self._clock()
        ended = account is None or account.disabled or (account.expires_at is not None and account.expires_at <= now)
        if account is None or not right or ended:
            who = name if _NAME.fullmatch(name) else "an impossible name"
            work = partial(records.audit, at=now, who=who, what="login", subject=who, outcome="refused")
            await self._write(partial(work, detail=f"from {peer}"))
            raise RefusedError(401, "this name and password do not let you in", _LOGIN_HINT)
        return account

    # --- accounts -----------------------------------------------------------------------------------------------

    async def accounts(self) -> list[AccountView]:
        """By name."""
        return [_account_view(row) for row in await self._readers.read(records.accounts)]

    async def add(self, name: str, change: AccountChange, by: Principal) -> AccountView:
        """Raises `RefusedError` (403), `ApiError` (409, 422)."""
        if not _NAME.fullmatch(name):
            raise ApiError(422, "invalid", "name: letters, digits, . _ @ -", "64 characters at most", "name")
        pools = None if change.pools is None else frozenset(change.pools)
        within(by, change.role or "viewer", pools)
        values = {"role": "viewer", **await self._values(change)}
        work = partial(records.add_account, name=name, values=values, now=self._clock(), by=by.name)
        made = await self._write(partial(work, detail=_told(change)))
        if made is None:
            raise ApiError(409, "exists", f"there is an account {name} already", "chainwatch user set changes it")
        return _account_view(made)

    async def change(self, name: str, change: AccountChange, by: Principal) -> AccountView:
        """Raises `RefusedError` (403), `ApiError` (404, 422)."""
        found = await self._account(name)
        touchable(by, found)
        pools = found.pools if change.pools is None else frozenset(change.pools)
        within(by, change.role or found.role, None if change.every_pool else pools)
        work = partial(records.change_account, name=name, values=await self._values(change), now=self._clock())
        changed = await self._write(partial(work, by=by.name, detail=_told(change)))
        if changed is None:
            raise _unknown(name)
        return _account_view(changed)

    async def change_password(self, by: Principal, old: str, new: str, peer: str) -> None:
        """One's own. Raises `RefusedError` (401) where the old one is wrong, `ApiError` (422)."""
        await self._by_password(by.name, old, peer)
        values = await self._values(AccountChange(password=new))
        work = partial(records.change_account, name=by.name, values=values, now=self._clock())
        await self._write(partial(work, by=by.name, detail="password"))

    async def _values(self, change: AccountChange) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if change.role is not None:
            values["role"] = change.role
        if change.pools is not None or change.every_pool:
            values["pools"] = None if change.every_pool else records.pools_text(frozenset(change.pools or ()))
        if change.expires_at is not None:
            values["expires_at_us"] = to_us(change.expires_at)
        if change.disabled is not None:
            values["disabled_at_us"] = to_us(self._clock()) if change.disabled else None
        if change.password is not None:
            try:
                async with self._hashing:
                    values["password"] = await asyncio.to_thread(hashed, change.password)
            except PasswordError as error:
                raise ApiError(422, "invalid", f"password: {error}", "a sentence is easy to keep", "password") from None
        return values

    async def _account(self, name: str) -> AccountRow:
        found = await self._readers.read(partial(records.account_named, name=name))
        if found is None:
            raise _unknown(name)
        return found

    # --- tokens -------------------------------------------------------------------------------------------------

    async def tokens(self) -> list[TokenView]:
        """Those in force."""
        return [
            _token_view(row) for row in await self._readers.read(partial(records.tokens_in_force, now=self._clock()))
        ]

    async def add_token(self, request: TokenRequest, by: Principal) -> NewToken:
        """Raises `RefusedError` (403), `ApiError` (404)."""
        account = await self._account(request.account)
        pools = None if request.pools is None else frozenset(request.pools)
        if account.name != by.name:
            touchable(by, account)
        # One's own token can't reach further than one does now: who came with a narrowed token stays narrow.
        role = request.role or (by.role.name.lower() if account.name == by.name else None)
        limit = by.pools if account.name == by.name and pools is None else pools
        within(by, role, limit if limit is not None else account.pools)
        return await self._new_token(account, request.label, request.seconds, role, limit, by.name)

    async def revoke_token(self, token_id: str, by: Principal) -> None:
        """Raises `RefusedError` (403), `ApiError` (404)."""
        rows = await self._readers.read(partial(records.tokens_in_force, now=self._clock()))
        found = next((row for row in rows if str(row.token_id) == token_id), None)
        if found is None:
            raise ApiError(404, "not_found", f"there is no token {token_id!r} in force", "chainwatch token lists them")
        if found.account.name != by.name:
            touchable(by, found.account)
        work = partial(records.revoke_token, token_id=found.token_id, now=self._clock(), by=by.name)
        await self._write(partial(work, subject=found.account.name))

    async def _new_token(
        self,
        account: AccountRow,
        label: str,
        seconds: int,
        role: str | None,
        pools: frozenset[str] | None,
        by: str,
    ) -> NewToken:
        secret, now = TOKEN_PREFIX + secrets.token_urlsafe(32), self._clock()
        until = now + timedelta(seconds=seconds)
        access = AccessIn(account.account_id, "token", label, token_sha256(secret), None, role, pools, now, by, until)
        detail = f"{label or 'no label'}, {role or account.role}, until {until:%Y-%m-%d}"
        number = await self._write(partial(records.add_access, access=access, detail=detail, subject=account.name))
        return NewToken(str(number), account.name, secret, until)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        try:
            done = await asyncio.wrap_future(self._writer.submit(work, priority=Priority.HOUSEKEEPING))
        except (WriterBusyError, WriterClosedError) as error:
            raise ApiError(503, "not_available", str(error), "try again in a moment") from None
        self._cache.clear()
        return done


def _unknown(name: str) -> ApiError:
    return ApiError(404, "not_found", f"there is no account {name!r}", "chainwatch user lists them")


def _told(change: AccountChange) -> str:
    """What the audit log says of it; of a password only that there is one."""
    parts = [f"role {change.role}" if change.role else "", "password" if change.password else ""]
    parts.append("every pool" if change.every_pool else f"{len(change.pools)} pools" if change.pools else "")
    parts.append(f"until {change.expires_at:%Y-%m-%d}" if change.expires_at else "")
    parts.append("" if change.disabled is None else "disabled" if change.disabled else "enabled")
    return ", ".join(part for part in parts if part) or "nothing"


def _account_view(row: AccountRow) -> AccountView:
    pools = None if row.pools is None else tuple(sorted(row.pools))
    return AccountView(
        row.name,
        row.role,
        pools,
        row.password is not None,
        row.created_at,
        row.created_by,
        row.expires_at,
        row.disabled,
    )


def _token_view(row: AccessRow) -> TokenView:
    pools = None if row.pools is None else tuple(sorted(row.pools))
    name = row.account.name
    return TokenView(
        str(row.token_id), name, row.label, row.role, pools, row.created_at, row.created_by, row.expires_at
    )

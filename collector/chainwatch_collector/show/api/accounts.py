"""Accounts, tokens, and coming in with a password."""

from datetime import timedelta
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from chainwatch_collector.show.access import Admin, Viewer, peer_of, slow_login
from chainwatch_collector.show.accounts import AccountChange, Accounts, AccountView, NewToken, TokenRequest, TokenView
from chainwatch_collector.show.api.params import ERRORS, Named
from chainwatch_collector.show.guard import Principal, RefusedError, Role, require
from chainwatch_collector.show.jsonable import Json
from chainwatch_collector.show.scope import Scope
from chainwatch_collector.show.views import NotAvailableError

router = APIRouter(tags=["accounts"], responses=ERRORS)

_MAX_SECONDS: Final = 400 * 86400
RoleName = Literal["viewer", "operator", "admin"]
PoolNames = Annotated[list[Annotated[str, Field(min_length=1, max_length=300)]], Field(max_length=200)]
Secret = Annotated[str, Field(min_length=1, max_length=256)]
Name = Annotated[str, Field(min_length=1, max_length=64)]
Length = Annotated[int, Field(ge=60, le=_MAX_SECONDS)]


class LoginBody(BaseModel, extra="forbid"):
    name: Name
    password: Secret


class AccountBody(BaseModel, extra="forbid"):
    """What to set; what is absent stays, or is a viewer's for a new account. `pools` by name or uuid."""

    role: RoleName | None = None
    pools: PoolNames | None = None
    every_pool: bool = False
    seconds: Length | None = None
    password: Secret | None = None
    disabled: bool | None = None


class NewAccountBody(AccountBody):
    name: Name


class PasswordBody(BaseModel, extra="forbid"):
    old: Secret
    new: Secret


class TokenBody(BaseModel, extra="forbid"):
    """`account` absent: one's own. `role` and `pools` can only narrow."""

    account: Name | None = None
    label: Annotated[str, Field(max_length=100)] = ""
    seconds: Length = 90 * 86400
    role: RoleName | None = None
    pools: PoolNames | None = None


class WhoBody(BaseModel):
    name: str
    role: str
    pools: list[str] | None


class AccountList(BaseModel):
    items: list[AccountView]


class TokenList(BaseModel):
    items: list[TokenView]


class Done(BaseModel):
    done: bool = True


def accounts_of(request: Request) -> Accounts:
    """Raises `NotAvailableError` where this collector keeps none."""
    found: Accounts | None = request.app.state.accounts
    if found is None:
        raise NotAvailableError("this collector keeps no accounts", "its tokens are in tokens.toml")
    return found


@router.post("/login", response_model=NewToken, status_code=201)
async def login(request: Request, body: LoginBody) -> Json:
    """A token of 30 days for a name and a password."""
    slow_login(request, body.name)
    made = await accounts_of(request).token_by_password(body.name, body.password, peer_of(request))
    return Json(made, status_code=201)


@router.get("/whoami", response_model=WhoBody)
async def whoami(scope: Viewer) -> WhoBody:
    """Who asks, as the collector sees it."""
    who = scope.principal
    return WhoBody(name=who.name, role=who.role.name.lower(), pools=None if who.pools is None else sorted(who.pools))


@router.post("/password", response_model=Done)
async def change_password(request: Request, scope: Viewer, body: PasswordBody) -> Json:
    """Another password for oneself; sessions end."""
    slow_login(request, scope.principal.name)
    await accounts_of(request).change_password(scope.principal, body.old, body.new, peer_of(request))
    return Json({"done": True})


@router.get("/accounts", response_model=AccountList)
async def list_accounts(request: Request, scope: Admin) -> Json:
    """Those that reach no further than the asker."""
    found = await accounts_of(request).accounts()
    return Json({"items": [one for one in found if _reaches(scope.principal, one.pools)]})


@router.post("/accounts", response_model=AccountView, status_code=201)
async def add_account(request: Request, scope: Admin, body: NewAccountBody) -> Json:
    """An account; a viewer of every pool unless told otherwise."""
    made = await accounts_of(request).add(body.name, _change(scope, body), scope.principal)
    return Json(made, status_code=201)


@router.patch("/account/{name}", response_model=AccountView)
async def change_account(request: Request, scope: Admin, name: Named, body: AccountBody) -> Json:
    """Another role, other pools, an end, a password; disabled or enabled."""
    return Json(await accounts_of(request).change(name, _change(scope, body), scope.principal))


@router.get("/tokens", response_model=TokenList)
async def list_tokens(request: Request, scope: Viewer) -> Json:
    """One's own; an administrator sees those of all in reach."""
    who, found = scope.principal, await accounts_of(request).tokens()
    allowed = {one.name for one in await accounts_of(request).accounts() if _reaches(who, one.pools)}
    admin = who.role >= Role.ADMIN
    return Json({"items": [one for one in found if one.account == who.name or (admin and one.account in allowed)]})


@router.post("/tokens", response_model=NewToken, status_code=201)
async def add_token(request: Request, scope: Viewer, body: TokenBody) -> Json:
    """A token for oneself; for others an administrator makes it."""
    who = scope.principal
    if body.account not in (None, who.name):
        require(who, Role.ADMIN)
    pools = None if body.pools is None else _pools(scope, body.pools)
    asked = TokenRequest(body.account or who.name, body.label, body.seconds, body.role, pools)
    return Json(await accounts_of(request).add_token(asked, who), status_code=201)


@router.delete("/token/{token_id}", response_model=Done)
async def revoke_token(request: Request, scope: Viewer, token_id: Named) -> Json:
    """One's own; an administrator's reach is further."""
    accounts, who = accounts_of(request), scope.principal
    owner = next((one.account for one in await accounts.tokens() if one.id == token_id), None)
    if owner != who.name:
        require(who, Role.ADMIN)
    await accounts.revoke_token(token_id, who)
    return Json({"done": True})


def _change(scope: Scope, body: AccountBody) -> AccountChange:
    if body.every_pool and scope.principal.pools is not None:
        raise RefusedError(403, "your own account does not see every pool", "name pools")
    return AccountChange(
        role=body.role,
        pools=None if body.pools is None else _pools(scope, body.pools),
        every_pool=body.every_pool,
        expires_at=scope.model.now() + timedelta(seconds=body.seconds) if body.seconds is not None else None,
        password=body.password,
        disabled=body.disabled,
    )


def _pools(scope: Scope, names: list[str]) -> tuple[str, ...]:
    return tuple(scope.find(name, ("pool",)).uuid for name in names)


def _reaches(who: Principal, pools: tuple[str, ...] | None) -> bool:
    return who.pools is None or (pools is not None and set(pools) <= who.pools)

"""From a request to the scope it may see: the one dependency that every route but the public ones has."""

import hmac
import math
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends, FastAPI, Query, Request
from fastapi.routing import iter_route_contexts

from chainwatch_collector.rate import RateLimit
from chainwatch_collector.show.errors import ApiError
from chainwatch_collector.show.guard import Credentials, Principal, RefusedError, Role, require
from chainwatch_collector.show.scope import Scope
from chainwatch_collector.show.settings import ShowSettings

PUBLIC: Final = frozenset({"/healthz", "/readyz", "/login", "/static/{name}", "/api/v1/enroll/ca"})
"""Routes that need nobody: they say no more than up or down, or are the same for everybody."""

SELF_PROVING: Final = frozenset(
    {"/api/v1/enroll", "/api/v1/renew/challenge", "/api/v1/renew", "/api/v1/login", "/logout"}
)
"""Routes whose body is the proof: a token of its own, a signature, a password. They are slowed by address."""

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def credentials_of(request: Request) -> Credentials:
    """What a request brought. Raises `RefusedError` (401) where the Authorization header is no bearer token."""
    header = request.headers.get("authorization")
    bearer = None
    if header is not None:
        kind, _, value = header.partition(" ")
        if kind.lower() != "bearer" or not value.strip():
            raise RefusedError(401, "the Authorization header is not a bearer token", "send: Bearer TOKEN")
        bearer = value.strip()
    return Credentials(bearer, dict(request.cookies), request.client.host if request.client else None)


async def principal_of(request: Request) -> Principal:
    """Who asks; `request.state.principal` from then on. Raises `RefusedError`."""
    principal: Principal = await request.app.state.guard.identify(credentials_of(request))
    request.state.principal = principal
    if principal.csrf is not None and request.method not in SAFE_METHODS:
        await _check_csrf(request, principal.csrf)
    return principal


async def _check_csrf(request: Request, expected: str) -> None:
    """A cookie is sent by the browser unasked: a change must also carry the token that only our pages know."""
    given = request.headers.get("x-csrf-token", "")
    if not given and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        given = str((await request.form()).get("csrf_token", ""))
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise RefusedError(403, "this form is not from our pages, or is too old", "reload the page and try again")


def need(role: Role) -> Callable[..., Awaitable[Scope]]:
    """A dependency that yields the scope of a principal of at least this role. Raises `RefusedError`."""

    async def scope(
        request: Request, pool: Annotated[str | None, Query(description="narrow to this pool: name or uuid")] = None
    ) -> Scope:
        principal = require(await principal_of(request), role)
        whole = Scope(request.app.state.model, principal)
        return whole if pool is None else Scope(whole.model, principal, whole.find(pool, ("pool",)).uuid)

    scope.required_role = role  # type: ignore[attr-defined]  # a test reads it off every route
    return scope


def peer_of(request: Request) -> str:
    """The client's address."""
    return request.client.host if request.client else "unknown"


def slowed(request: Request) -> None:
    """Count a try of this address. Raises `ApiError` (429) where it tries too often."""
    _count(request.app.state.tries, peer_of(request), "from this address")


def slow_login(request: Request, name: str) -> None:
    """Count a try of a password: of this address, and for this name wherever from. Raises `ApiError` (429)."""
    _count(request.app.state.logins, f"from {peer_of(request)}", "from this address")
    _count(request.app.state.logins, f"name {name.lower()}", "for this name")


def _count(limit: RateLimit, key: str, told: str) -> None:
    wait = limit.wait_seconds(key, time.monotonic())
    if wait:
        raise ApiError(429, "too_many_tries", f"too many tries {told}", f"wait {math.ceil(wait)} s")


def routes_of(app: FastAPI) -> list[tuple[str, str]]:
    """(method, path) of every route, so that a test can ask each of them as nobody."""
    contexts = iter_route_contexts(app.routes)
    return sorted((method, str(context.path)) for context in contexts for method in context.methods or ("GET",))


def role_of_route(app: FastAPI, method: str, path: str) -> Role | None:
    """The least role that a route asks for, None where it asks for none: a test holds it against the public ones."""
    for context in iter_route_contexts(app.routes):
        if str(context.path) == path and method in (context.methods or ("GET",)):
            dependant = getattr(context, "dependant", None)
            asked = [getattr(one.call, "required_role", None) for one in dependant.dependencies] if dependant else []
            return max((role for role in asked if role is not None), default=None)
    return None


def settings_of(request: Request) -> ShowSettings:
    settings: ShowSettings = request.app.state.settings
    return settings


Viewer = Annotated[Scope, Depends(need(Role.VIEWER))]
Operator = Annotated[Scope, Depends(need(Role.OPERATOR))]
Admin = Annotated[Scope, Depends(need(Role.ADMIN))]
Settings = Annotated[ShowSettings, Depends(settings_of)]

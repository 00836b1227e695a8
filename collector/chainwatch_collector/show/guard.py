"""Who may ask what: the one interface that every route depends on.

The roles are nested: an operator may all that a viewer may, an admin all. What a token is and where accounts are kept
is the business of whoever implements `Guard`; routes only ask for a role.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

SESSION_COOKIE: Final = "chainwatch_session"


class Role(enum.IntEnum):
    """Ordered: a larger role includes the smaller ones."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `pools` limits what is seen to these pool uuids; None sees every pool.

    `csrf` is set for a browser session: a change must then carry it beside the cookie.
    """

    name: str
    role: Role
    pools: frozenset[str] | None = None
    csrf: str | None = None

    def sees(self, pool_uuid: str | None) -> bool:
        """True where this principal may see the pool; what belongs to no pool is for those who see all."""
        return self.pools is None or (pool_uuid is not None and pool_uuid in self.pools)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request brought, without the web framework around it. `peer` is the client's address."""

    bearer: str | None
    cookies: Mapping[str, str]
    peer: str | None


class RefusedError(Exception):
    """Not allowed. `status` is 401 when nobody is known, 403 when the role or pool does not reach."""

    def __init__(self, status: int, message: str, hint: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.hint = hint


class Guard(Protocol):
    """Turns credentials into a principal, or refuses."""

    async def identify(self, credentials: Credentials) -> Principal:
        """Raises `RefusedError` when the credentials name nobody."""
        ...


def require(principal: Principal, role: Role) -> Principal:
    """The principal, when its role reaches; raises `RefusedError` (403) when not."""
    if principal.role < role:
        raise RefusedError(
            403,
            f"{principal.name} is {principal.role.name.lower()}; this needs {role.name.lower()}",
            "ask an administrator for a token of that role",
        )
    return principal

"""What the routes of accounts ask for; implemented by `trust.accounts`. Secrets are handed out once and never kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chainwatch_collector.show.guard import Principal


@dataclass(frozen=True, slots=True)
class AccountView:
    """`pools` None: every pool. `expires_at` None: never."""

    name: str
    role: str
    pools: tuple[str, ...] | None
    has_password: bool
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    disabled: bool


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What an account should be; None leaves it as it is. `every_pool` lifts the limit to pools."""

    role: str | None = None
    pools: tuple[str, ...] | None = None
    every_pool: bool = False
    expires_at: datetime | None = None
    password: str | None = None
    disabled: bool | None = None


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token that is in force. `role`, `pools` narrow its account's; None does not."""

    id: str
    account: str
    label: str
    role: str | None
    pools: tuple[str, ...] | None
    created_at: datetime
    created_by: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TokenRequest:
    account: str
    label: str
    seconds: int
    role: str | None = None
    pools: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class NewToken:
    """`token` is shown this once."""

    id: str
    account: str
    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewSession:
    """A browser's session: `cookie` is its value."""

    cookie: str
    expires_at: datetime


class Accounts(Protocol):
    """Methods raise `RefusedError` or `ApiError` where they refuse; every change is audited."""

    async def session(self, name: str, password: str, peer: str) -> NewSession: ...

    async def token_by_password(self, name: str, password: str, peer: str) -> NewToken: ...

    async def end_session(self, cookie: str) -> None: ...

    async def accounts(self) -> list[AccountView]: ...

    async def add(self, name: str, change: AccountChange, by: Principal) -> AccountView: ...

    async def change(self, name: str, change: AccountChange, by: Principal) -> AccountView: ...

    async def change_password(self, by: Principal, old: str, new: str, peer: str) -> None: ...

    async def tokens(self) -> list[TokenView]: ...

    async def add_token(self, request: TokenRequest, by: Principal) -> NewToken: ...

    async def revoke_token(self, token_id: str, by: Principal) -> None: ...

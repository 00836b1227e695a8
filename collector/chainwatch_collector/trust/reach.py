"""How far a principal reaches, and that nobody gives more than that. Pure."""

from datetime import datetime

from chainwatch_collector.show.guard import Principal, RefusedError, Role
from chainwatch_collector.trust.account_records import AccessRow, AccountRow


def principal_of(access: AccessRow, now: datetime) -> Principal:
    """Who a token or session stands for now. Raises `RefusedError` (401) where it has ended."""
    account, hint = access.account, "chainwatch login, or ask an administrator for a new one"
    if access.revoked or account.disabled:
        raise RefusedError(401, f"this {access.kind} was revoked", hint)
    if access.expires_at <= now or (account.expires_at is not None and account.expires_at <= now):
        raise RefusedError(401, f"this {access.kind} has expired", hint)
    role = Role[account.role.upper()]
    if access.role is not None:
        role = min(role, Role[access.role.upper()])
    return Principal(account.name, role, both(account.pools, access.pools), access.csrf)


def both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """The pools in both limits; None is no limit."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def within(by: Principal, role: str | None, pools: frozenset[str] | None) -> None:
    """Raises `RefusedError` (403) where `by` would give, or touch, what reaches further than itself."""
    further = by.pools is not None and (pools is None or not pools <= by.pools)
    if further or (role is not None and Role[role.upper()] > by.role):
        raise RefusedError(403, f"this reaches further than {by.name} does", "ask an administrator of every pool")


def touchable(by: Principal, account: AccountRow) -> None:
    """Raises `RefusedError` (403) where the account reaches further than who would change it."""
    within(by, account.role, account.pools)

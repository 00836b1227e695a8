"""A guard over a plain file of tokens: what a small installation needs before it has accounts.

The file is TOML of mode 0600, one table per name; only hashes of tokens stand in it:

    [tokens.ana]
    sha256 = "…64 hex digits…"
    role = "operator"
    pools = ["…uuid…"]          # optional; absent: every pool
    expires = 2027-01-01T00:00:00Z   # optional
"""

import hashlib
import hmac
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from chainwatch_collector.show.guard import Credentials, Principal, RefusedError, Role

_KEYS: Final = frozenset({"sha256", "role", "pools", "expires"})
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})


class TokenFileError(Exception):
    """A token file that cannot be used; the message names file, table and fix."""


@dataclass(frozen=True, slots=True)
class TokenEntry:
    sha256: str
    principal: Principal
    expires: datetime | None


class TokenGuard:
    """Bearer tokens by hash. `open_loopback` is the role that a caller on this machine has without a token, if any."""

    def __init__(self, entries: tuple[TokenEntry, ...], open_loopback: Role | None = None) -> None:
        self._entries = entries
        self._open_loopback = open_loopback

    async def identify(self, credentials: Credentials) -> Principal:
        if credentials.bearer is None:
            if self._open_loopback is not None and credentials.peer in LOOPBACK:
                return Principal("local", self._open_loopback)
            raise RefusedError(401, "a token is needed", "chainwatch login, or set CHAINWATCH_TOKEN")
        digest = hashlib.sha256(credentials.bearer.encode()).hexdigest()
        # Every entry is compared, so that the time taken tells nothing of which were near.
        matches = [entry for entry in self._entries if hmac.compare_digest(entry.sha256, digest)]
        if not matches:
            raise RefusedError(401, "this token is not known", "ask an administrator for one, then chainwatch login")
        if matches[0].expires is not None and matches[0].expires <= datetime.now(UTC):
            raise RefusedError(401, "this token has expired", "ask an administrator for a new one")
        return matches[0].principal


def read_tokens(path: Path) -> tuple[TokenEntry, ...]:
    """The entries of a token file. Raises `TokenFileError` where it is missing, open to others or malformed."""
    try:
        mode = path.stat().st_mode & 0o077
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TokenFileError(f"{path}: {error.strerror}: create it with mode 0600") from error
    if mode:
        raise TokenFileError(f"{path}: others may read it: chmod 600 {path}")
    try:
        tables = tomllib.loads(text).get("tokens", {})
    except tomllib.TOMLDecodeError as error:
        raise TokenFileError(f"{path}: no valid TOML: {error}") from error
    return tuple(_entry(path, str(name), table) for name, table in tables.items())


def _entry(path: Path, name: str, table: Any) -> TokenEntry:
    where = f"{path}: [tokens.{name}]"
    if not isinstance(table, dict):
        raise TokenFileError(f"{where} is no table")
    unknown = sorted(set(table) - _KEYS)
    if unknown:
        raise TokenFileError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}")
    sha256, role, pools, expires = (table.get(key) for key in ("sha256", "role", "pools", "expires"))
    if not isinstance(sha256, str) or len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
        raise TokenFileError(f"{where}: sha256 must be 64 lower-case hex digits: printf %s TOKEN | sha256sum")
    if role not in ("viewer", "operator", "admin"):
        raise TokenFileError(f"{where}: role must be viewer, operator or admin, not {role!r}")
    if pools is not None and not (isinstance(pools, list) and all(isinstance(one, str) for one in pools)):
        raise TokenFileError(f"{where}: pools must be a list of pool uuids")
    if expires is not None and not isinstance(expires, datetime):
        raise TokenFileError(f"{where}: expires must be a TOML time such as 2027-01-01T00:00:00Z")
    if expires is not None and expires.tzinfo is None:
        expires = expires.replace(tzinfo=UTC)
    limited = None if pools is None else frozenset(pools)
    return TokenEntry(sha256, Principal(name, Role[role.upper()], limited), expires)

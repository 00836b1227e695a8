"""Who may use REST and web: `tokens.toml` in the state directory, made at the first start with one administrator."""

import hashlib
import logging
import os
import secrets
import time
from pathlib import Path
from typing import Final

from chainwatch_collector.show.guard import Credentials, Principal, Role
from chainwatch_collector.show.tokens import LOOPBACK, TokenFileError, TokenGuard, read_tokens

LOG = logging.getLogger(__name__)
TOKENS: Final = "tokens.toml"
ADMIN_TOKEN: Final = "admin-token"
_LOOK_SECONDS: Final = 1.0


class TokenFile:
    """A `Guard` that reads its file again when it changes; a file that cannot be used leaves the last good one.

    `open_loopback`: whoever is on this machine may look without a token.
    """

    def __init__(self, path: Path, open_loopback: bool) -> None:
        self._path = path
        self._open = Role.VIEWER if open_loopback else None
        self._looked = time.monotonic()
        self._mark = _mark(path)
        self._guard = TokenGuard(read_tokens(path), self._open)

    async def identify(self, credentials: Credentials) -> Principal:
        """Raises `RefusedError` where the credentials name nobody."""
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._look()
        return await self._guard.identify(credentials)

    def _look(self) -> None:
        self._looked = time.monotonic()
        mark = _mark(self._path)
        if mark == self._mark:
            return
        self._mark = mark
        try:
            self._guard = TokenGuard(read_tokens(self._path), self._open)
        except TokenFileError as error:
            LOG.error("%s; the tokens before stay in force", error)


def token_file(state_dir: Path, listen: str, tls: bool, external_url: str) -> TokenFile:
    """The guard of this installation. Raises `TokenFileError`.

    Loopback is open for looking only where nothing stands in front: a proxy's callers all seem to be local.
    """
    path = state_dir / TOKENS
    if not path.exists():
        _first_token(path, state_dir / ADMIN_TOKEN)
    host = listen.rpartition(":")[0].strip("[]")
    direct = tls and not external_url
    return TokenFile(path, open_loopback=direct and (host in LOOPBACK or host == "localhost"))


def _first_token(path: Path, plain: Path) -> None:
    """One administrator; the token itself stands in a file beside, to be used once and deleted."""
    token = secrets.token_urlsafe(32)
    digest = hashlib.sha256(token.encode()).hexdigest()
    try:
        _write(plain, token + "\n")
        _write(path, f'# printf %s TOKEN | sha256sum\n[tokens.admin]\nsha256 = "{digest}"\nrole = "admin"\n')
    except OSError as error:
        raise TokenFileError(f"{path}: cannot be written: {error.strerror}: make state_dir writable") from None
    LOG.warning("the first administrator's token is in %s: chainwatch login with it, then delete that file", plain)


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(text)


def _mark(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)

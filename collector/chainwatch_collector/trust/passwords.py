"""Passwords as scrypt hashes: 32 MiB and some 100 ms for each guess. Blocking: run it in a thread."""

import base64
import hashlib
import hmac
import secrets
from typing import Final

MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 256
_LOG_N: Final = 15
_R: Final = 8
_P: Final = 1
_MAX_MEMORY: Final = 64 * 1024 * 1024


class PasswordError(Exception):
    """A password that is not taken; the message says why, not what it was."""


def hashed(password: str) -> str:
    """`scrypt$LOG_N$R$P$SALT$HASH`. Raises `PasswordError`."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise PasswordError(f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters")
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, _LOG_N, _R, _P)
    return f"scrypt${_LOG_N}${_R}${_P}${_text(salt)}${_text(digest)}"


def matches(password: str, stored: str | None) -> bool:
    """Whether it is that one. Without one it takes as long, so that time tells nothing of who has an account."""
    known = stored if stored is not None else _NOBODY
    _, log_n, r, p, salt, digest = known.split("$")
    found = _scrypt(password[: MAX_LENGTH + 1], base64.b64decode(salt), int(log_n), int(r), int(p))
    return hmac.compare_digest(found, base64.b64decode(digest)) and stored is not None


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"), salt=salt, n=1 << log_n, r=r, p=p, maxmem=_MAX_MEMORY, dklen=32
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


_NOBODY: Final = f"scrypt${_LOG_N}${_R}${_P}${_text(bytes(16))}${_text(bytes(32))}"

"""Enrolment tokens: `cw1.SECRET.FINGERPRINT`. The secret is 256 random bits; the fingerprint is the CA's SHA-256.

The agent learns by the fingerprint whom it talks to before it says the secret.
"""

import hashlib
import re
import secrets
from typing import Final, NamedTuple

PREFIX: Final = "cw1"
_TOKEN: Final = re.compile(r"cw1\.([A-Za-z0-9_-]{43})\.([0-9a-f]{64})")


class NewToken(NamedTuple):
    """`text` is shown once; only `sha256` is kept."""

    text: str
    sha256: str


def new_token(ca_fingerprint: str) -> NewToken:
    """A token that nobody can guess."""
    secret = secrets.token_urlsafe(32)
    return NewToken(f"{PREFIX}.{secret}.{ca_fingerprint}", token_sha256(secret))


def secret_of(text: str) -> str | None:
    """The secret of a token, also of one that was sent alone; None where it is none."""
    found = _TOKEN.fullmatch(text)
    return found[1] if found else None


def token_sha256(secret: str) -> str:
    """As it is kept. 256 random bits need no slow hash: there is nothing to guess."""
    return hashlib.sha256(secret.encode()).hexdigest()

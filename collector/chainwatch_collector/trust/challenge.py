"""Challenges for renewal: what an agent signs with its current key to prove that it has it. No state is kept.

A challenge is `EXPIRES.RANDOM.MAC`; the MAC's key is derived from the CA's, so that of several collectors with one CA
each knows the challenges of the others.
"""

import base64
import hashlib
import hmac
import secrets
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from chainwatch_collector.trust.authority import Authority, RequestError

CHALLENGE_SECONDS: Final = 120
_CONTEXT: Final = "chainwatch-renew-v1"


class Challenges:
    """`seconds` arguments are of the collector's clock alone: the agent's may be wrong."""

    def __init__(self, authority: Authority) -> None:
        secret = authority.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self._key = hashlib.sha256(b"chainwatch challenge key\n" + secret).digest()

    def new(self, now_seconds: float) -> str:
        """Good for two minutes."""
        text = f"{int(now_seconds) + CHALLENGE_SECONDS}.{secrets.token_urlsafe(16)}"
        return f"{text}.{self._mac(text)}"

    def check(self, challenge: str, now_seconds: float) -> None:
        """Raises `RequestError` where it is none of ours, or too old."""
        text, _, mac = challenge.rpartition(".")
        if not hmac.compare_digest(self._mac(text).encode(), mac.encode()):
            raise RequestError("this challenge is not the collector's: ask for one, then sign it")
        if float(text.partition(".")[0]) < now_seconds:
            raise RequestError("this challenge is too old: ask for another one")

    def _mac(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def signed_text(challenge: str, request_pem: str) -> bytes:
    """The bytes that an agent signs: the challenge and the request that it is for."""
    return f"{_CONTEXT}\n{challenge}\n{hashlib.sha256(request_pem.encode()).hexdigest()}\n".encode()


def check_signature(certificate: x509.Certificate, signature_base64: str, signed: bytes) -> None:
    """Raises `RequestError` where the certificate's key did not make this signature (SHA-256; ECDSA or PKCS#1)."""
    key = certificate.public_key()
    try:
        signature = base64.b64decode(signature_base64, validate=True)
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        else:
            raise RequestError("the certificate has a key of a kind that is not used here")
    except (ValueError, InvalidSignature):
        raise RequestError("the signature is not of the certificate's key") from None

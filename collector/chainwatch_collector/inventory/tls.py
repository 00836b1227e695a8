"""Whom a pool's session trusts: a CA bundle, certificates pinned by fingerprint, or, if somebody says so, anyone."""

import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path


class TrustError(Exception):
    """A CA file that cannot be used; says which and the fix."""


class UntrustedCertificateError(Exception):
    """The server showed a certificate that is not pinned; says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """`fingerprints`: SHA-256 of the DER, 64 lower-case hex digits; where there are some, they alone decide, with
    those that are `learned`: told over a session that was trusted already, never otherwise.

    Without any of it the system's CAs are trusted. xapi's own certificate is self-signed: its PEM is its CA file.
    """

    ca_file: Path | None = None
    fingerprints: frozenset[str] = frozenset()
    learned: frozenset[str] = frozenset()
    insecure: bool = False
    verify_host_name: bool = True

    def context(self) -> ssl.SSLContext:
        """For one session. xapi speaks TLS 1.2 only (tls_policy.ml). Raises `TrustError`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.insecure or self.fingerprints:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        context.check_hostname = self.verify_host_name
        if self.ca_file is None:
            context.load_default_certs()
            return context
        try:
            context.load_verify_locations(cafile=self.ca_file)
        except ssl.SSLError:
            raise TrustError(f"{self.ca_file}: no PEM certificates in it; export the hosts' certificates") from None
        except OSError as error:
            raise TrustError(f"{self.ca_file}: cannot be read: {error.strerror}") from None
        return context

    @property
    def learns(self) -> bool:
        """Whether certificates of other hosts of the pool may be added to the pinned ones."""
        return bool(self.fingerprints) and not self.insecure

    def check(self, certificate: bytes | None) -> None:
        """Before a byte is sent. Raises `UntrustedCertificateError` where it is not among the pinned ones."""
        if self.insecure or not self.fingerprints:
            return
        shown = fingerprint(certificate or b"")
        if shown not in self.fingerprints | self.learned:
            raise UntrustedCertificateError(f"its certificate is not pinned: sha256 {shown}")


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a DER certificate, as `Trust.fingerprints` holds it."""
    return hashlib.sha256(certificate).hexdigest()


def parse_fingerprint(text: str) -> str:
    """64 hex digits, with or without colons and a `sha256:` before them. Raises `ValueError`."""
    digits = text.strip().lower().removeprefix("sha-256:").removeprefix("sha256:").replace(":", "").replace(" ", "")
    if len(digits) != 64 or not all(digit in "0123456789abcdef" for digit in digits):
        raise ValueError(f"{text!r} is no SHA-256 fingerprint: write its 64 hex digits")
    return digits

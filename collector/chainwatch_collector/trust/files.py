"""The CA and the server's certificate on disk, below `state_dir/tls`: made at the first start, renewed while it runs.

    ca.pem      every CA that is trusted, the signing one first       ca.key      the signing one's
    server.pem  for both ports, unless files are configured           server.key  its key
    old-ca.key  while a roll-over lasts: the CA before, which still makes the server's certificate

A roll-over lasts as long as a host's certificate does. Meanwhile new certificates are signed by the new CA, both are
trusted, and the server shows a certificate of the old one, which every agent knows; agents get the new bundle with
their daily renewal. After it the old CA is forgotten.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

from chainwatch_collector.trust.authority import Authority, issued_at, new_authority

_RENEW_CA: Final = timedelta(days=365)
_RENEW_SERVER: Final = 1 / 3
"""Of its life left: of 397 days, 132."""


class TrustFileError(Exception):
    """A file of the CA that cannot be used: which, why, and what to do."""


class TrustFiles:
    """`ca`, `ca_key`: a given CA, else our own. `overlap`: a host certificate's life. All raise `TrustFileError`."""

    def __init__(self, directory: Path, overlap: timedelta, ca: Path | None = None, ca_key: Path | None = None) -> None:
        self.ca = ca or directory / "ca.pem"
        self.ca_key = ca_key or directory / "ca.key"
        self.server = directory / "server.pem"
        self.server_key = directory / "server.key"
        self._old_key = directory / "old-ca.key"
        self._directory = directory
        self._given = ca is not None
        self._overlap = overlap

    def open(self, now: datetime) -> Authority:
        """The CA: made where there is none, rolled over where it ends within a year; an old one is forgotten."""
        if not self._given and not self.ca.exists() and not self.ca_key.exists():
            self._write_authority(new_authority(now))
        authority = Authority(_key(self.ca_key), _certificates(self.ca))
        if _spki(authority.key.public_key()) != _spki(authority.certificate.public_key()):
            raise TrustFileError(f"{self.ca_key}: is not the key of the first certificate in {self.ca}")
        if self._given:
            return authority
        if authority.certificate.not_valid_after_utc - now < _RENEW_CA:
            return self.roll_over(authority, now)
        if len(authority.bundle) > 1 and not self._rolling(authority, now):
            authority = replace(authority, bundle=authority.bundle[:1])
            _write(self.ca, authority.bundle_pem, 0o644)
            self._old_key.unlink(missing_ok=True)
        return authority

    def roll_over(self, authority: Authority, now: datetime) -> Authority:
        """A new CA that signs from now on; the old one stays trusted for the overlap."""
        if self._given:
            raise TrustFileError(f"{self.ca}: this CA was given: put the new one first into it, and its key beside")
        _write(self._old_key, _key_pem(authority.key), 0o600)
        fresh = new_authority(now, authority.bundle)
        self._write_authority(fresh)
        return fresh

    def server_authority(self, authority: Authority, now: datetime) -> Authority:
        """Who signs the server's certificate: during a roll-over the CA that every agent knows already."""
        if self._rolling(authority, now) and self._old_key.exists():
            return Authority(_key(self._old_key), authority.bundle[1:])
        return authority

    def ensure_server(self, authority: Authority, names: Sequence[str], now: datetime) -> None:
        """Write server.pem and server.key where they are missing, of another CA or name, or two thirds over."""
        signer = self.server_authority(authority, now)
        if self._server_fits(signer, names, now):
            return
        key = ec.generate_private_key(ec.SECP256R1())
        issued = signer.server_certificate(key.public_key(), names, now)
        _write(self.server_key, _key_pem(key), 0o600)
        _write(self.server, issued.pem, 0o644)

    def _rolling(self, authority: Authority, now: datetime) -> bool:
        return len(authority.bundle) > 1 and now - issued_at(authority.certificate) < self._overlap

    def _server_fits(self, signer: Authority, names: Sequence[str], now: datetime) -> bool:
        if not (self.server.exists() and self.server_key.exists()):
            return False
        certificate, key = _certificates(self.server)[0], _key(self.server_key)
        return (
            Authority(signer.key, signer.bundle[:1]).signed(certificate)
            and _spki(key.public_key()) == _spki(certificate.public_key())
            and certificate.not_valid_after_utc - now > _life(certificate) * _RENEW_SERVER
            and set(names) <= _names_of(certificate)
        )

    def _write_authority(self, authority: Authority) -> None:
        try:
            self._directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as error:
            raise TrustFileError(f"{self._directory}: cannot be made: {error.strerror}: set state_dir") from None
        # The key first: a certificate without its key could never be mended, a key alone is made anew.
        _write(self.ca_key, _key_pem(authority.key), 0o600)
        _write(self.ca, authority.bundle_pem, 0o644)


def read_certificate(path: Path) -> x509.Certificate:
    """The first certificate of a PEM file. Raises `TrustFileError`."""
    return _certificates(path)[0]


def _certificates(path: Path) -> tuple[x509.Certificate, ...]:
    try:
        found = x509.load_pem_x509_certificates(_read(path))
    except ValueError:
        raise TrustFileError(f"{path}: holds no PEM certificate") from None
    return tuple(found)


def _key(path: Path) -> CertificateIssuerPrivateKeyTypes:
    try:
        found = serialization.load_pem_private_key(_read(path), None)
    except (ValueError, TypeError):
        raise TrustFileError(f"{path}: is no unencrypted PEM key") from None
    if path.stat().st_mode & 0o077:
        raise TrustFileError(f"{path}: others may read it: chmod 600 {path}")
    if not isinstance(found, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise TrustFileError(f"{path}: must be an elliptic curve or RSA key")
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TrustFileError(f"{path}: {error.strerror}: put it back, or restore it from a backup") from None


def _life(certificate: x509.Certificate) -> timedelta:
    return certificate.not_valid_after_utc - certificate.not_valid_before_utc


def _names_of(certificate: x509.Certificate) -> set[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))}


def _spki(key: object) -> bytes:
    assert isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _key_pem(key: CertificateIssuerPrivateKeyTypes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Whole or not at all, and no moment readable by others."""
    partial = path.with_name(path.name + ".new")
    try:
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(mode)
        partial.replace(path)
    except OSError as error:
        raise TrustFileError(f"{path}: cannot be written: {error.strerror}: make its directory writable") from None

"""A throw-away PKI for the lab and the tests: one CA, one server on loopback, host certificates with the URI SAN.

`python -m lab.pki DIR HOST_UUID…` writes the same by hand. Files are PEM; keys are 0600.
"""

import ipaddress
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

URI_PREFIX = "chainwatch:host:"


@dataclass(frozen=True)
class Identity:
    """A certificate and its key on disk."""

    certificate: Path
    key: Path


class Pki:
    """A CA in `directory`. Certificates are valid from an hour ago for `days`."""

    def __init__(self, directory: Path, name: str = "chainwatch test CA", days: int = 30) -> None:
        self.directory = directory
        self._days = days
        directory.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        certificate = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(sign_certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.ca = directory / "ca.pem"
        self.ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def server(self, *names: str) -> Identity:
        """The collector's: localhost, 127.0.0.1, ::1 and `names`."""
        alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in ("localhost", *names)]
        alternatives += [x509.IPAddress(ipaddress.ip_address(a)) for a in ("127.0.0.1", "::1")]
        return self._issue("server", "localhost", alternatives, ExtendedKeyUsageOID.SERVER_AUTH)

    def host(self, host_uuid: str, *uris: str, stem: str | None = None) -> Identity:
        """A dom0's. `uris` instead of the right URI, to make wrong ones."""
        alternatives = [x509.UniformResourceIdentifier(u) for u in (uris or (URI_PREFIX + host_uuid,))]
        return self._issue(stem or "host-" + host_uuid, host_uuid, alternatives, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(
        self,
        stem: str,
        common_name: str,
        names: list[x509.GeneralName] | list[x509.UniformResourceIdentifier],
        usage: x509.ObjectIdentifier,
    ) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._builder(_name(common_name), key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(_usage(sign_certificates=False), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        identity = Identity(self.directory / f"{stem}.pem", self.directory / f"{stem}.key")
        identity.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(identity.key, key)
        return identity

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=self._days))
        )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(pem)


def main(arguments: list[str]) -> None:
    """`DIR HOST_UUID…`: write the CA, the server's and each host's certificate."""
    pki = Pki(Path(arguments[0]))
    pki.server()
    for host_uuid in arguments[1:]:
        pki.host(host_uuid)


if __name__ == "__main__":
    main(sys.argv[1:])

"""The collector's small CA: certificates for the agents' hosts and for the collector's own two ports. No I/O.

The bundle holds the signing certificate first, then older ones that are still trusted, so that a new CA takes over
while agents that know only the older one still connect.
"""

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chainwatch_collector.receive.identity import URI_PREFIX

# dom0's clock may be behind: a certificate is valid from an hour before it was issued.
BACKDATED: Final = timedelta(hours=1)
CA_DAYS: Final = 3650
SERVER_DAYS: Final = 397
MAX_CSR_BYTES: Final = 16 * 1024
_MIN_RSA_BITS: Final = 2048
UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension)
"""What `cryptography` raises for a damaged certificate or request, while it is read or asked for a part."""

HostKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class RequestError(Exception):
    """A certificate request that cannot be granted; the message says what is wrong and what is right."""


@dataclass(frozen=True)
class Issued:
    """A certificate as PEM, with what the table of certificates keeps of it."""

    pem: bytes
    sha256: str
    issued_at: datetime
    not_after: datetime


@dataclass(frozen=True)
class Authority:
    """A CA with its key. `bundle`: every CA certificate that is trusted, the signing one first."""

    key: CertificateIssuerPrivateKeyTypes
    bundle: tuple[x509.Certificate, ...]

    @property
    def certificate(self) -> x509.Certificate:
        """The one whose key signs."""
        return self.bundle[0]

    @property
    def bundle_pem(self) -> bytes:
        """What agents and clients trust."""
        return b"".join(pem_of(one) for one in self.bundle)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the signing certificate: what an enrolment token carries."""
        return fingerprint(self.certificate)

    def host_certificate(
        self, request: x509.CertificateSigningRequest, host_uuid: str, now: datetime, days: int
    ) -> Issued:
        """The name is ours to give: of the request only its key is taken. Raises `RequestError`."""
        name = x509.UniformResourceIdentifier(URI_PREFIX + host_uuid)
        return self._issue(request_key(request), host_uuid, [name], ExtendedKeyUsageOID.CLIENT_AUTH, now, days)

    def server_certificate(self, key: ec.EllipticCurvePublicKey, names: Sequence[str], now: datetime) -> Issued:
        """For the collector's ports; `names` are DNS names and addresses as clients type them."""
        alternatives = [_general_name(name) for name in names]
        return self._issue(key, "chainwatch collector", alternatives, ExtendedKeyUsageOID.SERVER_AUTH, now, SERVER_DAYS)

    def _issue(
        self,
        key: HostKey,
        common_name: str,
        names: Sequence[x509.GeneralName],
        usage: x509.ObjectIdentifier,
        now: datetime,
        days: int,
    ) -> Issued:
        until = min(now + timedelta(days=days), self.certificate.not_valid_after_utc)
        certificate = (
            _builder(_name(common_name), self.certificate.subject, key, now, until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(authority_id(self.certificate), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return Issued(
            pem_of(certificate), fingerprint(certificate), issued_at(certificate), certificate.not_valid_after_utc
        )

    def signed(self, certificate: x509.Certificate) -> bool:
        """Whether one of the bundle's CAs made this certificate."""
        return any(_signed_by(certificate, ca) for ca in self.bundle)


def new_authority(now: datetime, older: Sequence[x509.Certificate] = ()) -> Authority:
    """A CA of its own; `older` ones stay trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    # Each CA has a name of its own: verifiers look issuers up by name, and two of one name are mistaken for each other.
    name = _name(f"chainwatch CA {now:%Y-%m-%d} {x509.random_serial_number() % 16**8:08x}")
    certificate = (
        _builder(name, name, key.public_key(), now, now + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(key, (certificate, *older))


def request_of(pem: bytes) -> x509.CertificateSigningRequest:
    """A certificate request whose signature proves its key. Raises `RequestError`."""
    if len(pem) > MAX_CSR_BYTES:
        raise RequestError(f"the certificate request is larger than {MAX_CSR_BYTES} bytes")
    try:
        request = x509.load_pem_x509_csr(pem)
        valid = request.is_signature_valid
    except UNREADABLE:
        raise RequestError("that is no certificate request in PEM: openssl req -new makes one") from None
    if not valid:
        raise RequestError("the certificate request is not signed by its own key")
    request_key(request)
    return request


def request_key(request: x509.CertificateSigningRequest) -> HostKey:
    """The key to certify. Raises `RequestError` where it is weak or of another kind."""
    try:
        key = request.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise RequestError("the key is of a kind that nobody here knows") from None
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _MIN_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
        return key
    raise RequestError("the key must be of P-256 or P-384, or RSA of 2048 bits or more")


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the DER form, 64 hex digits."""
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def pem_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def issued_at(certificate: x509.Certificate) -> datetime:
    """When a certificate of this CA was issued; of another CA's, an hour later than it may be used from."""
    return certificate.not_valid_before_utc + BACKDATED


def _signed_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def authority_id(ca: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """Names the CA's key in what it signs; a given CA may lack the extension it is usually made of."""
    try:
        found = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        key = ca.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found.value)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: HostKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(until)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )

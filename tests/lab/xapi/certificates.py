"""xapi's own certificates: one per host, self-signed, no extension but the subject's alternative names."""

import hashlib
import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class HostCertificate:
    """A host's certificate: PEM text, files, SHA-256 as xapi prints it (colons, upper case)."""

    pem: str
    certificate: Path
    key: Path
    fingerprint: str
    not_before: datetime
    not_after: datetime

    def context(self) -> ssl.SSLContext:
        """The server's side: TLS 1.2 only, as xapi's policy has it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE+AESGCM")
        context.load_cert_chain(self.certificate, self.key)
        return context


def issue(directory: Path, host_uuid: str, hostname: str, address: str) -> HostCertificate:
    """A fresh certificate for the host's name and address, in `directory`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname)])
    not_before = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    not_after = not_before + timedelta(days=3650)
    names = [x509.DNSName(hostname), x509.IPAddress(ipaddress.ip_address(address))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    files = HostCertificate(
        pem,
        directory / f"xapi-{host_uuid}.pem",
        directory / f"xapi-{host_uuid}.key",
        hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest().hex(":").upper(),
        not_before,
        not_after,
    )
    files.certificate.write_text(pem)
    private = serialization.PrivateFormat.PKCS8
    files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption()))
    files.key.chmod(0o600)
    return files

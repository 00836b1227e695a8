"""Certificate requests, right and wrong."""

import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

HOST = "6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a11"
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def csr(key: Key | None = None, common_name: str = HOST, uris: tuple[str, ...] = (), ca: bool = False) -> bytes:
    """A request in PEM, signed by its key."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    )
    if uris:
        names = [x509.UniformResourceIdentifier(uri) for uri in uris]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if ca:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(serialization.Encoding.PEM)


def damaged(pem: str, part: bytes, other: bytes) -> str:
    """The same PEM where the first `part` of its DER bytes is another."""
    name = pem.split("-----")[1].removeprefix("BEGIN ")
    certificate = pem.replace(name, "CERTIFICATE")
    changed = ssl.PEM_cert_to_DER_cert(certificate).replace(part, other, 1)
    return ssl.DER_cert_to_PEM_cert(changed).replace("CERTIFICATE", name)

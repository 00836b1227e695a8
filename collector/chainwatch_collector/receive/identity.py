"""Who is at the other end of a stream: the certificate says, never a message (proto/README.md 1.1)."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

URI_PREFIX = "chainwatch:host:"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SAN = "x509_subject_alternative_name"
_PEM = "x509_pem_cert"


class IdentityError(Exception):
    """No usable identity in the client certificate; the message says what was there and what should be."""


class Peer(NamedTuple):
    """A host as its certificate names it; `certificate_pem` for look-ups of revocation and expiry."""

    host_uuid: str
    certificate_pem: bytes

    @property
    def certificate_sha256(self) -> str:
        """Of the PEM text: names a certificate in the table of certificates."""
        return hashlib.sha256(self.certificate_pem).hexdigest()


def peer_of(auth_context: Mapping[str, Iterable[bytes]]) -> Peer:
    """The peer of gRPC's authentication context. Raises `IdentityError`."""
    names = [name.decode("ascii", "replace") for name in auth_context.get(_SAN, ())]
    uuids = [name[len(URI_PREFIX) :] for name in names if name.startswith(URI_PREFIX)]
    if len(uuids) != 1:
        found = f"{len(uuids)} of them" if uuids else "none"
        raise IdentityError(f"the client certificate must have one URI name {URI_PREFIX}<uuid>, it has {found}")
    if not _UUID.fullmatch(uuids[0]):
        raise IdentityError(f"{URI_PREFIX}{uuids[0][:64]!s} does not end in a uuid of 36 lower-case characters")
    return Peer(uuids[0], b"".join(auth_context.get(_PEM, ())))

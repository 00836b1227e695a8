"""What the routes of enrolment ask for; implemented by `trust.identities`. Certificates and requests are PEM."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class EnrolmentToken:
    """`token` is shown this once. It is used up by one enrolment of `host_uuid`."""

    host_uuid: str
    token: str
    expires_at: datetime
    ca_sha256: str


@dataclass(frozen=True, slots=True)
class CertificateBody:
    """`ca` holds every CA that the agent should trust; `ingest_port` is where its evidence goes, on the same host."""

    host_uuid: str
    certificate: str
    ca: str
    expires_at: datetime
    ingest_port: int


@dataclass(frozen=True, slots=True)
class Revoked:
    """`certificates`: how many were in force."""

    host_uuid: str
    certificates: int


class Enrolment(Protocol):
    """Every method raises `RefusedError` (401, 403) or `ApiError` where it refuses."""

    def ca_pem(self) -> str: ...

    def challenge(self) -> str: ...

    async def token(self, host_uuid: str, by: str, pool_uuid: str | None, seconds: int) -> EnrolmentToken: ...

    async def enroll(self, token: str, host_uuid: str, request: str, peer: str) -> CertificateBody: ...

    async def renew(
        self, certificate: str, challenge: str, request: str, signature: str, peer: str
    ) -> CertificateBody: ...

    async def revoke(self, host_uuid: str, by: str, pool_uuid: str | None) -> Revoked: ...

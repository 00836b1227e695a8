"""Identities of hosts: tokens, enrolment, renewal, revocation; and what the ingest service asks of every stream."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, TypeVar

from cryptography import x509
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from chainwatch_collector.keep.readers import QueryTimeoutError, Readers
from chainwatch_collector.keep.writer import Priority, Writer, WriterBusyError, WriterClosedError
from chainwatch_collector.receive.identity import URI_PREFIX, Peer
from chainwatch_collector.show.enrolment import CertificateBody, EnrolmentToken, Revoked
from chainwatch_collector.show.errors import ApiError
from chainwatch_collector.show.guard import RefusedError
from chainwatch_collector.trust import records
from chainwatch_collector.trust.authority import (
    UNREADABLE,
    Authority,
    Issued,
    RequestError,
    fingerprint,
    issued_at,
    request_of,
)
from chainwatch_collector.trust.challenge import Challenges, check_signature, signed_text
from chainwatch_collector.trust.standing import Book, Shown, Standing, standing
from chainwatch_collector.trust.tokens import new_token, secret_of, token_sha256

LOG = logging.getLogger(__name__)
T = TypeVar("T")
BOOK_SECONDS: Final = 10.0
_HINT: Final = "chainwatch agent enroll makes a new token"


def utc_now() -> datetime:
    return datetime.now(UTC)


class Identities:
    """`anchor` gives the SHA-256 of the certificate by which agents know the web port; asked for each token."""

    def __init__(
        self,
        authority: Authority,
        writer: Writer,
        readers: Readers,
        anchor: Callable[[], str],
        host_days: int,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._authority = authority
        self._challenges = Challenges(authority)
        self._writer = writer
        self._readers = readers
        self._anchor = anchor
        self._days = host_days
        self._clock = clock
        self._book: Book | None = None
        self._read_at = 0.0
        self.ingest_port = 0

    def trust(self, authority: Authority) -> None:
        """This CA signs from now on. Challenges that another one gave out are void: whoever holds one asks again."""
        if authority != self._authority:
            self._authority, self._challenges = authority, Challenges(authority)

    # --- what the ingest service asks ---------------------------------------------------------------------------

    async def refusal(self, peer: Peer) -> str | None:
        """Why this certificate may not be used, None where it may. Its first use retires its host's older ones.

        While the database is away what it said last holds; no stream opens without it anyhow.
        """
        try:
            shown = self._shown(peer.host_uuid, x509.load_pem_x509_certificate(peer.certificate_pem))
        except ValueError:
            return "the certificate cannot be read"
        try:
            found = await self._standing(shown)
            if found.verdict == "first_use":
                await self._write(partial(records.first_used, shown=shown, now=self._clock()))
                LOG.info("host %s uses a new certificate, until %s", shown.host_uuid, shown.not_after.date())
        except (SQLAlchemyError, QueryTimeoutError, ApiError) as error:
            LOG.warning("certificates cannot be looked up: %s", str(error).split("\n", 1)[0])
            return None
        return found.reason if found.verdict == "refused" else None

    def _shown(self, host_uuid: str, certificate: x509.Certificate) -> Shown:
        ours = self._authority.signed(certificate)
        sha256 = fingerprint(certificate)
        return Shown(host_uuid, sha256, issued_at(certificate), certificate.not_valid_after_utc, ours)

    async def _standing(self, shown: Shown) -> Standing:
        if self._book is None or time.monotonic() - self._read_at > BOOK_SECONDS:
            read_at = time.monotonic()
            self._book = await self._readers.read(partial(records.read_book, now=self._clock()))
            self._read_at = read_at
        return standing(self._book, shown, self._clock())

    # --- what the routes ask ------------------------------------------------------------------------------------

    def ca_pem(self) -> str:
        """Every CA that agents and clients trust."""
        return self._authority.bundle_pem.decode()

    def challenge(self) -> str:
        """To be signed for a renewal."""
        return self._challenges.new(self._clock().timestamp())

    async def token(self, host_uuid: str, by: str, pool_uuid: str | None, seconds: int) -> EnrolmentToken:
        """For one enrolment of this host."""
        now = self._clock()
        made = new_token(self._anchor())
        expires = now + timedelta(seconds=seconds)
        await self._write(
            partial(records.add_token, token=records.TokenIn(host_uuid, made.sha256, by, pool_uuid, now, expires))
        )
        return EnrolmentToken(host_uuid, made.text, expires, self._authority.fingerprint)

    async def enroll(self, token: str, host_uuid: str, request: str, peer: str) -> CertificateBody:
        """Raises `RefusedError` (401) for a token that cannot be used, `ApiError` (422) for a wrong request."""
        secret = secret_of(token)
        if secret is None:
            raise RefusedError(401, "that is no enrolment token", _HINT)
        issue = self._issuing(request)
        asked = records.Redemption(token_sha256(secret), host_uuid, peer, self._clock())
        enrolled = await self._write(partial(records.redeem, asked=asked, issue=issue))
        if isinstance(enrolled, str):
            LOG.warning("enrolment of host %s from %s refused: %s", host_uuid, peer, enrolled)
            raise RefusedError(401, enrolled, _HINT)
        LOG.info("host %s enrolled from %s, until %s", host_uuid, peer, enrolled.issued.not_after.date())
        return self._body(host_uuid, enrolled.issued.pem, enrolled.issued.not_after)

    async def renew(self, certificate: str, challenge: str, request: str, signature: str, peer: str) -> CertificateBody:
        """Raises `RefusedError` (401) where the certificate may not be used or its key did not sign."""
        now = self._clock()
        try:
            self._challenges.check(challenge, now.timestamp())
            shown = x509.load_pem_x509_certificate(certificate.encode())
            check_signature(shown, signature, signed_text(challenge, request))
            host_uuid = _host_of(shown)
        except (RequestError, *UNREADABLE) as error:
            reason = str(error) if isinstance(error, RequestError) else "that is no certificate in PEM"
            raise RefusedError(401, reason, _HINT) from None
        known = self._shown(host_uuid, shown)
        found = await self._standing(known)
        if not known.ours or found.verdict == "refused":
            reason = found.reason or "this certificate is not of the collector's CA"
            raise RefusedError(401, reason, _HINT)
        issued = self._issuing(request)(host_uuid)
        await self._write(partial(records.keep_renewed, host_uuid=host_uuid, issued=issued, peer=peer, now=now))
        return self._body(host_uuid, issued.pem, issued.not_after)

    async def revoke(self, host_uuid: str, by: str, pool_uuid: str | None) -> Revoked:
        """From the next look, a minute away at most, nothing of this host is taken."""
        work = partial(records.revoke_host, host_uuid=host_uuid, by=by, pool_uuid=pool_uuid, now=self._clock())
        count = await self._write(work)
        LOG.warning("host %s revoked by %s: %d certificates", host_uuid, by, count)
        return Revoked(host_uuid, count)

    def _issuing(self, request: str) -> Callable[[str], Issued]:
        try:
            parsed = request_of(request.encode())
        except RequestError as error:
            raise ApiError(422, "invalid", f"request: {error}", "openssl req -new makes one", "request") from None
        now = self._clock()
        return lambda host_uuid: self._authority.host_certificate(parsed, host_uuid, now, self._days)

    def _body(self, host_uuid: str, pem: bytes, until: datetime) -> CertificateBody:
        return CertificateBody(host_uuid, pem.decode(), self.ca_pem(), until, self.ingest_port)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        try:
            done = await asyncio.wrap_future(self._writer.submit(work, priority=Priority.HOUSEKEEPING))
        except (WriterBusyError, WriterClosedError) as error:
            raise ApiError(503, "not_available", str(error), "try again in a moment") from None
        # What was read before is not the truth any more.
        self._book = None
        return done


def _host_of(certificate: x509.Certificate) -> str:
    """The uuid in the certificate's one URI name. Raises `RequestError`."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise RequestError("the certificate names no host") from None
    uris = [uri for uri in names.get_values_for_type(x509.UniformResourceIdentifier) if uri.startswith(URI_PREFIX)]
    if len(uris) != 1:
        raise RequestError("the certificate must name one host")
    return uris[0].removeprefix(URI_PREFIX)

"""Enrolment, first use, renewal, revocation, on both databases."""

import asyncio
import base64
from collections.abc import Awaitable

import pytest
from chainwatch_collector.keep.people import audit_since
from chainwatch_collector.receive.identity import Peer
from chainwatch_collector.show.enrolment import CertificateBody
from chainwatch_collector.show.errors import ApiError
from chainwatch_collector.show.guard import RefusedError
from chainwatch_collector.trust.authority import Authority, new_authority, request_of
from chainwatch_collector.trust.challenge import CHALLENGE_SECONDS, signed_text
from chainwatch_collector.trust.identities import Identities
from collector.trust.conftest import Clock, Store
from collector.trust.requests import HOST, csr, damaged
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

OTHER = "b2c5c1d2-1f0e-4a53-8f6e-0c1d2e3f4a5b"
FROM = "192.0.2.7"


@pytest.fixture
def authority(clock: Clock) -> Authority:
    return new_authority(clock())


@pytest.fixture
def identities(store: Store, clock: Clock, authority: Authority) -> Identities:
    return Identities(authority, store.writer, store.readers, lambda: authority.fingerprint, 90, clock)


async def enrolled(identities: Identities, key: ec.EllipticCurvePrivateKey | None = None) -> CertificateBody:
    token = await identities.token(HOST, "ana", None, 3600)
    return await identities.enroll(token.token, HOST, csr(key).decode(), FROM)


def peer(body: CertificateBody) -> Peer:
    return Peer(HOST, body.certificate.encode())


async def refused(work: Awaitable[object]) -> str:
    with pytest.raises(RefusedError) as raised:
        await work
    assert raised.value.status == 401
    return raised.value.message


async def test_a_token_is_used_once_by_its_host_in_its_time(identities: Identities, clock: Clock) -> None:
    token = await identities.token(HOST, "ana", None, 3600)
    request = csr().decode()
    assert "is for host" in await refused(identities.enroll(token.token, OTHER, request, FROM))
    made = await identities.enroll(token.token, HOST, request, FROM)
    assert made.expires_at > clock()
    assert "was used on 2026-11-25 12:00 UTC" in await refused(identities.enroll(token.token, HOST, request, FROM))
    late = await identities.token(HOST, "ana", None, 3600)
    clock.pass_(seconds=3601)
    assert "has expired" in await refused(identities.enroll(late.token, HOST, request, FROM))
    assert "is no enrolment token" in await refused(identities.enroll("cw1.x.y", HOST, request, FROM))


async def test_a_newer_token_voids_the_older(identities: Identities) -> None:
    older = await identities.token(HOST, "ana", None, 3600)
    newer = await identities.token(HOST, "ana", None, 3600)
    assert "a newer one was made" in await refused(identities.enroll(older.token, HOST, csr().decode(), FROM))
    await identities.enroll(newer.token, HOST, csr().decode(), FROM)


async def test_of_two_that_race_with_one_token_one_wins(identities: Identities) -> None:
    token = await identities.token(HOST, "ana", None, 3600)
    tries = (identities.enroll(token.token, HOST, csr().decode(), FROM) for _ in range(8))
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert len([one for one in done if isinstance(one, CertificateBody)]) == 1
    assert len([one for one in done if isinstance(one, RefusedError)]) == 7


async def test_a_wrong_request_costs_no_token(identities: Identities) -> None:
    token = await identities.token(HOST, "ana", None, 3600)
    with pytest.raises(ApiError, match="is no certificate request"):
        await identities.enroll(token.token, HOST, "hello", FROM)
    await identities.enroll(token.token, HOST, csr().decode(), FROM)


async def test_enrolling_anew_retires_at_once(identities: Identities) -> None:
    first = await enrolled(identities)
    assert await identities.refusal(peer(first)) is None
    second = await enrolled(identities)
    assert "is retired" in str(await identities.refusal(peer(first)))
    assert await identities.refusal(peer(second)) is None


async def renewal(
    identities: Identities, body: CertificateBody, key: ec.EllipticCurvePrivateKey, **other: str
) -> CertificateBody:
    asked = {"certificate": body.certificate, "challenge": identities.challenge(), "request": csr(key).decode()}
    signature = key.sign(signed_text(asked["challenge"], asked["request"]), ec.ECDSA(hashes.SHA256()))
    asked |= {"signature": base64.b64encode(signature).decode(), **other}
    return await identities.renew(**asked, peer=FROM)


async def test_a_renewed_one_retires_the_older_when_it_is_used(identities: Identities, clock: Clock) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    first = await enrolled(identities, key)
    assert await identities.refusal(peer(first)) is None
    clock.pass_(days=60)
    lost = await renewal(identities, first, key)
    second = await renewal(identities, first, key)
    # The answer may be lost: until the new one is used the old one works.
    assert await identities.refusal(peer(first)) is None
    assert await identities.refusal(peer(second)) is None
    for gone in (first, lost):
        assert "is retired" in str(await identities.refusal(peer(gone)))
    assert "is retired" in await refused(renewal(identities, first, key))
    clock.pass_(days=91)
    assert "ended on" in str(await identities.refusal(peer(second)))
    assert "ended on" in await refused(renewal(identities, second, key))


DAMAGES = (
    (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x09"),  # a version that there is not
    (b"\x06\x03\x55\x1d\x25", b"\x06\x03\x55\x1d\x11"),  # the name for another extension too
)


async def test_renewal_is_for_who_has_the_key(identities: Identities, clock: Clock) -> None:
    key, thief = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    body = await enrolled(identities, key)
    assert "is not of the certificate's key" in await refused(renewal(identities, body, thief))
    assert "is not of the certificate's key" in await refused(
        renewal(identities, body, key, request=csr(thief).decode())
    )
    assert "is not of the certificate's key" in await refused(renewal(identities, body, key, signature="AAAA"))
    assert "is not of the certificate's key" in await refused(renewal(identities, body, key, signature="§"))
    assert "not the collector's" in await refused(renewal(identities, body, key, challenge="9999999999.a.b"))
    assert "no certificate in PEM" in await refused(renewal(identities, body, key, certificate="x"))
    for part, other in DAMAGES:
        changed = damaged(body.certificate, part, other)
        assert changed != body.certificate
        assert "no certificate in PEM" in await refused(renewal(identities, body, key, certificate=changed))
    old = identities.challenge()
    clock.pass_(seconds=CHALLENGE_SECONDS + 1)
    assert "too old" in await refused(renewal(identities, body, key, challenge=old))


async def test_a_certificate_of_another_ca_is_not_renewed(identities: Identities, store: Store, clock: Clock) -> None:
    stranger = new_authority(clock())
    theirs = Identities(stranger, store.writer, store.readers, lambda: stranger.fingerprint, 90, clock)
    key = ec.generate_private_key(ec.SECP256R1())
    body = await enrolled(theirs, key)
    assert "is not of the collector's CA" in await refused(renewal(identities, body, key))


async def test_revocation_and_coming_back(identities: Identities, clock: Clock) -> None:
    first = await enrolled(identities)
    token = await identities.token(HOST, "ana", None, 3600)
    assert (await identities.revoke(HOST, "bo", None)).certificates == 1
    assert "was revoked on 2026-11-25 12:00 UTC by bo" in str(await identities.refusal(peer(first)))
    assert "is not known" in await refused(identities.enroll(token.token, HOST, csr().decode(), FROM))
    clock.pass_(minutes=1)
    again = await enrolled(identities)
    assert await identities.refusal(peer(again)) is None
    assert await identities.refusal(peer(first)) is not None
    # Twice is no error, and a host that nobody knows can be revoked before it comes.
    assert (await identities.revoke(HOST, "bo", None)).certificates == 1
    assert (await identities.revoke(OTHER, "bo", None)).certificates == 0


async def test_a_database_restored_from_an_older_copy_knows_its_own(
    identities: Identities, authority: Authority, clock: Clock
) -> None:
    issued = authority.host_certificate(request_of(csr()), HOST, clock(), 90)
    assert await identities.refusal(Peer(HOST, issued.pem)) is None
    assert await identities.refusal(Peer(HOST, issued.pem)) is None
    clock.pass_(hours=2)
    assert (await identities.revoke(HOST, "bo", None)).certificates == 1
    assert "was revoked" in str(await identities.refusal(Peer(HOST, issued.pem)))


async def test_what_is_no_certificate_is_refused(identities: Identities) -> None:
    assert await identities.refusal(Peer(HOST, b"")) == "the certificate cannot be read"


async def test_while_the_database_is_away_nobody_is_thrown_out(identities: Identities, store: Store) -> None:
    body = await enrolled(identities)
    store.writer.close()
    assert await identities.refusal(peer(body)) is None


async def test_every_step_is_in_the_audit_log_and_no_secret_is(
    identities: Identities, store: Store, clock: Clock
) -> None:
    token = await identities.token(HOST, "ana", None, 3600)
    await refused(identities.enroll(token.token, OTHER, csr().decode(), FROM))
    await identities.enroll(token.token, HOST, csr().decode(), FROM)
    await identities.revoke(HOST, "bo", None)
    rows = await store.readers.read(lambda c: audit_since(c, clock.now.replace(year=2020), 50))
    assert [(row.who, row.what, row.outcome) for row in reversed(rows)] == [
        ("ana", "enroll", "done"),
        (f"host {OTHER}", "enroll", "refused"),
        (f"host {HOST}", "enroll", "done"),
        ("bo", "revoke", "done"),
    ]
    assert token.token.split(".")[1] not in str(rows)

"""The CA: what it certifies, what it refuses."""

from datetime import UTC, datetime, timedelta

import pytest
from chainwatch_collector.receive.identity import peer_of
from chainwatch_collector.trust.authority import (
    MAX_CSR_BYTES,
    Authority,
    RequestError,
    fingerprint,
    new_authority,
    pem_of,
    request_of,
)
from collector.trust.requests import HOST, csr, damaged
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
GOOD = csr()


def issue(authority: Authority, request: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority.host_certificate(request_of(request), HOST, NOW, 90).pem)


def test_a_host_certificate_names_the_host_whatever_the_request_says() -> None:
    authority = new_authority(NOW)
    request = csr(common_name="root", uris=("chainwatch:host:00000000-0000-0000-0000-000000000000",), ca=True)
    made = issue(authority, request)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in names] == [f"chainwatch:host:{HOST}"]
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert list(made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    assert authority.signed(made)
    assert not new_authority(NOW).signed(made)
    context = {"x509_subject_alternative_name": [name.value.encode() for name in names], "x509_pem_cert": [b"x"]}
    assert peer_of(context).host_uuid == HOST


def test_it_is_good_from_an_hour_before_and_never_longer_than_its_ca() -> None:
    authority = new_authority(NOW)
    made = issue(authority, csr())
    assert made.not_valid_before_utc == NOW - timedelta(hours=1)
    assert made.not_valid_after_utc == NOW + timedelta(days=90)
    late = authority.certificate.not_valid_after_utc - timedelta(days=1)
    issued = authority.host_certificate(request_of(csr()), HOST, late, 90)
    assert issued.not_after == authority.certificate.not_valid_after_utc


def test_what_is_kept_is_what_the_certificate_says() -> None:
    issued = new_authority(NOW).host_certificate(request_of(csr()), HOST, NOW, 90)
    made = x509.load_pem_x509_certificate(issued.pem)
    assert (issued.sha256, issued.issued_at, issued.not_after) == (fingerprint(made), NOW, made.not_valid_after_utc)


@pytest.mark.parametrize(
    ("request_pem", "message"),
    [
        (b"", "is no certificate request"),
        (
            b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
            "is no certificate request",
        ),
        (b"x" * (MAX_CSR_BYTES + 1), "larger than"),
        (csr(key=rsa.generate_private_key(65537, 1024)), "RSA of 2048 bits or more"),
        (csr(key=ec.generate_private_key(ec.SECP256K1())), "P-256 or P-384"),
        (csr(key=ed25519.Ed25519PrivateKey.generate()), "P-256 or P-384"),
    ],
)
def test_a_wrong_request_is_refused_with_what_is_right(request_pem: bytes, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        request_of(request_pem)


def test_a_request_of_an_unknown_version_is_refused_like_any_other_that_cannot_be_read() -> None:
    with pytest.raises(RequestError, match="no certificate request"):
        request_of(damaged(GOOD.decode(), b"\x02\x01\x00", b"\x02\x01\x40").encode())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_damaged_request_never_gets_through(at: int, flipped: int) -> None:
    changed = GOOD[:at] + bytes([GOOD[at] ^ flipped]) + GOOD[at + 1 :]
    try:
        request = request_of(changed)
    except RequestError:
        return
    # Only what is outside of the signed bytes may differ: text around the PEM.
    assert request.is_signature_valid


def test_server_certificates_have_names_and_addresses() -> None:
    authority = new_authority(NOW)
    key = ec.generate_private_key(ec.SECP256R1())
    issued = authority.server_certificate(key.public_key(), ["collector.example", "127.0.0.1", "::1"], NOW)
    found = x509.load_pem_x509_certificate(issued.pem).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert found.value.get_values_for_type(x509.DNSName) == ["collector.example"]
    assert [str(one) for one in found.value.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_a_bundle_trusts_both_and_signs_with_the_first() -> None:
    old = new_authority(NOW - timedelta(days=3000))
    new = new_authority(NOW, old.bundle)
    assert new.bundle_pem == pem_of(new.certificate) + pem_of(old.certificate)
    assert new.certificate.subject != old.certificate.subject
    by_old = issue(old, csr())
    assert new.signed(by_old)
    assert not old.signed(issue(new, csr()))

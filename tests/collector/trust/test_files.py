"""The CA on disk: made once, kept, rolled over, and what is wrong with it said."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from chainwatch_collector.trust.authority import Authority, fingerprint, new_authority
from chainwatch_collector.trust.files import TrustFileError, TrustFiles, read_certificate
from cryptography import x509

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
OVERLAP = timedelta(days=90)
NAMES = ["localhost", "127.0.0.1"]


@pytest.fixture
def files(tmp_path: Path) -> TrustFiles:
    return TrustFiles(tmp_path / "tls", OVERLAP)


def shows(files: TrustFiles, authority: Authority) -> bool:
    """Whether server.pem is of the CA that signs in this authority."""
    return Authority(authority.key, authority.bundle[:1]).signed(read_certificate(files.server))


def test_made_once_and_kept(files: TrustFiles) -> None:
    first = files.open(NOW)
    files.ensure_server(first, NAMES, NOW)
    before = files.server.read_bytes()
    again = files.open(NOW + timedelta(days=200))
    files.ensure_server(again, NAMES, NOW + timedelta(days=200))
    assert again.fingerprint == first.fingerprint
    assert files.server.read_bytes() == before
    assert [stat.S_IMODE(path.stat().st_mode) for path in (files.ca_key, files.server_key)] == [0o600, 0o600]


def test_the_server_s_certificate_follows_names_and_time(files: TrustFiles) -> None:
    authority = files.open(NOW)
    files.ensure_server(authority, NAMES, NOW)
    first = fingerprint(read_certificate(files.server))
    files.ensure_server(authority, [*NAMES, "collector.example"], NOW)
    second = fingerprint(read_certificate(files.server))
    files.ensure_server(authority, NAMES, NOW)
    assert fingerprint(read_certificate(files.server)) == second != first
    files.ensure_server(authority, NAMES, NOW + timedelta(days=350))
    assert fingerprint(read_certificate(files.server)) != second


def test_a_roll_over_from_its_beginning_to_its_end(files: TrustFiles) -> None:
    old = files.open(NOW)
    new = files.roll_over(old, NOW)
    files.ensure_server(new, NAMES, NOW)
    assert shows(files, old)
    during = files.open(NOW + timedelta(days=89))
    files.ensure_server(during, NAMES, NOW + timedelta(days=89))
    assert (len(during.bundle), during.fingerprint) == (2, new.fingerprint)
    assert shows(files, old)
    later = NOW + timedelta(days=91)
    after = files.open(later)
    files.ensure_server(after, NAMES, later)
    assert (len(after.bundle), after.fingerprint) == (1, new.fingerprint)
    assert shows(files, new)
    assert sorted(path.name for path in files.ca.parent.iterdir()) == ["ca.key", "ca.pem", "server.key", "server.pem"]


def test_a_ca_that_ends_within_a_year_rolls_over_by_itself(files: TrustFiles) -> None:
    old = files.open(NOW)
    late = NOW + timedelta(days=3300)
    new = files.open(late)
    assert [fingerprint(one) for one in new.bundle] == [new.fingerprint, old.fingerprint]
    assert new.fingerprint != old.fingerprint


def test_a_given_ca_is_used_and_left_alone(files: TrustFiles, tmp_path: Path) -> None:
    files.open(NOW)
    given = TrustFiles(tmp_path / "other", OVERLAP, files.ca, files.ca_key)
    late = NOW + timedelta(days=3300)
    assert given.open(late).certificate == x509.load_pem_x509_certificate(files.ca.read_bytes())
    with pytest.raises(TrustFileError, match="this CA was given"):
        given.roll_over(given.open(late), late)


def test_what_is_wrong_is_named_with_its_fix(files: TrustFiles) -> None:
    files.open(NOW)
    files.ca_key.chmod(0o640)
    with pytest.raises(TrustFileError, match=r"ca\.key: others may read it: chmod 600"):
        files.open(NOW)
    files.ca_key.chmod(0o600)
    pem = files.ca.read_bytes()
    files.ca.write_bytes(new_authority(NOW).bundle_pem)
    with pytest.raises(TrustFileError, match=r"ca\.key: is not the key of the first certificate in .*ca\.pem"):
        files.open(NOW)
    files.ca.write_bytes(pem)
    files.ca_key.write_text("hello")
    with pytest.raises(TrustFileError, match=r"ca\.key: is no unencrypted PEM key"):
        files.open(NOW)
    files.ca_key.unlink()
    with pytest.raises(TrustFileError, match=r"ca\.key: No such file or directory: put it back"):
        files.open(NOW)

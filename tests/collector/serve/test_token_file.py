"""The first administrator, and who may look without a token."""

import asyncio
import hashlib
from pathlib import Path

import pytest
from chainwatch_collector.serve import token_file as module
from chainwatch_collector.serve.token_file import ADMIN_TOKEN, TOKENS, TokenFile, token_file
from chainwatch_collector.show.guard import Credentials, Principal, RefusedError, Role
from chainwatch_collector.show.tokens import TokenFileError

LOCAL = Credentials(None, {}, "127.0.0.1")


def asked(guard: TokenFile, credentials: Credentials) -> Principal:
    return asyncio.run(guard.identify(credentials))


def bearer(token: str) -> Credentials:
    return Credentials(token, {}, "192.0.2.7")


def test_the_first_start_makes_one_administrator(tmp_path: Path) -> None:
    guard = token_file(tmp_path, "127.0.0.1:8443", True, "")
    token = (tmp_path / ADMIN_TOKEN).read_text().strip()
    assert asked(guard, bearer(token)) == Principal("admin", Role.ADMIN)
    assert token not in (tmp_path / TOKENS).read_text()
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in (ADMIN_TOKEN, TOKENS)} == {0o600}
    (tmp_path / ADMIN_TOKEN).unlink()
    again = token_file(tmp_path, "127.0.0.1:8443", True, "")
    assert asked(again, bearer(token)).role is Role.ADMIN
    assert not (tmp_path / ADMIN_TOKEN).exists()


@pytest.mark.parametrize(
    ("listen", "tls", "external_url", "is_open"),
    [
        ("127.0.0.1:8443", True, "", True),
        ("[::1]:8443", True, "", True),
        ("localhost:8443", True, "", True),
        ("0.0.0.0:8443", True, "", False),
        ("127.0.0.1:8443", False, "", False),
        ("127.0.0.1:8443", True, "https://chainwatch.example", False),
    ],
)
def test_loopback_is_open_only_where_nothing_stands_in_front(
    tmp_path: Path, listen: str, tls: bool, external_url: str, is_open: bool
) -> None:
    guard = token_file(tmp_path, listen, tls, external_url)
    if is_open:
        assert asked(guard, LOCAL) == Principal("local", Role.VIEWER)
    else:
        with pytest.raises(RefusedError):
            asked(guard, LOCAL)


def test_a_changed_file_counts_and_a_broken_one_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_SECONDS", -1.0)
    guard = token_file(tmp_path, "127.0.0.1:8443", True, "")
    admin = (tmp_path / ADMIN_TOKEN).read_text().strip()
    path = tmp_path / TOKENS
    digest = hashlib.sha256(b"of-ana").hexdigest()
    path.write_text(path.read_text() + f'[tokens.ana]\nsha256 = "{digest}"\nrole = "viewer"\n')
    assert asked(guard, bearer("of-ana")) == Principal("ana", Role.VIEWER)
    path.write_text("[tokens.ana]\nrole = 1\n")
    assert asked(guard, bearer(admin)).role is Role.ADMIN
    path.write_text("")
    with pytest.raises(RefusedError):
        asked(guard, bearer(admin))


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    token_file(tmp_path, "127.0.0.1:8443", True, "")
    (tmp_path / TOKENS).chmod(0o644)
    with pytest.raises(TokenFileError, match="chmod 600"):
        token_file(tmp_path, "127.0.0.1:8443", True, "")

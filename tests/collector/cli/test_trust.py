"""user, token, audit, login --user, agent enroll and revoke against the real accounts and the real CA."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chainwatch_collector.cli.main import main
from collector.show.estate import PROD
from collector.show.secured import secured
from collector.show.serving import served

Out = pytest.CaptureFixture[str]
WORD = "correct horse battery"
HOST = "6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a11"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with secured(tmp_path_factory.mktemp("secured")) as made, served(made.app) as address:
        yield address


@pytest.fixture(autouse=True)
def environment(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHAINWATCH_URL", url)
    monkeypatch.setenv("CHAINWATCH_TOKEN", "admin")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")


def said(capsys: Out, *line: str, code: int = 0) -> str:
    assert main(list(line)) == code
    out, err = capsys.readouterr()
    assert (err == "") == (code == 0), err
    return out + err


def test_an_account_its_login_and_its_tokens(
    capsys: Out, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str
) -> None:
    monkeypatch.setattr("click.prompt", lambda *_a, **_k: WORD)
    line = ["user", "add", "ana", "--role", "operator", "--pool", "prod", "--for", "30d", "--password"]
    assert said(capsys, *line) == "ana: operator of 1 pools\n"
    assert f"1: {PROD[:8]}" in said(capsys, "user")
    monkeypatch.delenv("CHAINWATCH_TOKEN")
    assert "wrote" in said(capsys, "login", url, "--user", "ana")
    stored = (tmp_path / "chainwatch" / "cli.toml").read_text()
    assert 'token = "cwt_' in stored
    assert WORD not in stored
    made = said(capsys, "token", "add", "--label", "laptop", "--role", "viewer", "--for", "7d", "-o", "tsv")
    token = made.split()[-1]
    assert token.startswith("cwt_")
    listed = said(capsys, "token")
    assert "laptop" in listed
    assert token not in listed
    assert "admin" in said(capsys, "user", code=3)
    monkeypatch.setenv("CHAINWATCH_TOKEN", token)
    assert "needs operator" in said(capsys, "mute", "SR_FULL", "--for", "1h", "--reason", "x", code=3)
    monkeypatch.delenv("CHAINWATCH_TOKEN")
    number = next(row.split()[0] for row in listed.splitlines() if "laptop" in row)
    assert said(capsys, "token", "revoke", number) == f"token {number} is revoked\n"
    monkeypatch.setenv("CHAINWATCH_TOKEN", token)
    assert "was revoked" in said(capsys, "status", code=3)
    monkeypatch.setenv("CHAINWATCH_TOKEN", "admin")
    assert said(capsys, "user", "set", "ana", "--disable") == "ana: operator of 1 pools, disabled\n"
    audited = said(capsys, "audit", "--what", "account", "-o", "tsv")
    assert "changed: disabled" in audited
    assert WORD not in said(capsys, "audit", "-o", "json")


def test_a_host_is_enrolled_by_a_token_and_revoked(capsys: Out) -> None:
    out = said(capsys, "agent", "enroll", "--host", HOST)
    assert out.startswith("cw1.")
    assert f"for host {HOST}, once, until " in out
    piped = said(capsys, "agent", "enroll", "--host", HOST, "--for", "2h", "-o", "tsv").split()
    assert piped[-1].startswith("cw1.")
    assert "nothing goes by" not in said(capsys, "agent", "revoke", HOST, "--yes")
    assert "no host goes by 'nowhere'" in said(capsys, "agent", "enroll", "--host", "nowhere", code=3)
    assert said(capsys, "audit", "--subject", HOST, "-o", "tsv").count("\n") == 4


def test_usage(capsys: Out) -> None:
    assert "nothing to change" in said(capsys, "user", "set", "ana", code=64)
    assert "--raw, --host and --around go together" in said(capsys, "events", "--raw", code=64)
    assert "is no length" in said(capsys, "token", "add", "--for", "1y", code=64)

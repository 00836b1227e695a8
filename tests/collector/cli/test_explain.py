"""`chainwatch explain` without a collector, and with one that does not answer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from chainwatch_collector.cli.main import main

Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CHAINWATCH_URL", raising=False)
    monkeypatch.delenv("CHAINWATCH_TOKEN", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")


def test_no_command_is_broken_at_a_hyphen(capsys: pytest.CaptureFixture[str]) -> None:
    main(["explain", "GC_NOT_RUNNING"])
    out = capsys.readouterr().out
    assert "other-config:auto-scan=true" in out
    assert "xe-toolstack-restart" in out
    assert not any(line.endswith("-") for line in out.splitlines())


def test_a_pasted_message_is_explained_without_a_collector(capsys: Out) -> None:
    assert main(["explain", "SR_BACKEND_FAILURE_44(, There is insufficient space, )"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("SNAPSHOT_NO_SPACE")
    assert "no collector is configured: chainwatch login URL" in " ".join(out.split())
    assert err == ""
    assert max(map(len, out.splitlines())) <= 80


def test_a_message_that_is_no_code_has_no_presence(capsys: Out) -> None:
    assert main(["explain", "Lock", "file", "is", "already", "being", "held"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("XO_LOCK_HELD")
    assert "have it now" not in out


def test_the_catalogue_is_listed_without_a_collector(capsys: Out) -> None:
    assert main(["explain", "codes"]) == 0
    out = capsys.readouterr().out
    assert "GC_NOT_RUNNING" in out
    assert max(map(len, out.splitlines())) <= 80


def test_json_says_that_nobody_was_asked(capsys: Out) -> None:
    assert main(["explain", "COALESCE_NO_SPACE", "-o", "json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert [entry["code"] for entry in body["entries"]] == ["COALESCE_NO_SPACE"]
    assert body["findings"] is None
    assert main(["explain", "COALESCE_NO_SPACE", "-o", "yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == body


def test_a_collector_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    monkeypatch.setenv("CHAINWATCH_URL", "http://127.0.0.1:9")
    assert main(["explain", "COALESCE_NO_SPACE"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "is not known: cannot reach the collector at http://127.0.0.1:9" in out


def test_a_broken_configuration_is_an_error_all_the_same(tmp_path: Path, capsys: Out) -> None:
    path = tmp_path / "chainwatch" / "cli.toml"
    path.parent.mkdir()
    path.write_text("url = ")
    assert main(["explain", "COALESCE_NO_SPACE"]) == 64
    assert str(path) in capsys.readouterr().err


def test_what_fits_nothing_ends_with_3(capsys: Out) -> None:
    assert main(["explain", "the quick brown fox"]) == 3
    assert "nothing in the catalogue fits" in capsys.readouterr().err
    assert main(["explain", "the quick brown fox", "-o", "json"]) == 3
    assert json.loads(capsys.readouterr().out)["entries"] == []


def test_it_needs_neither_store_nor_server() -> None:
    probe = (
        "import sys; from chainwatch_collector.cli.main import main; main(['explain', 'GC_STUCK', '-o', 'json']);"
        "heavy = {'sqlalchemy','fastapi','uvicorn','grpc','alembic','XenAPI','pydantic'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, env=dict(os.environ), timeout=60)

"""Every verb against a real server: what a person reads, what a script gets, and how it ends."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from chainwatch_collector.cli.main import VERBS, main
from chainwatch_collector.show.app import build_app
from chainwatch_collector.show.settings import ShowSettings
from chainwatch_collector.show.views import Check
from collector.show.estate import estate, healthy
from collector.show.memory import MemoryModel
from collector.show.serving import NamedGuard, served

Out = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model() -> MemoryModel:
    return estate()


@pytest.fixture(scope="module")
def url(model: MemoryModel) -> Iterator[str]:
    with served(build_app(model, NamedGuard(), ShowSettings(rescan_enabled=True))) as address:
        yield address


@pytest.fixture(autouse=True)
def environment(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHAINWATCH_URL", url)
    monkeypatch.setenv("CHAINWATCH_TOKEN", "admin")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")


SCREENS = [
    ("status", 2, "nfs-prod-1  blocked"),
    ("health", 2, "COALESCE_NO_SPACE"),
    ("health --detail", 2, "next [safe] delete snapshots"),
    ("why nfs-prod-1", 2, "nfs-prod-1 is NOT coalescing: no room to merge."),
    ("why local-1", 0, "local-1 is fine."),
    ("sr", 2, "? UNKNOWN  dr-nfs"),
    ("sr --state idle", 0, "local-1"),
    ("sr show nfs-prod-1", 2, "1 inner pending, 0 leaf pending, 2 kept, 1 blocked"),
    ("chain", 0, "vm-db-1"),
    ("chain --deeper-than 3", 0, "5f1c0004"),
    ("chain tree 5f1c0004", 0, "├─5f1c0003"),
    ("coalesce", 0, "████░░░░░░ 40 %"),
    ("coalesce --running", 0, "6 min"),
    ("events --sr nfs-prod-1 --limit 3", 0, "SpaceRefused"),
    ("events --vdi 5f1c00ff-0000-4000-8000-00000000dead", 0, "no such event"),
    ("tasks", 1, "no progress"),
    ("agent", 2, "host-3"),
    ("agent list --pool prod", 1, "behind"),
    ("agent show host-2", 1, "23 % of 50.0 MiB committed"),
    ("verdict", 2, "would skip"),
    ("verdict vm-web-3", 0, "ok"),
    ("verdict vm-web-3 vm-db-1", 2, "chainwatch explain"),
    ("verdict --all --for snapshot", 2, "vm-db-1"),
    ("verdict --host host-1", 2, "host-1: no, and the master may not move away from it: that would cut off 1"),
    ("verdict --job nightly", 2, "nfs-prod-1: 1 disk need"),
    ("forecast", 0, "2026-11-25  db-1 disk 0: reaches 30 links in 3 days (between 2026-11-24 and"),
    ("explain COALESCE_NO_SPACE", 0, "You have it now"),
    ("explain codes", 0, "little free space"),
    ("mute", 0, "nothing is muted"),
    ("rescan nfs-prod-1 --check", 2, "a GC run of this SR is active"),
    ("report nfs-prod-1", 0, "== Chains =="),
    ("watch --count 1", 2, "nfs-prod-1"),
    ("audit --what nothing", 0, "nothing of that kind"),
    ("completion bash", 0, "_CHAINWATCH_COMPLETE"),
]


@pytest.mark.parametrize(("line", "code", "part"), SCREENS, ids=[line for line, _, _ in SCREENS])
def test_a_screen_says_it_in_80_columns_and_ends_with_its_code(line: str, code: int, part: str, capsys: Out) -> None:
    assert main(line.split()) == code
    out, err = capsys.readouterr()
    assert part in out
    assert err == ""
    assert "\x1b" not in out, "no colour where nobody sees it"
    if not line.startswith(("report", "completion")):
        assert max(map(len, out.splitlines())) <= 80


def test_every_verb_has_a_screen_here() -> None:
    elsewhere = {"login", "unmute", "diagnose", "pool", "user", "token"}
    assert {line.split()[0] for line, _, _ in SCREENS} == set(VERBS) - elsewhere


BODIES = [
    ("status", "/status?limit=1000"),
    ("health", "/health"),
    ("why nfs-prod-1", "/why?subject=nfs-prod-1"),
    ("sr", "/srs?limit=1000"),
    ("sr nfs-prod-1", "/sr/nfs-prod-1"),
    ("chain", "/chains"),
    ("chain nfs-prod-1", "/chain/nfs-prod-1"),
    ("coalesce", "/merges"),
    ("events", "/events?limit=50"),
    ("tasks", "/tasks"),
    ("agent list", "/agents"),
    ("verdict", "/verdict"),
    ("forecast", "/forecast"),
    ("explain SR_SPACE_LOW", "/explain?text=SR_SPACE_LOW"),
    ("mute", "/mutes"),
]


@pytest.mark.parametrize(("line", "path"), BODIES, ids=[line for line, _ in BODIES])
def test_json_and_yaml_are_the_rest_body(line: str, path: str, url: str, capsys: Out) -> None:
    from chainwatch_collector.cli.client import connect

    with connect() as client:
        body = json.loads(client.text(path))
    main([*line.split(), "-o", "json"])
    assert json.loads(capsys.readouterr().out) == body
    main([*line.split(), "-o", "yaml"])
    assert yaml.safe_load(capsys.readouterr().out) == body


@pytest.mark.parametrize("line", [line for line, _ in BODIES])
def test_tsv_has_a_header_and_whole_rows(line: str, capsys: Out) -> None:
    main([*line.split(), "-o", "tsv"])
    lines = capsys.readouterr().out.splitlines()
    assert {row.count("\t") for row in lines} == {lines[0].count("\t")}
    assert "…" not in "".join(lines)


def test_nagios_gets_one_line_with_performance_data(capsys: Out) -> None:
    assert main(["health", "--nagios"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("CHAINWATCH CRITICAL - 3 errors, 3 warnings")
    assert lines[0].endswith("| errors=3 warnings=3 muted=0 unknown_srs=1 agents=1;;;0;3")


def test_mute_and_unmute(capsys: Out) -> None:
    assert main(["mute", "AGENT_BEHIND", "--for", "4h", "--reason", "disks ordered", "--on", "host-2"]) == 0
    assert main(["mute"]) == 0
    assert "disks ordered" in capsys.readouterr().out
    assert main(["health"]) == 2
    assert "~ MUTED" in capsys.readouterr().out
    assert main(["unmute", "AGENT_BEHIND"]) == 0
    assert "is heard again" in capsys.readouterr().out
    assert main(["unmute", "AGENT_BEHIND"]) == 3


def test_rescan_asks_and_reports(capsys: Out) -> None:
    assert main(["rescan", "local-1", "--yes"]) == 0
    assert "scan asked for" in capsys.readouterr().out


def test_login_writes_a_private_file_that_is_then_used(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    assert main(["login", url, "--token", "view"]) == 0
    path = tmp_path / "chainwatch" / "cli.toml"
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    monkeypatch.delenv("CHAINWATCH_URL")
    monkeypatch.delenv("CHAINWATCH_TOKEN")
    assert main(["status"]) == 2
    path.chmod(0o644)
    assert main(["status"]) == 64
    assert "chmod 600" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "code", "part"),
    [
        ("nonsense", 64, "No such command"),
        ("status --nonsense", 64, "No such option"),
        ("sr a b c", 64, "give `list`, a name"),
        ("mute SR_SPACE_LOW", 64, "--for 4h --reason TEXT"),
        ("mute SR_SPACE_LOW --for ever --reason x", 64, "is no length"),
        ("why nope", 3, "nothing goes by 'nope'"),
        ("sr 07edc1b2", 3, "fits 5 things"),
        ("events --since whenever", 3, "is no time"),
        ("mute NOPE --for 1h --reason x", 3, "is no health code"),
        ("report nfs-prod-1 --file /nonexistent/x", 3, "No such file or directory"),
    ],
)
def test_a_mistake_gets_one_clear_error(line: str, code: int, part: str, capsys: Out) -> None:
    assert main(line.split()) == code
    err = capsys.readouterr().err
    assert part in err
    assert "Traceback" not in err


def test_a_refused_token_says_what_to_do(monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    monkeypatch.setenv("CHAINWATCH_TOKEN", "stranger")
    assert main(["status"]) == 3
    assert "HINT: chainwatch login" in capsys.readouterr().err


def test_a_collector_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    monkeypatch.setenv("CHAINWATCH_URL", "http://127.0.0.1:9")
    assert main(["status"]) == 3
    err = capsys.readouterr().err
    assert err.startswith(
        "Error: cannot reach the collector at http://127.0.0.1:9 (from CHAINWATCH_URL): connection refused"
    )
    assert "HINT: is it running there?" in err
    assert main(["health", "--nagios"]) == 3
    assert capsys.readouterr().out.startswith("CHAINWATCH UNKNOWN - cannot reach")


@pytest.mark.parametrize("text", ["url = ", 'host = "x"', "token = 3"])
def test_a_broken_config_file_is_named_with_the_fix(text: str, tmp_path: Path, capsys: Out) -> None:
    path = tmp_path / "chainwatch" / "cli.toml"
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(0o600)
    assert main(["status"]) == 64
    err = capsys.readouterr().err
    assert str(path) in err
    assert "HINT:" in err


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"diagnose", "pool", "completion"}))
def test_help_has_an_example(verb: str, capsys: Out) -> None:
    assert main([verb, "--help"]) == 0
    assert f"chainwatch {verb}" in capsys.readouterr().out


def test_all_is_well_says_so(capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(build_app(healthy(), NamedGuard(), ShowSettings())) as address:
        monkeypatch.setenv("CHAINWATCH_URL", address)
        assert main(["status"]) == 0
        assert main(["health", "--nagios"]) == 0
    assert "Coalesce keeps up on 1 SR in 1 pool." in capsys.readouterr().out


def test_health_names_what_is_wrong_with_the_collector(model: MemoryModel, capsys: Out) -> None:
    before, model.readiness = model.readiness, (Check("certificates", "warning", "web certificate ends soon"),)
    main(["health"])
    model.readiness = before
    assert "collector: ! WARN certificates: web certificate ends soon" in capsys.readouterr().out


def test_the_command_imports_neither_store_nor_server(url: str) -> None:
    probe = (
        "import sys; from chainwatch_collector.cli.main import main; main(['sr','-o','json']);"
        "heavy = {'sqlalchemy','fastapi','uvicorn','grpc','alembic','XenAPI','pydantic'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, env=dict(os.environ), timeout=30)

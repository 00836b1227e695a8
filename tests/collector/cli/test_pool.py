"""`chainwatch pool` on this machine's files, against the lab's xapi."""

import io
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from chainwatch_collector.cli.main import main
from chainwatch_collector.inventory.dump import picture_from_dump
from chainwatch_collector.show.app import build_app
from chainwatch_collector.show.settings import ShowSettings
from collector.inventory.conftest import build
from collector.show.estate import estate
from collector.show.serving import NamedGuard, served
from lab.xapi.handle import LabPool, lab_pool

Out = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def lab() -> Iterator[LabPool]:
    with lab_pool("xcp1", "xcp2", build=build) as pool:
        yield pool


@pytest.fixture(autouse=True)
def pools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    directory = tmp_path / "pools.d"
    monkeypatch.setenv("CHAINWATCH_POOLS_DIR", str(directory))
    monkeypatch.setenv("COLUMNS", "80")
    return directory


def add(lab: LabPool, monkeypatch: pytest.MonkeyPatch, *more: str, password: str = "") -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO((password or lab.reader_password) + "\n"))
    return main(["pool", "add", "prod", f"{lab.address}:{lab.port}", "--username", lab.reader, *more])


def test_add_test_dump_remove(
    lab: LabPool, pools: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out, tmp_path: Path
) -> None:
    assert add(lab, monkeypatch, "--ca-file", str(lab.ca_file)) == 0
    out = capsys.readouterr().out
    assert "answers at" in out
    assert lab.uuid in out
    assert stat.S_IMODE((pools / "prod.password").stat().st_mode) == 0o600
    assert lab.reader_password not in (pools / "prod.toml").read_text() + out

    assert main(["pool", "test", "prod", "-o", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["pool_uuid"], report["json_rpc"], len(report["members"])) == (lab.uuid, True, 2)
    assert all(len(member["fingerprint"]) == 64 for member in report["members"])

    target = tmp_path / "inventory.json"
    assert main(["pool", "dump", "prod", "--to", str(target)]) == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    text = target.read_text()
    assert picture_from_dump(json.loads(text)) == picture_from_dump(lab.dump())
    assert "guest-secret-value" not in text

    assert main(["pool", "remove", "prod", "--yes"]) == 0
    assert list(pools.iterdir()) == []
    assert lab.call(lambda pool: len(pool.sessions.open)) == 0
    assert lab.writes_called == []


def test_what_does_not_work_is_not_left_behind(
    lab: LabPool, pools: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    assert add(lab, monkeypatch, "--ca-file", str(lab.ca_file), password="wrong") == 2
    err = capsys.readouterr().err
    assert "login refused" in err
    assert "HINT: is the user right" in err
    assert "wrong" not in err
    assert list(pools.iterdir()) == []


def test_an_untrusted_certificate_says_which_one(
    lab: LabPool, pools: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    assert add(lab, monkeypatch) == 2
    err = capsys.readouterr().err
    shown = err.split("it shows sha256:")[1][:64]
    assert "openssl x509" in err
    assert add(lab, monkeypatch, "--fingerprint", shown) == 0
    assert main(["pool", "test", "prod"]) == 0
    assert "sha256:" in capsys.readouterr().out


def test_list_asks_the_collector(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Out) -> None:
    monkeypatch.setenv("CHAINWATCH_TOKEN", "admin")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with served(build_app(estate(), NamedGuard(), ShowSettings())) as url:
        monkeypatch.setenv("CHAINWATCH_URL", url)
        codes = [main(["pool", "list"]), main(["pool"])]
        out = capsys.readouterr().out
        assert codes[0] == codes[1]
        assert out.count("prod") >= 2
        assert main(["pool", "list", "-o", "json"]) == codes[0]
    assert json.loads(capsys.readouterr().out)["items"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pool", "test", "nope"], "no pool 'nope' in"),
        (["pool", "remove", "nope", "--yes"], "no such file; pools here: none"),
        (["pool", "remove", "../x", "--yes"], "is no name for a pool"),
        (["pool", "add", "prod", "a", "--username", "u", "--insecure", "--ca-file", "x"], "exclude each other"),
        (["pool", "add", "prod", "http://a", "--username", "u"], "is no address"),
    ],
)
def test_wrong_use_is_one_clear_line(
    arguments: list[str], message: str, pools: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
    assert main(arguments) != 0
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    assert not pools.exists() or list(pools.iterdir()) == []


def test_a_second_pool_of_the_name_and_a_credential(pools: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    arguments = ["pool", "add", "prod", "10.0.0.1", "--username", "u", "--credential", "prod-password"]
    assert main(arguments) == 0
    assert "${CREDENTIALS_DIRECTORY}/prod-password" in (pools / "prod.toml").read_text()
    assert main(arguments) != 0
    assert "is there already" in capsys.readouterr().err
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert main(["pool", "test", "prod"]) == 2
    assert "set LoadCredential= in the unit" in capsys.readouterr().err

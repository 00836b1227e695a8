"""The collector's package: what it needs, who may read what, and that it runs from its own tree on Python 3.12."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from rpm_packages.conftest import build, copy_of_source
from rpm_packages.reading import modes, query, unpack

pytestmark = pytest.mark.rpm


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, needs_rpmbuild: None) -> Path:
    """Built once."""
    directory = tmp_path_factory.mktemp("rpm-collector")
    [built] = build(copy_of_source(directory / "source"), directory, "collector")
    return built


def test_requires_what_an_el9_server_has(package: Path) -> None:
    needed = {line for line in query(package, "--requires") if not line.startswith("rpmlib(")}
    assert needed == {"/bin/sh", "python3.12", "shadow-utils", "systemd"}


def test_configuration_and_state_are_for_its_own_user(package: Path) -> None:
    found = {path: rest for path, rest in modes(package).items() if not path.startswith("/opt/chainwatch/")}
    assert {path: rest.split("|")[0] for path, rest in found.items()} == {
        "/etc/chainwatch": "40750",
        "/etc/chainwatch/collector.toml": "100640",
        "/etc/chainwatch/pools.d": "40750",
        "/opt/chainwatch": "40755",
        "/usr/bin/chainwatch": "120777",
        "/usr/bin/chainwatch-collector": "120777",
        "/usr/lib/systemd/system/chainwatch-collector.service": "100644",
        "/var/lib/chainwatch": "40750",
    }
    assert found["/var/lib/chainwatch"].split("|")[1] == "chainwatch"


def test_it_runs_from_its_tree(package: Path, tmp_path: Path, real_python: Callable[[str], str]) -> None:
    installed = tmp_path / "installed"
    installed.mkdir()
    unpack(package, installed)
    library, python = installed / "opt/chainwatch/lib", real_python("3.12")

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        launcher = (installed / "opt/chainwatch/bin" / name).read_text()
        script = tmp_path / name
        script.write_text(launcher.replace("/usr/bin/python3.12", python).replace("/opt/chainwatch/lib", str(library)))
        script.chmod(0o755)
        return subprocess.run([script, *arguments], capture_output=True, text=True, check=False)

    assert "chainwatch" in run("chainwatch", "--version").stdout
    explained = run("chainwatch", "explain", "SR_BACKEND_FAILURE_109")
    assert explained.returncode == 0, explained.stderr
    config = tmp_path / "collector.toml"
    config.write_text('state_dir = "state"\n[ingest]\nlisten = "127.0.0.1:0"\n[web]\nlisten = "127.0.0.1:0"\n')
    migrated = run("chainwatch-collector", "migrate", "--config", str(config))
    assert migrated.returncode == 0, migrated.stderr
    assert (tmp_path / "state/chainwatch.db").exists()

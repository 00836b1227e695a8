"""The dom0 packages: what is in them, what they need, how they come, change and go, and that they run from there."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from lab.agent_process import AgentProcess
from lab.collector_process import CollectorProcess
from lab.dom0.host import HostDirectory
from lab.pki import Pki
from rpm_packages.conftest import REPOSITORY, Packages, ScratchRoot, build
from rpm_packages.reading import modes, query, unpack

pytestmark = pytest.mark.rpm
MIB = 1 << 20


def test_two_builds_are_the_same_bytes(packages: Packages, tmp_path: Path) -> None:
    [again] = build(packages.source, tmp_path, "agent-el7")
    assert again.read_bytes() == packages.el7.read_bytes()


def test_each_is_small(packages: Packages) -> None:
    assert packages.el7.stat().st_size <= 6 * MIB
    assert packages.el10.stat().st_size <= 6 * MIB


@pytest.mark.parametrize(("name", "python"), [("el7", "3.6"), ("el10", "3.12")])
def test_requires_only_what_a_dom0_has(packages: Packages, name: str, python: str) -> None:
    needed = [line for line in query(getattr(packages, name), "--requires") if not line.startswith("rpmlib(")]
    assert sorted(set(needed)) == ["/bin/sh", "openssl", f"python(abi) = {python}", "systemd"]
    rpmlib = [line for line in query(getattr(packages, name), "--requires") if line.startswith("rpmlib(")]
    features = {line.split("(")[1].split(")")[0] for line in rpmlib}
    # What rpm 4.11 understands: no zstd, no rich dependencies, no caret, no large files.
    assert features <= {"CompressedFileNames", "FileDigests", "PayloadFilesHavePrefix", "PayloadIsXz"}


def test_files_modes_and_no_capabilities(packages: Packages) -> None:
    found = modes(packages.el7)
    outside = {path: rest for path, rest in found.items() if not path.startswith("/opt/chainwatch-agent/lib")}
    assert outside == {
        "/etc/chainwatch": "40750|root||(none)",
        "/etc/chainwatch/agent.conf": "100640|root|cn|(none)",
        "/opt/chainwatch-agent": "40755|root||(none)",
        "/opt/chainwatch-agent/bin": "40755|root||(none)",
        "/opt/chainwatch-agent/bin/chainwatch-agent": "100755|root||(none)",
        "/usr/bin/chainwatch-agent": "120777|root||(none)",
        "/usr/lib/systemd/system/chainwatch-agent.service": "100644|root||(none)",
        "/var/lib/chainwatch-agent": "40700|root||(none)",
        "/var/lib/chainwatch-agent/tls": "40700|root||(none)",
    } | {path: rest for path, rest in outside.items() if "renew" in path}
    inside = {rest.split("|")[0] for path, rest in found.items() if path not in outside}
    assert inside == {"40755", "100644"}
    assert not [path for path in found if path.endswith((".pyi", "-nspkg.pth", "roots.pem.bak"))]


def test_nothing_in_it_needs_a_newer_glibc(packages: Packages, tmp_path: Path) -> None:
    unpack(packages.el7, tmp_path)
    check = REPOSITORY / "packaging/rpm/check-abi"
    assert subprocess.run([check, tmp_path, "2.17", "3.4.19"], check=False).returncode == 0
    refused = subprocess.run([check, tmp_path, "2.5", "3.4.19"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "needs GLIBC_" in refused.stderr


def test_install_upgrade_downgrade_erase_in_an_installer_chroot(packages: Packages, scratch: ScratchRoot) -> None:
    done = scratch.rpm("-i", "--nosignature", packages.el7)
    assert done.returncode == 0, done.stderr
    assert scratch.asked == ["enable chainwatch-agent.service chainwatch-agent-renew.timer"]
    assert scratch.rpm("-V", "chainwatch-agent").stdout == ""
    config = scratch.path / "etc/chainwatch/agent.conf"
    config.write_text("[collector]\naddresses = collector.example.com:8442\n")
    key = scratch.path / "var/lib/chainwatch-agent/tls/key.pem"
    key.write_text("a key")

    assert scratch.rpm("-U", "--nosignature", packages.later_el7).returncode == 0
    assert scratch.asked == []
    assert config.read_text().startswith("[collector]\naddresses = collector.example.com")
    older = scratch.rpm("-U", "--nosignature", packages.el7)
    assert older.returncode != 0
    assert "newer than" in older.stderr

    assert scratch.rpm("-e", "chainwatch-agent").returncode == 0
    assert scratch.asked == ["disable chainwatch-agent.service chainwatch-agent-renew.timer"]
    left = {str(path.relative_to(scratch.path)) for path in scratch.path.rglob("*") if "chainwatch" in path.name}
    assert left == {"etc/chainwatch", "var/lib/chainwatch-agent"}
    assert key.exists()
    assert [path.name for path in (scratch.path / "etc/chainwatch").iterdir()] == ["agent.conf.rpmsave"]


def test_a_running_host_is_reloaded_and_the_service_restarted(packages: Packages, scratch: ScratchRoot) -> None:
    (scratch.path / "run/systemd/system").mkdir(parents=True)
    scratch.rpm("-i", "--nosignature", packages.el7)
    unit, units = "chainwatch-agent.service", "chainwatch-agent.service chainwatch-agent-renew.timer"
    assert scratch.asked == [f"enable {units}", "daemon-reload", f"start {units}"]
    scratch.rpm("-U", "--nosignature", packages.later_el7)
    assert scratch.asked == ["daemon-reload", "daemon-reload", f"try-restart {unit}"]
    scratch.rpm("-e", "chainwatch-agent")
    assert scratch.asked == [f"disable {units}", f"stop {units}", "daemon-reload"]


def test_the_wrong_dom0_is_refused(packages: Packages, scratch: ScratchRoot) -> None:
    refused = scratch.rpm("-i", "--nosignature", packages.el10)
    assert refused.returncode != 0
    assert "python(abi) = 3.12 is needed" in refused.stderr


@pytest.mark.parametrize(("name", "minor"), [("el7", "3.6"), ("el10", "3.12")])
def test_the_installed_tree_ships_to_a_live_collector(
    packages: Packages, name: str, minor: str, tmp_path: Path, pki: Pki, real_python: Callable[[str], str]
) -> None:
    installed = tmp_path / "installed"
    installed.mkdir()
    unpack(getattr(packages, name), installed)
    launcher = (installed / "opt/chainwatch-agent/bin/chainwatch-agent").read_text()
    python, library = real_python(minor), installed / "opt/chainwatch-agent/lib"
    script = tmp_path / "chainwatch-agent"
    script.write_text(launcher.replace("/usr/bin/python3", python).replace("/opt/chainwatch-agent/lib", str(library)))
    script.chmod(0o755)
    collector = CollectorProcess(tmp_path / "collector", pki)
    host = HostDirectory(tmp_path / "host", "xcp-1", "40a1f9b0-0000-4000-8000-000000000001")
    agent = AgentProcess(host, pki, [collector.ingest_port], command=(script,))
    (host.root / "var/log/SMlog").write_text("Nov 25 08:00:00 xcp-1 SMGC: [7] No work, exiting\n")
    collector.start()
    try:
        agent.start()
        deadline = time.monotonic() + 30
        while "connected" not in agent.log.read_text(errors="replace") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert "connected" in agent.log.read_text(errors="replace")
        assert not list(library.rglob("*.tmp"))
    finally:
        agent.kill()
        collector.kill()


def test_rpmlint_has_nothing_to_say(packages: Packages) -> None:
    if shutil.which("rpmlint") is None:
        pytest.skip("rpmlint is not installed: apt-get install rpmlint")
    config = REPOSITORY / "packaging/rpm/rpmlint.toml"
    done = subprocess.run(
        ["rpmlint", "-c", config, packages.el7, packages.el10], capture_output=True, text=True, check=False
    )
    assert [line for line in done.stdout.splitlines() if ": E: " in line or ": W: " in line] == []

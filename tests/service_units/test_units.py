"""The unit files: known to the systemd that reads them, and a fence around what runs in dom0."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SYSTEMD = REPOSITORY / "packaging" / "systemd"
AGENT = SYSTEMD / "chainwatch-agent.service"
MODERN = SYSTEMD / "chainwatch-agent.service.d" / "10-modern.conf"
COLLECTOR = SYSTEMD / "chainwatch-collector.service"
RENEW = SYSTEMD / "chainwatch-agent-renew.service"
TIMER = SYSTEMD / "chainwatch-agent-renew.timer"

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")

Unit = dict[str, dict[str, list[str]]]


def read(path: Path) -> Unit:
    """Section → directive → values, in their order."""
    unit: Unit = defaultdict(lambda: defaultdict(list))
    section = ""
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            unit[section][name].append(value)
    return unit


def known_to_219(section: str) -> set[str]:
    """The directives of a section."""
    table = (Path(__file__).parent / "systemd_219.txt").read_text()
    return set(table.partition(f"[{section}]\n")[2].partition("\n\n")[0].split())


@pytest.mark.parametrize("unit", [AGENT, RENEW, TIMER])
def test_dom0_s_units_have_only_what_219_knows(unit: Path) -> None:
    for section, directives in read(unit).items():
        assert set(directives) <= known_to_219(section), section


def test_the_drop_in_has_what_219_does_not_know_or_makes_it_stricter() -> None:
    modern = read(MODERN)
    assert set(modern) == {"Service"}
    stricter = {"ProtectSystem", "SystemCallFilter", "SystemCallErrorNumber"}
    assert set(modern["Service"]) & known_to_219("Service") == stricter
    assert "ProtectClock" not in modern["Service"]  # it would forbid adjtimex


def test_the_fence_around_the_agent() -> None:
    service = read(AGENT)["Service"]
    assert service["CPUQuota"] == ["25%"]
    assert service["MemoryLimit"] == ["128M"]
    assert int(service["OOMScoreAdjust"][0]) > 0
    assert service["CapabilityBoundingSet"] == ["CAP_DAC_READ_SEARCH CAP_SYS_PTRACE CAP_NET_ADMIN"]
    assert "AF_NETLINK" in service["RestrictAddressFamilies"][0]
    assert service["InaccessibleDirectories"] == ["-/run/sr-mount"]
    assert service["MountFlags"] == ["slave"]
    assert (service["Type"], service["Restart"], service["StartLimitInterval"]) == (["notify"], ["always"], ["0"])


def test_the_renewal_runs_daily_in_a_narrower_fence_than_the_agent() -> None:
    service, timer = read(RENEW)["Service"], read(TIMER)["Timer"]
    assert timer["OnUnitActiveSec"] == ["24h"]
    assert service["CapabilityBoundingSet"] == [""]
    assert service["InaccessibleDirectories"] == read(AGENT)["Service"]["InaccessibleDirectories"]
    assert service["ExecStart"] == [read(AGENT)["Service"]["ExecStart"][0].replace(" run ", " renew ")]
    assert RENEW.stem == TIMER.stem


def test_the_watchdog_is_wider_than_three_heartbeats_of_any_collector() -> None:
    (seconds,) = read(AGENT)["Service"]["WatchdogSec"]
    assert int(seconds) > 3 * 10


@pytest.mark.parametrize(("unit", "spec"), [(AGENT, "chainwatch-agent.spec"), (COLLECTOR, "chainwatch-collector.spec")])
def test_paths_are_those_of_the_package(unit: Path, spec: str) -> None:
    text = (REPOSITORY / "packaging" / "rpm" / spec).read_text()
    (home,) = re.findall(r"^%global home (\S+)$", text, re.MULTILINE)
    program = read(unit)["Service"]["ExecStart"][0].split()[0]
    assert program == f"{home}/bin/{unit.stem}"
    for path in [value.strip("-") for value in read(unit)["Unit"]["ConditionPathExists"]]:
        assert path.rpartition("/")[0] in text


@needs_systemd
@pytest.mark.parametrize("unit", [AGENT, COLLECTOR, RENEW])
def test_systemd_reads_them_without_complaint(unit: Path, tmp_path: Path) -> None:
    """Also together with the drop-in. Two renamed directives are in the agent's unit because 219 has no others."""
    program = read(unit)["Service"]["ExecStart"][0].split()[0]
    (tmp_path / unit.name).write_text(unit.read_text().replace(program, "/bin/true"))
    if unit == RENEW:
        shutil.copy(TIMER, tmp_path)
    if unit == AGENT:
        shutil.copytree(MODERN.parent, tmp_path / MODERN.parent.name)
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit.name)], capture_output=True, text=True, timeout=60
    )
    lines = [line for line in told.stderr.splitlines() if "will be removed soon" not in line]
    assert (told.returncode, lines) == (0, [])


@needs_systemd
@pytest.mark.parametrize(("unit", "most"), [(AGENT, 4.0), (COLLECTOR, 2.5)])
def test_exposure(unit: Path, most: float, tmp_path: Path) -> None:
    """`systemd-analyze security`, of the agent with its drop-in: 0 is a sealed room, 10 an open field."""
    shutil.copytree(SYSTEMD, tmp_path, dirs_exist_ok=True)
    told = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(tmp_path / unit.name)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    (exposure,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", told.stdout)
    assert float(exposure) <= most

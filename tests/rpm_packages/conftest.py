"""The packages, built once for all tests, and a scratch root that stands for a dom0 under an installer."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from lab.pki import Pki

REPOSITORY = Path(__file__).resolve().parents[2]
EPOCH = "1790000000"


def copy_of_source(target: Path) -> Path:
    """What a package is made of, as it is now: an editor beside the tests does not come between two builds."""
    for name in ("agent", "collector", "proto", "packaging", "requirements"):
        shutil.copytree(REPOSITORY / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(REPOSITORY / "pyproject.toml", target)
    (target / ".venv").symlink_to(REPOSITORY / ".venv")
    return target


def build(source: Path, target: Path, *what: str, version: str = "") -> list[Path]:
    """`packaging/rpm/build` of a copy into `target`."""
    environment = {
        **os.environ,
        "DIST": str(target / "dist"),
        "RPM_WORK": str(target / "work"),
        "SOURCE_DATE_EPOCH": EPOCH,
        **({"VERSION": version} if version else {}),
    }
    subprocess.run([source / "packaging/rpm/build", *what], env=environment, check=True, capture_output=True)
    return sorted((target / "dist").glob("*.rpm"))


@dataclass
class Packages:
    """What was built: the dom0 packages and a later one for upgrades."""

    source: Path
    el7: Path
    el10: Path
    later_el7: Path


@pytest.fixture(scope="session")
def needs_rpmbuild() -> None:
    for program in ("rpmbuild", "rpm", "rpm2cpio"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: apt-get install rpm")


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory, needs_rpmbuild: None) -> Packages:
    """Built once."""
    directory = tmp_path_factory.mktemp("rpm")
    source = copy_of_source(directory / "source")
    el10, el7 = build(source, directory / "now", "agent-el7", "agent-el10")
    [later] = build(source, directory / "later", "agent-el7", version="0.99.0")
    return Packages(source, el7, el10, later)


@dataclass
class ScratchRoot:
    """A root with a shell and a `systemctl` that writes down what it is asked; no systemd runs in it."""

    path: Path

    def rpm(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = ["rpm", "--root", self.path, "--dbpath", "/var/lib/rpm", *arguments]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)

    @property
    def asked(self) -> list[str]:
        """What `systemctl` was asked since the last look."""
        log = self.path / "systemctl.log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def add(self, program: str) -> None:
        """A program of this machine with the libraries it needs."""
        found = shutil.which(program)
        assert found is not None
        needed = subprocess.run(["ldd", found], capture_output=True, text=True, check=True).stdout
        libraries = [word for word in needed.split() if word.startswith("/")]
        for file in [found, *libraries]:
            target = self.path / file.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)


PROVIDER = """\
Name: dom0-base
Version: 1
Release: 1
Summary: What a dom0 has
License: none
BuildArch: noarch
AutoReqProv: no
Provides: /bin/sh python(abi) = 3.6 systemd openssl shadow-utils
%description
-
%files
"""


@pytest.fixture(scope="session")
def dom0_base(tmp_path_factory: pytest.TempPathFactory, needs_rpmbuild: None) -> Path:
    """A package that provides what dom0's own do."""
    top = tmp_path_factory.mktemp("dom0-base")
    spec = top / "dom0-base.spec"
    spec.write_text(PROVIDER)
    subprocess.run(["rpmbuild", "--quiet", "-bb", "--define", f"_topdir {top}", spec], check=True, capture_output=True)
    [package] = top.glob("RPMS/noarch/*.rpm")
    return package


@pytest.fixture
def scratch(tmp_path: Path, dom0_base: Path) -> ScratchRoot:
    """An empty dom0."""
    if os.geteuid() != 0:
        pytest.skip("rpm --root needs root")
    root = ScratchRoot(tmp_path / "root")
    root.add("sh")
    shell = root.path / "bin/sh"
    if not shell.exists():
        shell.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root.path / (shutil.which("sh") or "").lstrip("/"), shell)
    (root.path / "dev").mkdir()
    os.mknod(root.path / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    systemctl = root.path / "usr/bin/systemctl"
    systemctl.parent.mkdir(parents=True, exist_ok=True)
    systemctl.write_text('#!/bin/sh\necho "$*" >> /systemctl.log\n')
    systemctl.chmod(0o755)
    assert root.rpm("--initdb").returncode == 0
    done = root.rpm("-i", "--nosignature", dom0_base)
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(Path(tmp_path_factory.mktemp("pki")))


@pytest.fixture(scope="session")
def real_python() -> Callable[[str], str]:
    """minor version → an interpreter that really runs."""

    def find(minor: str) -> str:
        root = subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=False).stdout.strip()
        known = sorted(Path(root or "/nonexistent").glob(f"versions/{minor}.*/bin/python{minor}"))
        for candidate in [*map(str, known), shutil.which(f"python{minor}") or ""]:
            if candidate and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
                return candidate
        pytest.skip(f"no Python {minor} here: pyenv install {minor}")

    return find

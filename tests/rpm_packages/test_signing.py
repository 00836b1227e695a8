"""`packaging/rpm/sign` signs header and payload with RSA, and says so when it did not."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from rpm_packages.conftest import REPOSITORY

pytestmark = pytest.mark.rpm


@pytest.fixture
def keyring(tmp_path: Path) -> dict[str, str]:
    """A keyring of its own, with an RSA and an Ed25519 key."""
    if shutil.which("gpg") is None or shutil.which("rpmsign") is None:
        pytest.skip("gpg and rpmsign are needed: apt-get install gnupg rpm")
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    environment = {**os.environ, "GNUPGHOME": str(home)}
    for name, kind in (("release@chainwatch.example", "rsa3072"), ("other@chainwatch.example", "ed25519")):
        arguments = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", name, kind, "sign", "1d"]
        subprocess.run(arguments, env=environment, check=True, capture_output=True)
    return environment


def sign(key: str, package: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [REPOSITORY / "packaging/rpm/sign", key, package]
    try:
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    finally:
        subprocess.run(["gpgconf", "--kill", "gpg-agent"], env=environment, check=False, capture_output=True)


def test_a_signed_package_says_so(dom0_base: Path, tmp_path: Path, keyring: dict[str, str]) -> None:
    package = Path(shutil.copy(dom0_base, tmp_path))
    done = sign("release@chainwatch.example", package, keyring)
    assert (done.returncode, done.stderr) == (0, "")
    shown = subprocess.run(["rpm", "-qpi", "--nosignature", package], capture_output=True, text=True, check=True).stdout
    assert "RSA/SHA256" in shown


def test_a_key_that_dom0_cannot_check_is_refused(dom0_base: Path, tmp_path: Path, keyring: dict[str, str]) -> None:
    package = Path(shutil.copy(dom0_base, tmp_path))
    done = sign("other@chainwatch.example", package, keyring)
    assert done.returncode == 2
    assert "is no RSA key" in done.stderr
    assert package.read_bytes() == dom0_base.read_bytes()

"""What a package says of itself, without installing it."""

from __future__ import annotations

import subprocess
from pathlib import Path


def query(package: Path, form: str) -> list[str]:
    """`rpm -qp` with one option and its argument."""
    command: list[str | Path] = ["rpm", "-qp", "--nosignature", *form.split(" ", 1), package]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return sorted(filter(None, done.stdout.splitlines()))


def modes(package: Path) -> dict[str, str]:
    """path → `mode|owner|flags|capabilities`."""
    lines = query(package, "--qf [%{FILENAMES}|%{FILEMODES:octal}|%{FILEUSERNAME}|%{FILEFLAGS:fflags}|%{FILECAPS}\\n]")
    return {path: rest for path, _, rest in (line.partition("|") for line in lines)}


def unpack(package: Path, target: Path) -> None:
    """Its payload below `target`."""
    payload = subprocess.run(["rpm2cpio", package], capture_output=True, check=True).stdout
    subprocess.run(["cpio", "-idm", "--quiet"], input=payload, cwd=target, check=True)

"""Prometheus' own tool, where it is installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROMTOOL = shutil.which("promtool") or str(ROOT / ".venv" / "bin" / "promtool")


def promtool(*arguments: str, stdin: bytes = b"") -> str:
    """What it prints; a failure fails the test. Skips where it is not there."""
    if not Path(PROMTOOL).exists():
        pytest.skip("needs promtool: scripts/setup-system")
    done = subprocess.run([PROMTOOL, *arguments], input=stdin, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return (done.stdout + done.stderr).decode()

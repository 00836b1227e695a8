"""What a service of advisories says of a requirements file, by way of pip-audit."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_PATIENCE_SECONDS: Final = 600
_SERVICE_SECONDS: Final = "20"


class NotAskedError(Exception):
    """The service did not answer for every package: nothing may be concluded. The message says why."""


@dataclass(frozen=True)
class Vulnerability:
    """`ids`: of one advisory, its aliases among them; `fixed`: the versions that mend it, lowest first."""

    package: str
    version: str
    ids: tuple[str, ...]
    fixed: tuple[str, ...]
    summary: str


@dataclass(frozen=True)
class Answer:
    """For one requirements file. `packages`: name → version of all that were asked for."""

    packages: dict[str, str]
    vulnerabilities: tuple[Vulnerability, ...]


def ask(pip_audit: Path, requirements: Path, service: Sequence[str], cache: Path) -> Answer:
    """`service`: pip-audit's options that name it. Raises `NotAskedError`."""
    options = ["--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    command: list[str | Path] = [
        pip_audit,
        "-r",
        requirements,
        *options,
        "--timeout",
        _SERVICE_SECONDS,
        "--cache-dir",
        cache,
        *service,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise NotAskedError(f"no answer within {_PATIENCE_SECONDS} s") from None
    if not done.stdout.strip():
        raise NotAskedError(_last_line(done.stderr) or f"pip-audit ended with {done.returncode} and said nothing")
    return parse(done.stdout)


def parse(text: str) -> Answer:
    """pip-audit's JSON. A package that it left out makes the whole no answer: "nothing found" would be a lie."""
    try:
        rows: list[dict[str, Any]] = json.loads(text)["dependencies"]
        skipped = [str(row["skip_reason"]) for row in rows if "skip_reason" in row]
        if skipped:
            raise NotAskedError(f"{len(skipped)} of {len(rows)} packages were left out, the first: {skipped[0]}")
        found = [_vulnerability(row, one) for row in rows for one in row["vulns"]]
        packages = {str(row["name"]): str(row["version"]) for row in rows}
    except (ValueError, KeyError, TypeError) as error:
        raise NotAskedError(f"pip-audit's answer is not as expected: {type(error).__name__}: {error}") from None
    if not packages:
        raise NotAskedError("there is no package in it")
    return Answer(packages, tuple(found))


def _vulnerability(row: dict[str, Any], one: dict[str, Any]) -> Vulnerability:
    summary = str(one.get("description") or "").strip().split("\n", 1)[0]
    return Vulnerability(
        str(row["name"]), str(row["version"]), (one["id"], *one["aliases"]), tuple(one["fix_versions"]), summary
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""

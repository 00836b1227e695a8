"""`python -m audit`: exit 0 clean, 1 vulnerable, 75 not asked, 64 a list or an option that cannot be used."""

import argparse
import sys
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from audit.advisories import Answer, NotAskedError, ask
from audit.ignored import IgnoredError, read_ignored
from audit.verdict import judge

_REQUIREMENTS: Final = Path(__file__).parents[2] / "requirements"
SHIPPED: Final = {
    "collector": "runtime.txt",
    "agent on dom0's Python 3.6": "agent-el7.txt",
    "agent on Python 3.12": "agent-el10.txt",
}


def main() -> int:
    chosen = _parser().parse_args()
    today = chosen.today or datetime.now(UTC).date()
    try:
        ignored = read_ignored(chosen.ignored, today)
    except IgnoredError as error:
        print(f"audit: {error}", file=sys.stderr)
        return 64
    # Without an address of one's own: what the package index says, else the open database of vulnerabilities.
    services = [["-s", "osv", "--osv-url", chosen.osv_url]] if chosen.osv_url else [["-s", "pypi"], ["-s", "osv"]]
    with tempfile.TemporaryDirectory() as cache:
        answers = {name: _ask(chosen, file, services, Path(cache)) for name, file in SHIPPED.items()}
    verdict = judge(answers, ignored, today)
    print("\n".join(verdict.lines))
    return verdict.exit_code


def _ask(chosen: argparse.Namespace, file: str, services: list[list[str]], cache: Path) -> Answer | str:
    reasons = []
    for service in services:
        try:
            return ask(chosen.pip_audit, chosen.requirements / file, service, cache)
        except NotAskedError as error:
            reasons.append(f"{service[1]}: {error}")
    return "; ".join(reasons)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="audit", description=__doc__)
    parser.add_argument("--pip-audit", type=Path, required=True, metavar="FILE")
    parser.add_argument("--osv-url", default="", metavar="URL", help="ask this service, which speaks OSV's query")
    parser.add_argument("--requirements", type=Path, default=_REQUIREMENTS, metavar="DIR")
    parser.add_argument("--ignored", type=Path, default=_REQUIREMENTS / "audit-ignored.toml", metavar="FILE")
    parser.add_argument("--today", type=date.fromisoformat, metavar="DATE", help="judge the list as of this day")
    return parser


if __name__ == "__main__":
    sys.exit(main())

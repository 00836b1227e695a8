"""`make audit` against a service on loopback that speaks OSV's query, asked by the real pip-audit; and its rules."""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from audit.__main__ import SHIPPED
from audit.advisories import Answer, NotAskedError, Vulnerability, ask, parse
from audit.ignored import Ignored, IgnoredError, read_ignored
from audit.verdict import CLEAN, NOT_ASKED, VULNERABLE, judge

REPOSITORY = Path(__file__).parents[2]
TODAY = date(2026, 11, 25)
Package = tuple[str, str]


def advisory(package: str, cve: str, fixed: str) -> dict[str, Any]:
    """As OSV has it."""
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]
    affected = [{"package": {"name": package, "ecosystem": "PyPI"}, "ranges": ranges}]
    return {"id": f"TEST-{cve}", "aliases": [cve], "summary": f"about {package}", "affected": affected}


@dataclass
class Service:
    """What it knows, by (name, version); `asked` is what it was asked for; `status` other than 200: it is unwell."""

    known: dict[Package, list[dict[str, Any]]]
    status: int = 200
    asked: set[Package] = field(default_factory=set)
    url: str = ""


@contextmanager
def served(service: Service) -> Iterator[Service]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            package = query["package"]["name"], query["version"]
            service.asked.add(package)
            found = service.known.get(package)
            body = json.dumps({"vulns": found} if found else {}).encode()
            self.send_response(service.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_port}/v1/query"
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def listed() -> dict[Package, list[dict[str, Any]]]:
    """A service that knows what the committed list names, and nothing else."""
    known: dict[Package, list[dict[str, Any]]] = {}
    for one in read_ignored(REPOSITORY / "requirements/audit-ignored.toml", TODAY):
        known.setdefault((one.package, one.version), []).append(advisory(one.package, one.id, "9.9"))
    return known


def audit(service: Service) -> "subprocess.CompletedProcess[str]":
    script = REPOSITORY / "scripts/audit"
    command: list[str | Path] = [script, "--osv-url", service.url, "--today", TODAY.isoformat()]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


def pinned() -> set[Package]:
    """Everything that is shipped here; what is for other systems or Pythons has a marker and is not asked for."""
    text = "".join((REPOSITORY / "requirements" / file).read_text() for file in SHIPPED.values())
    return {
        (name.lower(), version) for name, version in re.findall(r"^([\w.-]+)(?:\[\w+\])?==([\w.]+) \\$", text, re.M)
    }


def test_what_is_shipped_is_asked_for_and_clean_but_for_what_has_a_reason() -> None:
    with served(Service(listed())) as service:
        done = audit(service)
    assert (done.returncode, done.stderr) == (CLEAN, "")
    assert service.asked >= pinned()
    assert ("grpcio", "1.48.2") in service.asked
    assert "agent on dom0's Python 3.6: 4 packages, 6 known vulnerabilities" in done.stdout
    assert "grpcio 1.48.2: CVE-2023-33953, TEST-CVE-2023-33953; fixed in 9.9: about grpcio" in done.stdout
    assert "ignored until 2027-05-31: HPACK" in done.stdout
    assert done.stdout.endswith("no known vulnerability but those with a reason\n")


def test_one_that_nothing_excuses_fails() -> None:
    (h11,) = [one for one in pinned() if one[0] == "h11"]
    with served(Service({**listed(), h11: [advisory("h11", "CVE-2030-1", "99.0")]})) as service:
        done = audit(service)
    assert done.returncode == VULNERABLE
    assert f"h11 {h11[1]}: CVE-2030-1, TEST-CVE-2030-1; fixed in 99.0" in done.stdout
    assert "COUNTS: it is not on the list" in done.stdout


def test_a_service_that_knows_nothing_was_not_asked() -> None:
    with served(Service({})) as service:
        done = audit(service)
    assert done.returncode == NOT_ASKED
    assert "knows none of the advisories" in done.stdout
    assert "no known vulnerability but" not in done.stdout


def test_a_service_that_is_unwell_or_away_was_not_asked(tmp_path: Path) -> None:
    pip_audit, file = REPOSITORY / ".venv-audit/bin/pip-audit", REPOSITORY / "requirements/agent-el7.txt"
    with served(Service(listed())) as service:
        options = ["-s", "osv", "--osv-url", service.url]
        assert len(ask(pip_audit, file, options, tmp_path).vulnerabilities) == 6
        service.status = 503
        with pytest.raises(NotAskedError):
            ask(pip_audit, file, options, tmp_path)
    with pytest.raises(NotAskedError, match="refused"):
        ask(pip_audit, file, options, tmp_path)


FOUND = Vulnerability("grpcio", "1.48.2", ("GHSA-1", "CVE-1"), ("1.53.2",), "HPACK")
ENTRY = Ignored("CVE-1", "grpcio", "1.48.2", date(2027, 1, 1), "it is a client of one peer that it knows")
ANSWER = Answer({"grpcio": "1.48.2"}, (FOUND,))


@pytest.mark.parametrize(
    ("answer", "ignored", "today", "exit_code", "said"),
    [
        (ANSWER, (ENTRY,), TODAY, CLEAN, "ignored until 2027-01-01"),
        (ANSWER, (ENTRY,), date(2027, 1, 2), VULNERABLE, "its reason ended on 2027-01-01: look at it again"),
        (ANSWER, (), TODAY, VULNERABLE, "it is not on the list"),
        (Answer({"grpcio": "1.48.3"}, (replace(FOUND, version="1.48.3"),)), (ENTRY,), TODAY, VULNERABLE, "COUNTS"),
        (Answer({"grpcio": "1.48.2"}, ()), (ENTRY,), TODAY, NOT_ASKED, "does it still belong on the list?"),
        (Answer({"grpcio": "1.85.3"}, ()), (ENTRY,), TODAY, CLEAN, "does it still belong on the list?"),
        ("no route to host", (ENTRY,), TODAY, NOT_ASKED, "NOT ASKED: no route to host"),
    ],
)
def test_verdicts(answer: Answer | str, ignored: tuple[Ignored, ...], today: date, exit_code: int, said: str) -> None:
    verdict = judge({"agent": answer}, ignored, today)
    assert verdict.exit_code == exit_code
    assert said in "\n".join(verdict.lines)


def test_some_answered_and_some_not() -> None:
    """What was found counts, whatever else could not be asked; what was not asked is never clean."""
    assert judge({"a": ANSWER, "b": "away"}, (), TODAY).exit_code == VULNERABLE
    assert judge({"a": ANSWER, "b": "away"}, (ENTRY,), TODAY).exit_code == NOT_ASKED


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"dependencies": [{"name": "a", "skip_reason": "not found"}, {"name": "b", "version": "1", "vulns": []}]}',
         "1 of 2 packages were left out, the first: not found"),
        ('{"dependencies": []}', "there is no package in it"),
        ('{"dependencies": [{"name": "a"}]}', "not as expected"),
        ("No known vulnerabilities found", "not as expected"),
    ],
)  # fmt: skip
def test_an_answer_with_holes_is_none(text: str, said: str) -> None:
    with pytest.raises(NotAskedError, match=said):
        parse(text)


ENTRY_TEXT = """[[ignored]]
id = "CVE-1"
package = "grpcio"
version = "1.48.2"
until = 2027-05-31
reason = "it is a client, and speaks to one peer that it has verified"
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("until = 2027-05-31", "", "entry 1: until must be there, a date"),
        ("2027-05-31", "2029-01-01", "further away than a year: it must be looked at again"),
        ("it is a client, and speaks to one peer that it has verified", "fine", "must say why CVE-1 does no harm"),
        ("version =", "versions =", "entry 1: version must be there, a str"),
        ("reason =", 'note = "x"\nreason =', "note is not known here"),
        ("[[ignored]]", "[[ignored", "Expected"),
    ],
)
def test_a_list_that_cannot_be_used(old: str, new: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "ignored.toml"
    path.write_text(ENTRY_TEXT)
    assert read_ignored(path, TODAY)[0].id == "CVE-1"
    path.write_text(ENTRY_TEXT.replace(old, new))
    with pytest.raises(IgnoredError, match=re.escape(said)):
        read_ignored(path, TODAY)

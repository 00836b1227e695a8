"""Whatever changes something, or asks a host for its lines, leaves one record in the audit log.

The ways are enumerated: routes from the router, the command's verbs from its source, methods from the service
descriptors. One that is not known here fails until somebody has said how it is done, and that it is recorded.
"""

import ast
import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import chainwatch_collector.cli
import httpx2 as httpx
import pytest
from chainwatch.v1 import query_service_pb2
from chainwatch_collector.show.access import role_of_route, routes_of
from chainwatch_collector.show.app import build_app
from chainwatch_collector.show.guard import SESSION_COOKIE, Role
from chainwatch_collector.show.settings import ShowSettings
from chainwatch_collector.trust.challenge import signed_text
from collector.show.estate import estate
from collector.show.serving import NamedGuard
from collector.trust.requests import csr
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from lab.enrolling import OwnCaCollector
from lab.estate import follow_pool
from lab.two_collectors import until
from lab.xapi.process import lab_process

HOST = "6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a11"
WORD, OTHER_WORD = "correct horse battery", "another horse, another battery"
API: Final = "/api/v1"
APP = build_app(estate(), NamedGuard(), ShowSettings())
ROUTES = routes_of(APP)
CHANGING = {(method, path) for method, path in ROUTES if method not in ("GET", "HEAD", "OPTIONS")}


@dataclass
class Someone:
    """Talks to the collector, and remembers what later ways need of earlier ones."""

    collector: OwnCaCollector
    http: httpx.Client
    kept: dict[str, str] = field(default_factory=dict)
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def send(self, method: str, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        """As the first administrator, unless another token, or "" for nobody, is given."""
        chosen = self.collector.admin_token if token is None else token
        headers = {**({"Authorization": f"Bearer {chosen}"} if chosen else {}), **more.pop("headers", {})}
        self.http.cookies.clear()
        return self.http.request(method, path, headers=headers, **more)

    def json(self, method: str, path: str, by: str | None = None, **body: Any) -> dict[str, Any]:
        """A request of the API that must be granted; what it gives. `by`: a token, as for `send`."""
        answer = self.send(method, API + path, by, json=body)
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    def audited(self) -> list[dict[str, Any]]:
        """Newest first."""
        items: list[dict[str, Any]] = self.send("GET", f"{API}/audit?limit=500").json()["items"]
        return items

    def form(self, path: str, status: int = 303, **fields: Any) -> None:
        answer = self.send("POST", path, data=fields)
        assert answer.status_code == status, answer.text


def sign_in(one: Someone) -> None:
    answer = one.send("POST", "/login", "", data={"name": "ana", "password": WORD})
    assert answer.status_code == 303
    one.kept["session"] = answer.cookies[SESSION_COOKIE]


def sign_out(one: Someone) -> None:
    cookie = {"Cookie": f"{SESSION_COOKIE}={one.kept['session']}"}
    page = one.send("GET", "/", "", headers=cookie).text
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None
    answer = one.send("POST", "/logout", "", headers=cookie, data={"csrf_token": found[1]})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


def log_in(one: Someone) -> None:
    one.kept["token"] = one.json("POST", "/login", "", name="ana", password=WORD)["token"]


def mute(one: Someone) -> None:
    one.kept["mute"] = one.json("POST", "/mutes", code="SR_FULL", seconds=3600, reason="known")["id"]


def mute_by_form(one: Someone) -> None:
    one.form("/mutes", code="SR_FULL", hours=1, reason="known")
    one.kept["mute"] = one.send("GET", f"{API}/mutes").json()["items"][0]["id"]


def make_token(one: Someone) -> None:
    one.kept["number"] = one.json("POST", "/tokens", account="ana", label="x")["id"]


def enrolment_token(one: Someone) -> None:
    one.kept["enrolment"] = one.json("POST", f"/agent/{HOST}/token", seconds=600)["token"]


def enroll(one: Someone) -> None:
    asked = {"token": one.kept["enrolment"], "host_uuid": HOST, "request": csr(one.key).decode()}
    one.kept["certificate"] = one.json("POST", "/enroll", "", **asked)["certificate"]


def renew(one: Someone) -> None:
    challenge = one.send("GET", f"{API}/renew/challenge", "").json()["challenge"]
    request = csr(one.key).decode()
    signature = one.key.sign(signed_text(challenge, request), ec.ECDSA(hashes.SHA256()))
    asked = {"certificate": one.kept["certificate"], "challenge": challenge, "request": request}
    one.json("POST", "/renew", "", **asked, signature=base64.b64encode(signature).decode())


def refused(method: str, path: str, **more: Any) -> Callable[[Someone], None]:
    """What the collector will not do now: that it was asked for is recorded all the same."""

    def way(one: Someone) -> None:
        assert one.send(method, path, **more).status_code == 409

    return way


EVIDENCE = {"around": "1m"}
# In this order: (method, route) → how it is done, and the `what` and `who` of its record.
WAYS: Final[dict[tuple[str, str], tuple[Callable[[Someone], object], str, str]]] = {
    ("POST", f"{API}/accounts"): (
        lambda one: one.json("POST", "/accounts", name="ana", role="operator", password=WORD), "account", "admin"),
    ("PATCH", f"{API}/account/{{name}}"): (
        lambda one: one.json("PATCH", "/account/ana", role="viewer"), "account", "admin"),
    ("POST", f"{API}/login"): (log_in, "login", "ana"),
    ("POST", "/login"): (sign_in, "login", "ana"),
    ("POST", "/logout"): (sign_out, "logout", "ana"),
    ("POST", f"{API}/tokens"): (make_token, "token", "admin"),
    ("DELETE", f"{API}/token/{{token_id}}"): (
        lambda one: one.json("DELETE", f"/token/{one.kept['number']}"), "token", "admin"),
    ("POST", f"{API}/mutes"): (mute, "mute", "admin"),
    ("DELETE", f"{API}/mute/{{mute_id}}"): (
        lambda one: one.json("DELETE", f"/mute/{one.kept['mute']}"), "unmute", "admin"),
    ("POST", "/mutes"): (mute_by_form, "mute", "admin"),
    ("POST", "/mutes/{mute_id}/end"): (lambda one: one.form(f"/mutes/{one.kept['mute']}/end"), "unmute", "admin"),
    ("POST", f"{API}/sr/{{sr}}/rescan"): (refused("POST", f"{API}/sr/local-1/rescan"), "rescan", "admin"),
    ("POST", "/sr/{sr}/rescan"): (refused("POST", "/sr/local-1/rescan"), "rescan", "admin"),
    ("POST", f"{API}/agent/{{host}}/evidence"): (
        refused("POST", f"{API}/agent/{HOST}/evidence", json=EVIDENCE), "evidence", "admin"),
    ("POST", "/agent/{host}/raw"): (refused("POST", "/agent/xcp1/raw", data=EVIDENCE), "evidence", "admin"),
    ("POST", f"{API}/agent/{{host}}/token"): (enrolment_token, "enroll", "admin"),
    ("POST", f"{API}/enroll"): (enroll, "enroll", f"host {HOST}"),
    ("POST", f"{API}/renew"): (renew, "renew", f"host {HOST}"),
    ("POST", f"{API}/agent/{{host}}/revoke"): (
        lambda one: one.json("POST", f"/agent/{HOST}/revoke"), "revoke", "admin"),
    ("POST", f"{API}/password"): (
        lambda one: one.json("POST", "/password", one.kept["token"], old=WORD, new=OTHER_WORD), "account", "ana"),
}  # fmt: skip


@pytest.fixture
def someone(tmp_path: Path) -> Iterator[Someone]:
    build = [["add_sr", {"kind": "ext", "name": "local-1", "host": "xcp1"}]]
    with lab_process(hosts=["xcp1"], build=build) as pool:
        collector = OwnCaCollector(tmp_path, extra="[rescan]\nenabled = true\n")
        follow_pool(collector, pool, "prod")
        collector.start()
        try:
            with httpx.Client(base_url=f"https://{collector.web}", verify=False, trust_env=False, timeout=30) as http:
                yield Someone(collector, http)
        finally:
            collector.kill()


def test_every_route_that_changes_something_leaves_one_record(someone: Someone) -> None:
    assert WAYS.keys() == CHANGING, "say here how a new route is used, and how it is recorded"
    until(lambda: someone.send("GET", f"{API}/sr/local-1").status_code == 200)
    records = {}
    for route, (way, _, _) in WAYS.items():
        before = someone.audited()
        way(someone)
        after = someone.audited()
        records[route] = [(one["what"], one["who"]) for one in after[: len(after) - len(before)]]
    assert records == {route: [(what, who)] for route, (_, what, who) in WAYS.items()}
    refused_ones = [one for one in someone.audited() if one["outcome"] == "refused"]
    assert sorted(one["what"] for one in refused_ones) == ["evidence", "evidence", "rescan", "rescan"]
    text = str(someone.audited())
    for secret in (WORD, OTHER_WORD, someone.kept["token"], someone.kept["session"], someone.kept["enrolment"]):
        assert secret not in text


def test_a_wrong_password_and_a_wrong_token_are_recorded_too(someone: Someone) -> None:
    assert someone.send("POST", f"{API}/login", "", json={"name": "eve", "password": WORD}).status_code == 401
    body = {"token": f"cw1.{'A' * 43}.{'0' * 64}", "host_uuid": HOST, "request": csr().decode()}
    assert someone.send("POST", f"{API}/enroll", "", json=body).status_code == 401
    assert [(one["what"], one["outcome"]) for one in someone.audited()] == [("enroll", "refused"), ("login", "refused")]


def test_a_viewer_s_attempt_at_any_of_them_is_recorded_once_by_the_same_word(someone: Someone) -> None:
    """Pool limits and forms of other sites: tests/collector/show/test_refusals.py."""
    someone.json("POST", "/accounts", name="vic", role="viewer")
    token = someone.json("POST", "/tokens", account="vic", label="x")["token"]
    expected, records = {}, {}
    for (method, path), (_, what, _) in WAYS.items():
        if (role_of_route(APP, method, path) or Role.VIEWER) > Role.VIEWER:
            before = len(someone.audited())
            assert someone.send(method, re.sub(r"{\w+}", HOST, path), token).status_code == 403
            after = someone.audited()
            made = after[: len(after) - before]
            records[method, path] = [(one["who"], one["what"], one["outcome"]) for one in made]
            expected[method, path] = [("vic", what, "refused")]
    assert len(expected) >= 12
    assert records == expected


CLI = Path(chainwatch_collector.cli.__file__).parent
METHODS = {"post": "POST", "patch": "PATCH", "put": "PUT", "delete": "DELETE"}


def changes_of(source: Path) -> set[tuple[str, str]]:
    """(method, route) of every request in a module that may change something; placeholders are {}."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            found.add((METHODS[node.func.attr], API + template(node.args[0])))
    return found


def template(path: ast.expr) -> str:
    if isinstance(path, ast.Constant):
        return str(path.value)
    assert isinstance(path, ast.JoinedStr), "the path of a request is written where it is made"
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in path.values)


def test_every_verb_that_changes_something_goes_by_such_a_route() -> None:
    """The command has no other way: only its client speaks HTTP, and it has these methods alone."""
    by_verb = {source.stem: changes_of(source) for source in CLI.glob("*.py") if source.stem != "client"}
    known = {(method, re.sub(r"{\w+}", "{}", path)) for method, path in WAYS}
    assert {way for ways in by_verb.values() for way in ways} <= known
    assert {verb for verb, ways in by_verb.items() if ways} == {
        "agent_enroll", "agent_revoke", "events_raw", "login", "mute", "rescan", "token", "unmute", "user",
    }  # fmt: skip
    speaking = {
        source.stem for source in CLI.glob("*.py") if re.search(r"import (httpx|urllib|socket)", source.read_text())
    }
    assert speaking <= {"client", "diagnose", "pool_local"}


def test_the_query_service_changes_nothing() -> None:
    names = [method.name for method in query_service_pb2.DESCRIPTOR.services_by_name["QueryService"].methods]
    assert names
    assert [name for name in names if not name.startswith(("Get", "List", "Watch", "Why"))] == []

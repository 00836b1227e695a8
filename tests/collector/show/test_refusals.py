"""Whoever tries a change, or asks for raw lines, beyond their role or pools leaves one record; so does a form of
another site. The routes are enumerated: a new one fails here until somebody says what its record is called."""

import asyncio
import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import pytest
from chainwatch_collector.show.access import PUBLIC, SAFE_METHODS, SELF_PROVING, role_of_route, routes_of
from chainwatch_collector.show.accounts import AccountChange
from chainwatch_collector.show.app import build_app
from chainwatch_collector.show.guard import Principal, RefusedError, Role
from chainwatch_collector.show.refusals import AT_ONCE, WORDS, Refusals
from chainwatch_collector.show.settings import ShowSettings
from chainwatch_collector.show.views import AuditEntry, Mute, MuteRequest, NotAvailableError
from collector.show.estate import DR, NFS, PROD, estate
from collector.show.memory import MemoryModel
from collector.show.secured import Secured, secured
from collector.show.serving import NamedGuard
from fastapi import Request
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

API: Final = "/api/v1"
APP = build_app(estate(), NamedGuard(), ShowSettings())
WORD = "correct horse battery"
ROOT = Principal("root", Role.ADMIN)
CHANGING = [(method, path) for method, path in routes_of(APP) if method not in SAFE_METHODS]
WITH_A_ROLE = [route for route in CHANGING if role_of_route(APP, *route) is not None]
BEYOND_A_VIEWER = [route for route in WITH_A_ROLE if (role_of_route(APP, *route) or 0) > Role.VIEWER]

MUTE = {"code": "SR_SPACE_LOW", "seconds": 60, "reason": "x", "subject": "nfs-prod-1"}
MUTE_FORM = {"code": "SR_SPACE_LOW", "hours": "1", "reason": "x", "subject": "nfs-prod-1"}
OUT_OF_SCOPE: Final[Mapping[tuple[str, str], tuple[dict[str, Any], str | None]]] = {
    # Route → what an administrator of the pool dr alone sends, and the pool of the record.
    ("POST", f"{API}/accounts"): ({"json": {"name": "eve", "pools": ["prod"]}}, PROD),
    ("PATCH", f"{API}/account/{{name}}"): ({"json": {"role": "viewer"}}, None),
    ("POST", f"{API}/tokens"): ({"json": {"account": "ana"}}, None),
    ("DELETE", f"{API}/token/{{token_id}}"): ({}, None),
    ("POST", f"{API}/mutes"): ({"json": MUTE}, PROD),
    ("DELETE", f"{API}/mute/{{mute_id}}"): ({}, PROD),
    ("POST", "/mutes"): ({"data": MUTE_FORM}, PROD),
    ("POST", "/mutes/{mute_id}/end"): ({}, PROD),
    ("POST", f"{API}/sr/{{sr}}/rescan"): ({}, PROD),
    ("POST", "/sr/{sr}/rescan"): ({}, PROD),
    ("POST", f"{API}/agent/{{host}}/evidence"): ({"json": {"around": "1m"}}, PROD),
    ("POST", "/agent/{host}/raw"): ({"data": {"around": "1m"}}, PROD),
    ("POST", f"{API}/agent/{{host}}/token"): ({}, PROD),
    ("POST", f"{API}/agent/{{host}}/revoke"): ({}, PROD),
}  # fmt: skip
OF_ONESELF = {("POST", f"{API}/password")}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Secured]:
    with secured(tmp_path) as made:
        asyncio.run(made.accounts.add("ana", AccountChange(role="operator", password=WORD), ROOT))
        until = made.model.clock.replace(year=2027)
        sr = made.model.find("nfs-prod-1")
        asyncio.run(made.model.mute(MuteRequest("SR_SPACE_LOW", sr, until, "known"), "root"))
        yield made


@pytest.fixture
def client(served: Secured) -> Iterator[TestClient]:
    with TestClient(served.app, base_url="https://testserver", follow_redirects=False) as client:
        yield client


class Log:
    """What was written since the last look. Accounts and the model go by clocks of their own: it is counted."""

    def __init__(self, served: Secured) -> None:
        self._model = served.model
        self._seen = Counter[AuditEntry]()
        self.new()

    def new(self) -> list[AuditEntry]:
        found = Counter(asyncio.run(self._model.audit(datetime(2026, 1, 1, tzinfo=UTC), 1000)))
        made = found - self._seen
        self._seen = found
        return list(made.elements())


def ana_s_token(served: Secured, client: TestClient) -> str:
    answer = client.post(f"{API}/login", json={"name": "ana", "password": WORD})
    number: str = answer.json()["id"]
    return number


def concrete(path: str, served: Secured, token_id: str) -> str:
    agent = next(one for one in served.model.agent_views if one.pool_uuid == PROD)
    mute = served.model.mute_list[-1].id
    values = {"sr": "nfs-prod-1", "host": agent.host_name, "mute_id": mute, "name": "ana", "token_id": token_id}
    return re.sub(r"{(\w+)}", lambda found: values[found[1]], path)


def test_every_changing_route_is_named_here() -> None:
    assert {path.removeprefix(API) for _, path in CHANGING if path not in PUBLIC | SELF_PROVING} | {
        "/logout"
    } == WORDS.keys(), "say in WORDS what the record of a new route is called"
    assert OUT_OF_SCOPE.keys() | OF_ONESELF == set(WITH_A_ROLE), "say here how a new route is used out of scope"


def test_what_only_reads_and_asks_for_more_than_a_viewer_is_no_evidence_request() -> None:
    """A route that would hand out raw lines by GET would go unrecorded: it must not come to be."""
    reading = {
        path
        for method, path in routes_of(APP)
        if method == "GET" and (role_of_route(APP, method, path) or Role.VIEWER) > Role.VIEWER
    }
    assert reading == {f"{API}/audit", f"{API}/accounts", "/agent/{host}/raw"}, "the last one is the empty form"


def test_a_viewer_s_attempt_at_every_route_leaves_one_record(served: Secured, client: TestClient) -> None:
    number, log = ana_s_token(served, client), Log(served)
    assert len(BEYOND_A_VIEWER) >= 12
    for method, path in BEYOND_A_VIEWER:
        answer = client.request(
            method, concrete(path, served, number), headers={"Authorization": "Bearer view", "accept": "text/html"}
        )
        assert answer.status_code == 403, (method, path)
        made = log.new()
        short = path.removeprefix(API)
        told = [(one.who, one.what, one.outcome) for one in made]
        assert told == [("view", WORDS[short], "refused")], (method, path)
        assert made[0].detail.startswith(f"{method} {short}: view is viewer; this needs "), made[0].detail
        named = "{sr}" in path or "{host}" in path or "{mute_id}" in path
        assert made[0].pool_uuid == (PROD if named else None), (method, path)
        assert bool(made[0].subject) == ("{" in path), (method, path)


def test_an_attempt_out_of_scope_at_every_route_leaves_one_record(served: Secured, client: TestClient) -> None:
    number, log = ana_s_token(served, client), Log(served)
    for (method, path), (more, pool) in OUT_OF_SCOPE.items():
        headers = {"Authorization": f"Bearer admin@{DR}"}
        answer = client.request(method, concrete(path, served, number), headers=headers, **more)
        assert answer.status_code in (403, 404), (method, path, answer.text)
        made = log.new()
        told = [(one.who, one.what, one.outcome, one.pool_uuid) for one in made]
        assert told == [("admin", WORDS[path.removeprefix(API)], "refused", pool)], (method, path)


def test_every_route_by_a_session_without_its_csrf_token_leaves_one_record(served: Secured, client: TestClient) -> None:
    number, log = ana_s_token(served, client), Log(served)
    for method, path in [*WITH_A_ROLE, ("POST", "/logout")]:
        client.cookies.set("chainwatch_session", "operate")
        answer = client.request(method, concrete(path, served, number))
        assert answer.status_code == 403, (method, path)
        made = log.new()
        told = [(one.who, one.what, one.outcome) for one in made]
        assert told == [("operate", WORDS[path.removeprefix(API)], "refused")], (method, path)
        assert "not from our pages" in made[0].detail


def test_an_own_account_s_limits_are_recorded_too(served: Secured, client: TestClient) -> None:
    """Routes that a viewer may use, beyond what it is for; and mutes wider than an operator's pools."""
    number = ana_s_token(served, client)
    view, narrow = {"Authorization": "Bearer view"}, {"Authorization": f"Bearer operate@{DR}"}
    everywhere = Mute("m9", "SR_FULL", None, "", None, served.model.clock.replace(year=2027), "root", "x", NOW)
    served.model.mute_list.append(everywhere)
    log = Log(served)
    assert client.post(f"{API}/tokens", json={"account": "ana"}, headers=view).status_code == 403
    assert client.delete(f"{API}/token/{number}", headers=view).status_code == 403
    wide = {key: value for key, value in MUTE.items() if key != "subject"}
    assert client.post(f"{API}/mutes", json=wide, headers=narrow).status_code == 403
    assert client.delete(f"{API}/mute/m9", headers=narrow).status_code == 403
    assert {(one.who, one.what, one.subject) for one in log.new()} == {
        ("view", "token", ""),
        ("view", "token", "ana"),
        ("operate", "mute", ""),
        ("operate", "unmute", "SR_FULL"),
    }


NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def model() -> MemoryModel:
    return estate()


def asked(model: MemoryModel, token: str | None, method: str, path: str, **more: Any) -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with TestClient(build_app(model, NamedGuard(), ShowSettings()), headers=headers) as client:
        return client.request(method, path, **more).status_code


@pytest.mark.parametrize(
    ("token", "method", "path", "status"),
    [
        (None, "POST", "/sr/nfs-prod-1/rescan", 401),
        ("stranger", "POST", f"{API}/sr/nfs-prod-1/rescan", 401),
        ("operate", "GET", f"{API}/audit", 403),
        ("view", "GET", "/agent/host-1/raw", 403),
        (f"view@{DR}", "GET", f"{API}/sr/nfs-prod-1", 404),
        ("admin", "POST", f"{API}/sr/nope/rescan", 404),
        ("operate", "DELETE", f"{API}/mute/m77", 404),
        ("view", "POST", f"{API}/nowhere", 404),
    ],
)
def test_nobody_readers_and_mistakes_leave_none(
    model: MemoryModel, token: str | None, method: str, path: str, status: int
) -> None:
    assert asked(model, token, method, path) == status
    assert model.audit_log == []


def test_what_is_out_of_sight_is_recorded_for_those_who_see_it_and_answered_as_if_it_were_not(
    model: MemoryModel,
) -> None:
    answers = []
    with TestClient(build_app(model, NamedGuard(), ShowSettings())) as client:
        for name in ("nfs-prod-1", "nothing-such"):
            answer = client.post(f"{API}/sr/{name}/rescan", headers={"Authorization": f"Bearer operate@{DR}"})
            answers.append((answer.status_code, answer.text.replace(name, "it")))
    assert answers[0] == answers[1]
    assert [(one.subject, one.pool_uuid) for one in model.audit_log] == [(NFS, PROD), ("", None)]
    assert model.audit_log[0].detail == model.audit_log[1].detail


@pytest.mark.parametrize("secret", ["cwt_" + "A" * 43, "hunter22", "x" * 299, "%0aevil", "%C2%B2%C2%B3"])
def test_what_was_sent_in_the_place_of_a_name_is_not_kept(model: MemoryModel, secret: str) -> None:
    with TestClient(build_app(model, NamedGuard(), ShowSettings())) as client:
        for method, path in BEYOND_A_VIEWER:
            for token in ("view", f"admin@{DR}"):
                headers = {"Authorization": f"Bearer {token}", "X-Secret": secret}
                client.request(method, re.sub(r"{\w+}", secret, path), headers=headers, json={"password": secret})
    assert {one.who for one in model.audit_log} == {"view", "admin"}
    assert len(model.audit_log) > len(BEYOND_A_VIEWER)
    assert {one.subject for one in model.audit_log} == {""}
    assert secret not in str(model.audit_log)
    assert unquote(secret) not in str(model.audit_log)
    assert max(len(one.detail) for one in model.audit_log) < 300


@dataclasses.dataclass
class Loop:
    """A viewer in a loop, and the clock it loops by."""

    model: MemoryModel
    refusals: Refusals
    seconds: list[float]

    def refused(self, count: int, who: str = "eve", path: str = "/sr/{sr}/rescan") -> None:
        asyncio.run(self._refused(count, who, path))

    async def _refused(self, count: int, who: str, path: str) -> None:
        route = APIRoute(path, lambda: None)
        for _ in range(count):
            request = Request({"type": "http", "method": "POST", "path_params": {}, "route": route, "headers": []})
            request.state.principal = Principal(who, Role.VIEWER)
            await self.refusals.note(request, RefusedError(403, "eve is viewer; this needs operator", ""))


@pytest.fixture
def loop(model: MemoryModel) -> Loop:
    seconds = [0.0]
    return Loop(model, Refusals(model, None, lambda: seconds[0]), seconds)


def test_who_loops_fills_no_database_and_is_counted(loop: Loop) -> None:
    loop.refused(1000)
    assert len(loop.model.audit_log) == AT_ONCE
    loop.refused(1, who="bob")
    loop.refused(1, path="/agent/{host}/evidence")
    assert [(one.who, one.what) for one in loop.model.audit_log[AT_ONCE:]] == [("bob", "rescan"), ("eve", "evidence")]
    loop.seconds[0] = 60.0
    loop.refused(20)
    assert len(loop.model.audit_log) == AT_ONCE + 3
    assert loop.model.audit_log[-1].detail.endswith(f"; {1000 - AT_ONCE} more since the record before")
    loop.seconds[0] = 120.0
    loop.refused(1)
    assert loop.model.audit_log[-1].detail.endswith("; 19 more since the record before")


def test_many_accounts_and_words_take_bounded_memory(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainwatch_collector.show.refusals.MOST_KEYS", 8)
    for number in range(20):
        loop.refused(AT_ONCE + 1, who=f"n{number}")
    assert len(loop.refusals._left_out) == 8


def test_a_refusal_stays_one_where_the_log_cannot_be_written(
    model: MemoryModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = model.record_audit

    async def busy(entry: AuditEntry) -> None:
        raise NotAvailableError("the database is busy", "try again")

    with TestClient(build_app(model, NamedGuard(), ShowSettings()), headers={"Authorization": "Bearer view"}) as client:
        monkeypatch.setattr(model, "record_audit", busy)
        assert client.post(f"{API}/sr/nfs-prod-1/rescan").status_code == 403
        monkeypatch.setattr(model, "record_audit", written)
        assert client.post(f"{API}/sr/nfs-prod-1/rescan").status_code == 403
    assert [one.detail.rpartition("; ")[2] for one in model.audit_log] == ["1 more since the record before"]

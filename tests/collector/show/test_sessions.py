"""Signing in and out: cookie, CSRF, rate, and nobody is sent elsewhere."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from chainwatch_collector.show.access import PUBLIC
from chainwatch_collector.show.accounts import AccountChange
from chainwatch_collector.show.app import LOGINS_AT_ONCE
from chainwatch_collector.show.guard import Principal, Role
from chainwatch_collector.show.web.sessions import local_path
from collector.show.secured import Secured, secured
from fastapi.testclient import TestClient

WORD = "correct horse battery"
ROOT = Principal("root", Role.ADMIN)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Secured]:
    with secured(tmp_path) as made:
        asyncio.run(made.accounts.add("ana", AccountChange(role="operator", password=WORD), ROOT))
        yield made


@pytest.fixture
def client(served: Secured) -> Iterator[TestClient]:
    with TestClient(served.app, base_url="https://testserver", follow_redirects=False) as client:
        client.headers["accept"] = "text/html"
        yield client


def sign_in(client: TestClient, password: str = WORD, **more: str) -> int:
    return client.post("/login", data={"name": "ana", "password": password, **more}).status_code


def test_nobody_is_sent_to_the_form_and_back_to_where_they_wanted(client: TestClient) -> None:
    there = client.get("/findings?code=SR_SPACE_LOW")
    assert (there.status_code, there.headers["location"]) == (303, "/login?next=%2Ffindings%3Fcode%3DSR_SPACE_LOW")
    form = client.get(there.headers["location"])
    assert form.status_code == 200
    assert 'name="next" value="/findings?code=SR_SPACE_LOW"' in form.text
    assert "nfs-prod-1" not in form.text
    back = client.post("/login", data={"name": "ana", "password": WORD, "next": "/findings?code=SR_SPACE_LOW"})
    assert (back.status_code, back.headers["location"]) == (303, "/findings?code=SR_SPACE_LOW")
    cookie = back.headers["set-cookie"]
    assert all(part in cookie for part in ("chainwatch_session=cws_", "HttpOnly", "Secure", "SameSite=lax", "Path=/"))
    assert client.get("/").status_code == 200
    assert client.get("/api/v1/whoami").json() == {"name": "ana", "role": "operator", "pools": None}


def test_a_change_needs_the_csrf_token_and_signing_out_ends_it(client: TestClient) -> None:
    assert sign_in(client) == 303
    mute = {"code": "SR_SPACE_LOW", "hours": "1", "reason": "disks ordered"}
    assert client.post("/mutes", data=mute).status_code == 403
    assert client.post("/mutes", data={**mute, "csrf_token": "x"}).status_code == 403
    assert client.post("/api/v1/mutes", json={"code": "SR_SPACE_LOW", "seconds": 60, "reason": "x"}).status_code == 403
    assert client.post("/logout").status_code == 403
    page = client.get("/findings").text
    token = re.findall(r'name="csrf_token" value="([^"]+)"', page)[0]
    done = client.post("/mutes", data={**mute, "csrf_token": token})
    assert done.status_code == 303, done.text
    cookie = client.cookies["chainwatch_session"]
    assert client.post("/logout", data={"csrf_token": token}).headers["location"] == "/login"
    client.cookies.set("chainwatch_session", cookie)
    assert client.get("/").status_code == 303


def test_a_wrong_password_is_said_once_and_slowed(client: TestClient) -> None:
    refused = client.post("/login", data={"name": "ana", "password": "wrong horse battery"})
    assert refused.status_code == 401
    assert "do not let you in" in refused.text
    assert "set-cookie" not in refused.headers
    for _ in range(LOGINS_AT_ONCE):
        last = client.post("/api/v1/login", json={"name": "ana", "password": "wrong horse battery"})
    assert (last.status_code, last.json()["error"]["code"]) == (429, "too_many_tries")
    assert sign_in(client) == 429


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}]
)
def test_another_site_s_form_signs_nobody_in(client: TestClient, headers: dict[str, str]) -> None:
    refused = client.post("/login", data={"name": "ana", "password": WORD}, headers=headers)
    assert refused.status_code == 403
    assert "set-cookie" not in refused.headers


@pytest.mark.parametrize(
    "text", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "x", "/a\nb"]
)
def test_the_way_back_is_ours(client: TestClient, text: str) -> None:
    assert local_path(text) == "/"


def test_the_way_back_keeps_paths_of_ours() -> None:
    assert local_path("/sr/x?a=1#b") == "/sr/x?a=1#b"
    assert "/login" in PUBLIC

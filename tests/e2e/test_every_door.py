"""Nobody, strangers, the expired, the revoked, the wrong role and the wrong host at every door of a real collector.

The doors are enumerated: methods from the service descriptors, routes from the router. A new one is tried here before
anybody remembers to write a test for it.
"""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx2 as httpx
import pytest
from chainwatch.v1 import ingest_service_pb2, query_service_pb2
from chainwatch_collector.keep.engine import open_bare, sqlite_url
from chainwatch_collector.keep.tables import HOSTS
from chainwatch_collector.keep.trust_tables import ACCESS_TOKENS
from chainwatch_collector.show.access import PUBLIC, SELF_PROVING, role_of_route, routes_of
from chainwatch_collector.show.app import build_app
from chainwatch_collector.show.guard import Role
from chainwatch_collector.show.settings import ShowSettings
from chainwatch_collector.trust.authority import Authority, new_authority, request_of
from chainwatch_collector.trust.files import TrustFiles
from collector.show.estate import estate
from collector.show.serving import NamedGuard
from collector.trust.requests import csr
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from lab.enrolling import OwnCaCollector
from lab.wire import hello
from sqlalchemy import func, select

HOST = "6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a11"
APP = build_app(estate(), NamedGuard(), ShowSettings())
ROUTES = [(method, path) for method, path in routes_of(APP) if path not in PUBLIC | SELF_PROVING]
METHODS = [
    (f"/{service.full_name}/{method.name}", method.client_streaming, method.server_streaming)
    for module in (query_service_pb2, ingest_service_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
INGEST = [one for one in METHODS if ".IngestService/" in one[0]]
QUERY = [one for one in METHODS if ".IngestService/" not in one[0]]


@dataclass
class Doors:
    """A running collector and the tokens of those that it should know or refuse."""

    collector: OwnCaCollector
    tokens: dict[str, str]
    authority: Authority


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    collector = OwnCaCollector(tmp_path_factory.mktemp("collector"))
    collector.start()
    try:
        yield Doors(
            collector, tokens_of(collector), TrustFiles(collector.state / "tls", timedelta(days=90)).open(now())
        )
    finally:
        collector.kill()


def now() -> datetime:
    return datetime.now(UTC)


def tokens_of(collector: OwnCaCollector) -> dict[str, str]:
    """By what is wrong, or right, with them."""
    made = {}
    for name, role in (("viewer", "viewer"), ("operator", "operator"), ("expired", "admin"), ("revoked", "admin")):
        assert collector.ask("POST", "/accounts", json={"name": name, "role": role}).status_code == 201
        answer = collector.ask("POST", "/tokens", json={"account": name, "label": name})
        made[name] = answer.json()["token"]
        if name == "revoked":
            assert collector.ask("DELETE", f"/token/{answer.json()['id']}").status_code == 200
    assert collector.ask("POST", "/accounts", json={"name": "disabled", "role": "admin"}).status_code == 201
    made["disabled"] = collector.ask("POST", "/tokens", json={"account": "disabled"}).json()["token"]
    assert collector.ask("PATCH", "/account/disabled", json={"disabled": True}).status_code == 200
    engine = open_bare(sqlite_url(collector.state / "chainwatch.db"))
    with engine.begin() as connection:
        connection.execute(ACCESS_TOKENS.update().where(ACCESS_TOKENS.c.label == "expired").values(expires_at_us=1))
    engine.dispose()
    return made | {"unknown": "cwt_" + "A" * 43, "malformed": "", "cookie's": "cws_" + "A" * 43}


REFUSED = ("expired", "revoked", "disabled", "unknown", "cookie's")


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_asks_for_a_role(method: str, path: str) -> None:
    assert role_of_route(APP, method, path) is not None, "add a role, or name it in PUBLIC with its reason"


def test_public_routes_exist_and_are_few() -> None:
    paths = {path for _, path in routes_of(APP)}
    assert paths >= PUBLIC | SELF_PROVING
    assert {path for method, path in routes_of(APP) if path in PUBLIC and method not in ("GET", "HEAD")} == {"/login"}


def test_no_route_lets_in_who_should_not_be(doors: Doors) -> None:
    """One after the other over one connection each: no token that ended, and no role that is too small."""
    answered = []
    with httpx.Client(verify=False, trust_env=False, base_url=f"https://{doors.collector.web}") as client:
        for method, path in ROUTES:
            needed = role_of_route(APP, method, path)
            assert needed is not None
            concrete = re.sub(r"{\w+}", HOST, path)
            for who in REFUSED:
                answered.append((method, path, who, send(client, method, concrete, doors.tokens[who]), 401))
            for who, role in (("viewer", Role.VIEWER), ("operator", Role.OPERATOR)):
                if role < needed:
                    answered.append((method, path, who, send(client, method, concrete, doors.tokens[who]), 403))
    assert len(answered) > 200
    assert [one for one in answered if one[3] != one[4]] == []


def send(client: Any, method: str, path: str, token: str) -> int:
    return int(client.request(method, path, headers={"Authorization": f"Bearer {token}"}).status_code)


def test_a_header_that_is_no_bearer_token_is_refused(doors: Doors) -> None:
    with httpx.Client(verify=False, trust_env=False, base_url=f"https://{doors.collector.web}") as client:
        for header in ("Basic YWRtaW46YWRtaW4=", "Bearer", "Token abc", "x"):
            answer = client.get("/api/v1/health", headers={"Authorization": header})
            assert answer.status_code == 401, header


WRONG_PROOFS = {
    "/api/v1/enroll": {"token": f"cw1.{'A' * 43}.{'0' * 64}", "host_uuid": HOST, "request": csr().decode()},
    "/api/v1/renew": {"certificate": "x", "challenge": "1.a.b", "request": csr().decode(), "signature": "AAAA"},
    "/api/v1/login": {"name": "viewer", "password": "wrong horse battery"},
}


def test_doors_with_a_proof_of_their_own(doors: Doors) -> None:
    # The challenge is for everybody and proves nothing by itself; /logout ends only what its cookie names.
    assert set(WRONG_PROOFS) == SELF_PROVING - {"/api/v1/renew/challenge", "/logout"}
    for path, body in WRONG_PROOFS.items():
        answer = doors.collector.ask("POST", path.removeprefix("/api/v1"), "", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthenticated"), path


async def call(
    channel: grpc.aio.Channel, method: str, streams: tuple[bool, bool], token: str | None
) -> grpc.StatusCode:
    """The status of a call with one message, whatever its kind.

    grpc.aio's client says INTERNAL where the server ended the call while its own message was on the way: asked again.
    """
    while (code := await call_once(channel, method, streams, token)) is grpc.StatusCode.INTERNAL:
        await asyncio.sleep(0.05)
    return code


async def call_once(
    channel: "grpc.aio.Channel", method: str, streams: tuple[bool, bool], token: str | None
) -> grpc.StatusCode:
    """The status that the client saw."""
    kinds: dict[tuple[bool, bool], Any] = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, True): channel.stream_stream,
        (True, False): channel.stream_unary,
    }
    metadata = (("authorization", f"Bearer {token}"),) if token is not None else ()
    first = ingest_service_pb2.AgentMessage(hello=hello()).SerializeToString() if streams[0] else b""
    given: Any = iter_once(first) if streams[0] else first
    started = kinds[streams](method)(given, metadata=metadata, timeout=20)
    try:
        if streams[1]:
            async for _ in started:
                started.cancel()
                return grpc.StatusCode.OK
        else:
            await started
    except grpc.aio.AioRpcError as error:
        return error.code()
    code = await started.code()
    assert isinstance(code, grpc.StatusCode)
    return code


async def iter_once(message: bytes) -> Any:
    yield message
    await asyncio.sleep(5)


@pytest.mark.parametrize(("method", "client_streams", "server_streams"), QUERY)
async def test_every_query_method(doors: Doors, method: str, client_streams: bool, server_streams: bool) -> None:
    trust = grpc.ssl_channel_credentials(doors.authority.bundle_pem)
    async with grpc.aio.secure_channel(doors.collector.web, trust) as channel:
        for who in REFUSED:
            code = await call(channel, method, (client_streams, server_streams), doors.tokens[who])
            assert code is grpc.StatusCode.UNAUTHENTICATED, who
        code = await call(channel, method, (client_streams, server_streams), doors.tokens["viewer"])
        assert code not in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


def identity(authority: Authority, host: str = HOST, at: datetime | None = None, days: int = 90) -> tuple[bytes, bytes]:
    """(key, certificate) as PEM, signed by this CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    issued = authority.host_certificate(request_of(csr(key)), host, at or now(), days)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, issued.pem


@pytest.mark.parametrize(("method", "client_streams", "server_streams"), INGEST)
async def test_every_ingest_method(doors: Doors, method: str, client_streams: bool, server_streams: bool) -> None:
    revoked_host = "b2c5c1d2-1f0e-4a53-8f6e-0c1d2e3f4a5b"
    revoked = identity(doors.authority, revoked_host)
    assert doors.collector.ask("POST", f"/agent/{revoked_host}/revoke").status_code == 200
    tls = doors.collector.state / "tls"
    server = (tls / "server.key").read_bytes(), (tls / "server.pem").read_bytes()
    unauthenticated, denied, unavailable = (
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAVAILABLE,
    )
    cases = {
        "nobody": (None, unavailable),
        "of another CA": (identity(new_authority(now())), unavailable),
        "expired": (identity(doors.authority, at=now() - timedelta(days=9), days=1), unavailable),
        "a server's": (server, unavailable),
        "no uuid": (identity(doors.authority, "root"), unauthenticated),
        "a uuid in capitals": (identity(doors.authority, HOST.upper()), unauthenticated),
        "revoked": (revoked, denied),
    }
    for name, (pair, expected) in cases.items():
        trust = grpc.ssl_channel_credentials(doors.authority.bundle_pem, *(pair or (None, None)))
        address = f"localhost:{doors.collector.ingest_port}"
        async with grpc.aio.secure_channel(address, trust, options=[("grpc.enable_retries", 0)]) as channel:
            assert await call(channel, method, (client_streams, server_streams), None) is expected, name
    assert hosts_known(doors.collector.state) == 0


def hosts_known(state: Path) -> int:
    engine = open_bare(sqlite_url(state / "chainwatch.db"))
    with engine.connect() as connection:
        count = connection.execute(select(func.count()).select_from(HOSTS)).scalar_one()
    engine.dispose()
    return int(count)


async def test_the_ports_are_not_each_other_s(doors: Doors) -> None:
    """Evidence does not come in by the web port, nor questions by the ingest port."""
    pair = identity(doors.authority)
    trust = grpc.ssl_channel_credentials(doors.authority.bundle_pem, *pair)
    unimplemented = grpc.StatusCode.UNIMPLEMENTED
    for address, methods in ((doors.collector.web, INGEST), (f"localhost:{doors.collector.ingest_port}", QUERY)):
        async with grpc.aio.secure_channel(address, trust) as channel:
            for method, client_streams, server_streams in methods:
                code = await call(channel, method, (client_streams, server_streams), doors.tokens["viewer"])
                assert code is unimplemented, method

"""A real collector from the wire to REST and the command line: what it finds, and that no kill loses or doubles it."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from chainwatch.v1 import query_service_pb2, query_service_pb2_grpc
from collector.serve.live_collector import Rest, bytes_of, just_now, ship
from lab.collector_process import CollectorProcess
from lab.databases import new_postgres, postgres_url
from lab.pki import Pki
from smlog import Smlog

__all__ = ["postgres_url"]
CHAINWATCH = Path(sys.executable).parent / "chainwatch"
EVERYBODY = [pytest.param("sqlite"), pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module", params=EVERYBODY)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database for one collector; empty is the embedded one."""
    if request.param == "sqlite":
        yield ""
    else:
        for made in new_postgres(request.getfixturevalue("postgres_url")):
            yield made.url


@pytest.fixture(scope="module")
def rest(url: str, pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    """One collector for all that do not stop it: each test has hosts and SRs of its own."""
    collector = CollectorProcess(tmp_path_factory.mktemp("shared") / "collector", pki, url)
    collector.start()
    made = Rest(collector)
    yield made
    made.close()
    assert collector.stop() == 0
    assert "Traceback" not in collector.log.read_text()


@pytest.fixture
def host() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def sr() -> str:
    return str(uuid.uuid4())


def crash(log: Smlog, pid: int, sr: str) -> Smlog:
    """A run whose merge fails with an error that ends the run."""
    log.start(pid, sr).chain(pid, sr).inner_start(pid).copy(pid + 1, sr=sr).tick(2)
    return log.banner(pid, "gc", "vhd-util failed").tick()


def good_run(log: Smlog, pid: int, sr: str) -> Smlog:
    """A run that merges and ends well."""
    log.start(pid, sr).chain(pid, sr).inner_start(pid).copy(pid + 1, sr=sr).tick(2)
    return log.copied(pid, pid + 1, sr).updated(pid, sr).finish(pid, sr=sr).tick()


def command(rest: Rest, *words: str) -> "subprocess.CompletedProcess[str]":
    """The operators' command against this collector."""
    collector = rest.collector
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(collector.directory),
        "CHAINWATCH_URL": f"https://127.0.0.1:{collector.web_port}",
        "CHAINWATCH_CA_FILE": str(collector.pki.ca),
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        [CHAINWATCH, *words], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


async def query_health(collector: CollectorProcess) -> query_service_pb2.GetHealthResponse:
    """The same over gRPC, on the same port."""
    trust = grpc.ssl_channel_credentials(collector.pki.ca.read_bytes())
    async with grpc.aio.secure_channel(f"localhost:{collector.web_port}", trust) as channel:
        stub = cast("Any", query_service_pb2_grpc.QueryServiceStub(channel))
        answer = await stub.GetHealth(query_service_pb2.GetHealthRequest(), timeout=20)
        assert isinstance(answer, query_service_pb2.GetHealthResponse)
        return answer


def seen(rest: Rest, sr: str) -> dict[str, Any]:
    """What the collector says of an SR and its evidence, without what is the clock's or the database's own."""
    body = rest.get(f"/sr/{sr}")
    events = rest.get("/events", sr=sr, limit=1000)["items"]
    return {
        "state": body["sr"]["state"],
        "runs": body["runs"],
        "merges": [(one["child"], one["outcome"], one["started_at"]) for one in body["merges"]],
        "findings": [(one["code"], one["severity"], one["count"]) for one in body["findings"]],
        "events": [(one["offset"], one["kind"], one["at"]) for one in events],
    }


async def test_a_line_becomes_a_finding_everywhere(rest: Rest, host: str, sr: str) -> None:
    log = crash(just_now(), 100, sr)
    await ship(rest.collector, host, bytes_of(log))
    await rest.until(lambda: {"GC_CRASHED", "COALESCE_FAILED"} <= rest.codes(sr))
    (finding,) = [one for one in rest.findings(sr) if one["code"] == "GC_CRASHED"]
    assert finding["subject"] == {"kind": "sr", "uuid": sr, "name": "Local storage"}
    assert finding["evidence"][0]["text"] in [line.decode() for line in log.lines]
    health = await query_health(rest.collector)
    assert health.sentence == rest.get("/health")["sentence"]
    assert f'chainwatch_finding{{code="GC_CRASHED",pool="unassigned",root="yes",severity="{finding["severity"]}"' in (
        rest.client.get("/metrics").text
    )
    assert rest.client.get("/readyz").json() == {
        "ready": True,
        "parts": {"database": "ok", "fold": "ok", "certificates": "ok"},
    }
    assert rest.client.get("/", headers={"Accept": "text/html"}).status_code == 200


async def test_the_command_line_speaks_to_it(rest: Rest, host: str, sr: str) -> None:
    await ship(rest.collector, host, bytes_of(crash(just_now(), 100, sr)))
    await rest.until(lambda: "GC_CRASHED" in rest.codes(sr))
    body = command(rest, "why", sr, "-o", "json")
    assert "GC_CRASHED" in [one["code"] for one in json.loads(body.stdout)["findings"]]
    assert command(rest, "health").returncode in (1, 2)
    assert "Local storage" in command(rest, "status").stdout
    assert f"host-{host[:4]}" in command(rest, "agent", "list").stdout
    await rest.until(lambda: rest.get("/events", sr=sr)["items"])
    events = json.loads(command(rest, "events", "--sr", sr, "-o", "json").stdout)["items"]
    assert {one["host_uuid"] for one in events} == {host}
    assert {"GcStarted", "MergeStarted"} <= {one["kind"] for one in events}
    assert command(rest, "chain", sr).returncode == 0
    assert "COALESCE_NO_SPACE" in command(rest, "explain", "No space to coalesce").stdout


async def test_what_nothing_understands_is_stored_and_can_be_asked_for(rest: Rest, host: str) -> None:
    log = just_now().gc(5, "a wording of a later version").gc(5, "=== SR x: strange")
    await ship(rest.collector, host, bytes_of(log))
    found = await rest.until(lambda: rest.get("/events", kind="unknown", host=host)["items"])
    assert "a wording of a later version" in [one["text"].rpartition("] ")[2] for one in found]
    told = json.loads(command(rest, "events", "--unknown", "--host", host, "-o", "json").stdout)["items"]
    assert [one["id"] for one in told] == [one["id"] for one in found]


async def test_two_hosts_and_two_srs_do_not_mix(rest: Rest, host: str, sr: str) -> None:
    other_host, other_sr = str(uuid.uuid4()), str(uuid.uuid4())
    first, second = bytes_of(crash(just_now(), 100, sr)), bytes_of(good_run(just_now(), 100, other_sr))
    for size in (700, 10_000):
        await ship(rest.collector, host, first[:size].rpartition(b"\n")[0] + b"\n")
        await ship(rest.collector, other_host, second[:size].rpartition(b"\n")[0] + b"\n")
    await rest.until(lambda: "GC_CRASHED" in rest.codes(sr))
    await rest.until(lambda: [run["outcome"] for run in seen(rest, other_sr)["runs"]] == ["worked"])
    assert seen(rest, sr)["state"] == "crashed"
    assert rest.codes(other_sr) == set()
    events = await rest.until(lambda: rest.get("/events", sr=other_sr)["items"])
    assert {one["host_uuid"] for one in events} == {other_host}


async def test_kills_and_restarts_on_the_way_change_nothing(
    rest: Rest, url: str, pki: Pki, tmp_path: Path, host: str, sr: str, request: pytest.FixtureRequest
) -> None:
    log = just_now()
    for pid in range(1000, 1080, 20):
        crash(good_run(log, pid, sr), pid + 10, sr)
    data = bytes_of(log)
    await ship(rest.collector, host, data)
    await rest.until(lambda: len(seen(rest, sr)["runs"]) == 8 and len(seen(rest, sr)["events"]) > 50)
    databases = new_postgres(request.getfixturevalue("postgres_url")) if url else iter(())
    mine = next(databases, None)
    collector = CollectorProcess(tmp_path / "killed", pki, mine.url if mine is not None else "")
    collector.start()
    killed = Rest(collector)
    try:
        for end in (4000, len(data)):
            await ship(collector, host, data[: data.index(b"\n", end - 1) + 1], piece=900)
            collector.kill()
            collector.start()
        assert await killed.until(lambda: seen(killed, sr) == seen(rest, sr))
        assert collector.stop() == 0
        collector.start()
        assert await killed.until(lambda: seen(killed, sr) == seen(rest, sr))
        told = killed.get("/transitions", limit=1000)["items"]
        raised = [one["finding_id"] for one in told if one["change"] == "raised"]
        cleared = [one["finding_id"] for one in told if one["change"] == "cleared"]
        assert all(raised.count(one) - cleared.count(one) in (0, 1) for one in raised)
        assert "Traceback" not in collector.log.read_text()
    finally:
        killed.close()
        collector.stop()
        next(databases, None)


def moves(rest: Rest, sr: str) -> list[tuple[str, str]]:
    """(code, change) of an SR's findings."""
    return [(one["code"], one["change"]) for one in rest.get("/transitions", subject=sr)["items"]]


async def test_a_finding_clears_when_its_cause_is_gone_and_its_mute_goes_with_it(
    rest: Rest, host: str, sr: str
) -> None:
    log = crash(just_now(), 100, sr)
    await ship(rest.collector, host, bytes_of(log))
    await rest.until(lambda: "GC_CRASHED" in rest.codes(sr))
    admin = rest.new_client((rest.collector.directory / "state" / "admin-token").read_text().strip())
    made = admin.post("/api/v1/mutes", json={"code": "GC_CRASHED", "subject": sr, "seconds": 600, "reason": "known"})
    assert made.status_code == 201, made.text
    assert rest.get("/mutes")["items"][0]["by"] == "admin"
    assert [one["muted"]["reason"] for one in rest.findings(sr) if one["code"] == "GC_CRASHED"] == ["known"]
    await ship(rest.collector, host, bytes_of(good_run(log, 200, sr)))
    await rest.until(lambda: "GC_CRASHED" not in rest.codes(sr))
    await rest.until(lambda: not rest.get("/mutes")["items"])
    await rest.until(lambda: ("GC_CRASHED", "cleared") in moves(rest, sr))
    (entry,) = admin.get("/api/v1/audit").json()["items"]
    assert (entry["who"], entry["what"], entry["outcome"]) == ("admin", "mute", "done")


async def test_nobody_changes_anything_without_a_token(rest: Rest) -> None:
    assert rest.client.post("/api/v1/mutes", json={}).status_code == 403
    assert rest.new_client("wrong").get("/api/v1/health").status_code == 401
    state = rest.collector.directory / "state"
    assert [(state / name).stat().st_mode & 0o777 for name in ("admin-token", "tokens.toml")] == [0o600, 0o600]

"""Secrets are put wherever they live in a real installation, then everything that leaves it is searched for them."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx2 as httpx
import pytest
from chainwatch_collector.show.access import routes_of
from chainwatch_collector.show.app import build_app
from chainwatch_collector.show.settings import ShowSettings
from collector.show.estate import estate
from collector.show.serving import NamedGuard
from lab.dom0.host import HostDirectory
from lab.enrolling import Dom0Agent, OwnCaCollector, python36
from lab.xapi.handle import LabPool, lab_pool
from lab.xapi.pool import XapiPool

pytestmark = pytest.mark.py36

CANARY = "kanarie0kanarie"
SR = "nfs-1"
APP = build_app(estate(), NamedGuard(), ShowSettings())
# What SM and xapi write into logs, and what storage drivers get as parameters.
LOG_LINES = (
    f"SM: [1] ['mount.cifs', '//nas/share', '/x', '-o', 'user=u,password={CANARY}1,vers=3']",
    f"SM: [2] {{'device_config': {{'chappassword': '{CANARY}2', 'a': 'x'}}, 'session_ref': 'OpaqueRef:{CANARY}3'}}",
    f"SM: [3] iscsiadm -m node -o update -n node.session.auth.password -v {CANARY}4",
    f"SMGC: [4] <name>cifspassword</name><value><string>{CANARY}5</string></value> no space left",
)


def build(pool: XapiPool) -> None:
    sr = pool.estate.add_sr("nfs", SR, other_config={"auto-scan": "true", "cifspassword": f"{CANARY}6"})
    pool.disks.add_chain(sr, "disk", 3)
    secret = {"server": "nas", "chappassword": f"{CANARY}7", "password_secret": f"{CANARY}8"}
    for ref in list(pool.estate.database.tables["PBD"].rows):
        pool.estate.database.set("PBD", ref, device_config=secret)


@dataclass
class Installation:
    """Everything running, and each secret by what it is."""

    collector: OwnCaCollector
    agent: Dom0Agent
    secrets: dict[str, str]


@pytest.fixture(scope="module")
def lab() -> Iterator[LabPool]:
    with lab_pool("xcp1", build=build, name="prod") as pool:
        yield pool


@pytest.fixture(scope="module")
def installed(lab: LabPool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    python = python36()
    if not python:
        pytest.skip("no Python 3.6 here: pyenv install 3.6.15")
    directory = tmp_path_factory.mktemp("installation")
    collector = OwnCaCollector(directory / "collector", extra='log_level = "debug"', ingest="heartbeat_seconds = 1")
    pools = collector.directory / "pools.d"
    pools.mkdir()
    (pools / "prod.pw").write_text(lab.reader_password)
    (pools / "prod.pw").chmod(0o600)
    (pools / "prod.toml").write_text(
        f'addresses = ["{lab.address}:{lab.port}"]\nusername = "{lab.reader}"\npassword_file = "prod.pw"\n'
        f'ca_file = "{lab.ca_file}"\n'
    )
    host_uuid = next(str(one["uuid"]) for one in lab.dump()["host"].values())
    agent = Dom0Agent(HostDirectory(directory / "dom0", "xcp1", host_uuid), python)
    write_log(agent)
    collector.start()
    try:
        yield Installation(collector, agent, {"the pool's password": lab.reader_password, **start(collector, agent)})
    finally:
        agent.stop()
        collector.kill()


def write_log(agent: Dom0Agent) -> None:
    now = datetime.now(UTC)
    with (agent.host.root / "var/log/SMlog").open("a") as log:
        for text in LOG_LINES:
            log.write(f"{now:%b} {now.day:2} {now:%H:%M:%S} xcp1 {text}\n")


def start(collector: OwnCaCollector, agent: Dom0Agent) -> dict[str, str]:
    """Enroll, make accounts and tokens, get things wrong; each secret that came up."""
    host, password = agent.host.host_uuid, "correct horse battery"
    enrolment = collector.token(host)
    assert agent.enroll(collector.web, enrolment).returncode == 0
    agent.start()
    account = {"name": "ana", "role": "operator", "password": password}
    assert collector.ask("POST", "/accounts", json=account).status_code == 201
    token = collector.ask("POST", "/login", "", json={"name": "ana", "password": password}).json()["token"]
    with httpx.Client(verify=False, trust_env=False, base_url=f"https://{collector.web}") as browser:
        answer = browser.post("/login", data={"name": "ana", "password": password})
        session = answer.cookies["chainwatch_session"]
    secrets = {
        "the first administrator's token": collector.admin_token,
        "the enrolment token": enrolment.split(".")[1],
        "a password": password,
        "a token": token,
        "a session": session,
        "a wrong password": "wrong horse battery",
        "a stranger's token": "cwt_" + "Q" * 43,
    }
    for name, path in (("the CA's key", "ca.key"), ("the server's key", "server.key")):
        secrets[name] = middle_of(collector.state / "tls" / path)
    secrets["the agent's key"] = middle_of(agent.tls / "key.pem")
    collector.ask("POST", "/login", "", json={"name": "ana", "password": secrets["a wrong password"]})
    collector.ask("POST", "/login", "", json={"name": secrets["a password"], "password": "x", "more": enrolment})
    collector.ask("GET", "/health", secrets["a stranger's token"])
    collector.ask("POST", "/enroll", "", json={"token": enrolment, "host_uuid": host, "request": "x"})
    collector.ask("PATCH", "/account/ana", json={"password": secrets["a wrong password"], "role": "king"})
    until(lambda: len(collector.ask("GET", "/events?grep=SMGC").json()["items"]) > 0, agent)
    until(lambda: any(one["name"] == SR for one in collector.ask("GET", "/srs").json()["items"]), agent)
    return secrets


def middle_of(key: Path) -> str:
    """A line of the key that is in no other file."""
    return key.read_text().splitlines()[2]


def until(what: Callable[[], bool], agent: Dom0Agent) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, agent.log.read_text()[-2000:]
        time.sleep(0.1)


def found_in(installed: Installation, where: str, data: bytes) -> list[str]:
    """Which secrets are in there."""
    hits = [f"{name} in {where}" for name, secret in installed.secrets.items() if secret.encode() in data]
    return hits + [f"{hit.decode()} in {where}" for hit in re.findall(rb"kanarie0kanarie\d", data)]


def test_the_answers_of_every_route(installed: Installation) -> None:
    """Every GET of the API and every page, as administrator; with an SR's and a host's name where one is asked for."""
    hits, seen = [], 0
    headers = {"Authorization": f"Bearer {installed.collector.admin_token}"}
    with httpx.Client(verify=False, trust_env=False, base_url=f"https://{installed.collector.web}") as client:
        for method, path in routes_of(APP):
            if method != "GET" or path.endswith("/stream"):
                continue
            concrete = path.replace("{host}", installed.agent.host.host_uuid).replace("{name}", "app.css")
            for accept in ("application/json", "text/html"):
                answer = client.get(re.sub(r"{\w+}", SR, concrete), headers={**headers, "accept": accept})
                seen += answer.status_code == 200
                hits += found_in(installed, f"GET {path}", answer.content + str(answer.headers).encode())
    assert hits == []
    assert seen > 40


def test_raw_lines_and_the_report(installed: Installation) -> None:
    host = installed.agent.host.host_uuid
    raw = installed.collector.ask("POST", f"/agent/{host}/evidence", json={"around": "1m"})
    assert len(raw.json()["items"]) == len(LOG_LINES)
    report = installed.collector.ask("GET", f"/report/{SR}")
    assert report.status_code == 200
    assert found_in(installed, "raw lines", raw.content) + found_in(installed, "report", report.content) == []


def test_logs_and_files(installed: Installation) -> None:
    """The debug log of both ends, the database as it is on disk, the agent's state; but the secrets' own files."""
    collector, agent = installed.collector, installed.agent
    homes = {"admin-token", "ca.key", "server.key", "key.pem"}
    files = [collector.log, agent.log, agent.config, *collector.state.rglob("*"), *agent.tls.parent.rglob("*")]
    searched = [path for path in files if path.is_file() and path.name not in homes]
    assert {"chainwatch.db", "tokens.toml", "collector.log", "agent.log", "cert.pem"} <= {one.name for one in searched}
    hits = [hit for path in searched for hit in found_in(installed, path.name, path.read_bytes())]
    assert hits == []


def test_it_would_be_found(installed: Installation) -> None:
    """The search itself: in its own file a secret is found."""
    assert found_in(installed, "x", (installed.collector.state / "admin-token").read_bytes()) != []
    assert found_in(installed, "x", (installed.agent.host.root / "var/log/SMlog").read_bytes()) != []

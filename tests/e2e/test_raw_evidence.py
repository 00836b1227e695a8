"""Raw lines from a real agent over its own stream: API and command line; scrubbed, audited, refused where it must."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lab.dom0.host import HostDirectory
from lab.enrolling import Dom0Agent, OwnCaCollector, python36

pytestmark = pytest.mark.py36

HOST = "6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a11"
SECRET = "hunter22hunter22"


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnCaCollector]:
    made = OwnCaCollector(tmp_path_factory.mktemp("collector"), ingest="heartbeat_seconds = 1")
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory, collector: OwnCaCollector) -> Iterator[Dom0Agent]:
    python = python36()
    if not python:
        pytest.skip("no Python 3.6 here: pyenv install 3.6.15")
    made = Dom0Agent(HostDirectory(tmp_path_factory.mktemp("dom0"), "xcp-1", HOST), python)
    now = datetime.now(UTC)
    with (made.host.root / "var/log/SMlog").open("a") as log:
        for text in ("SM: [1] nobody selects this", f"SM: [2] mount -o password={SECRET},vers=3", "SMGC: [3] last"):
            log.write(f"{now:%b} {now.day:2} {now:%H:%M:%S} xcp-1 {text}\n")
    assert made.enroll(collector.web, collector.token(HOST)).returncode == 0
    made.start()
    deadline = time.monotonic() + 60
    while collector.ask("GET", f"/agent/{HOST}").json().get("connected_since") is None:
        assert time.monotonic() < deadline, made.log.read_text()[-2000:]
        time.sleep(0.1)
    yield made
    made.stop()


def ask(collector: OwnCaCollector, **body: object) -> dict[str, object]:
    answer = collector.ask("POST", f"/agent/{HOST}/evidence", json={"around": "1m", **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def texts(found: dict[str, object]) -> list[str]:
    items = found["items"]
    assert isinstance(items, list)
    return [item["text"].split("xcp-1 ", 1)[1] for item in items]


def test_lines_that_no_policy_selects_come_scrubbed_and_audited(collector: OwnCaCollector, agent: Dom0Agent) -> None:
    found = ask(collector)
    assert texts(found)[0] == "SM: [1] nobody selects this"
    assert texts(found)[2] == "SMGC: [3] last"
    assert SECRET not in str(found)
    assert texts(ask(collector, literals=["nobody selects"])) == ["SM: [1] nobody selects this"]
    entry = collector.ask("GET", "/audit?what=evidence").json()["items"][0]
    assert (entry["who"], entry["subject"], entry["outcome"]) == ("admin", HOST, "done")
    assert "'nobody selects'" in entry["detail"]


def test_the_command_line(collector: OwnCaCollector, agent: Dom0Agent) -> None:
    environment = {
        **os.environ,
        "CHAINWATCH_URL": f"https://{collector.web}",
        "CHAINWATCH_TOKEN": collector.admin_token,
        "CHAINWATCH_CA_FILE": str(collector.state / "tls/ca.pem"),
    }
    command = [str(Path(sys.executable).parent / "chainwatch"), "events", "--raw", "--host", HOST, "--around", "1m"]
    done = subprocess.run(
        [*command, "--literal", "[3] last"], capture_output=True, text=True, timeout=60, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("xcp-1 SMGC: [3] last\n")


def test_what_is_refused_says_why(collector: OwnCaCollector, agent: Dom0Agent) -> None:
    answer = collector.ask("POST", f"/agent/{HOST}/evidence", json={"around": "1m", "log": "/var/log/secure"})
    assert answer.status_code == 409
    assert "/var/log/secure is not followed" in answer.json()["error"]["message"]
    for body in ({"around": "1m", "log": "/etc/shadow"}, {"around": "1m", "literals": ["abc"]}, {"around": ""}):
        assert collector.ask("POST", f"/agent/{HOST}/evidence", json=body).status_code == 422
    assert collector.ask("POST", f"/agent/{HOST}/evidence", json={"around": "noon"}).status_code == 400
    other = "b2c5c1d2-1f0e-4a53-8f6e-0c1d2e3f4a5b"
    answer = collector.ask("POST", f"/agent/{other}/evidence", json={"around": "1m"})
    assert "no agent of this host was ever connected" in answer.json()["error"]["message"]
    assert [outcome for what, _, outcome in collector.audit() if what == "evidence"][-2:] == ["refused", "refused"]


def test_an_agent_that_hands_out_nothing(collector: OwnCaCollector, agent: Dom0Agent) -> None:
    agent.stop()
    with agent.config.open("a") as config:
        config.write("[evidence]\nallow = no\n")
    agent.start()
    deadline = time.monotonic() + 60
    while True:
        answer = collector.ask("POST", f"/agent/{HOST}/evidence", json={"around": "1m"})
        assert answer.status_code == 409
        if "allow=yes" in answer.json()["error"]["message"]:
            return
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)

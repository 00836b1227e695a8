"""Every surface on a running installation: pages, command line, metrics; what the memory model cannot show."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from collector.show.browsing import Watched, browser, needs_browser, serious_violations
from lab.demo.plans import BROKEN_SR, prod
from lab.estate import Installation
from lab.promtool import promtool
from playwright.sync_api import Browser, expect

__all__ = ["browser"]
PATIENCE_SECONDS = 60.0
COMMAND = Path(sys.executable).parent / "chainwatch"
VERBS = {
    "sr list": "/srs",
    "chain list": "/chains?limit=100",
    f"chain tree {BROKEN_SR}": f"/chain/{BROKEN_SR}",
    "coalesce list": "/merges",
    "events --limit 20": "/events?limit=20",
    "events --unknown": "/events?kind=unknown&limit=50",
    "verdict": "/verdict",
    "tasks": "/tasks",
    "pool list": "/pools",
    "agent list": "/agents",
    "health": "/health",
    "status": "/status?limit=1000",
    f"sr show {BROKEN_SR}": f"/sr/{BROKEN_SR}",
    f"why {BROKEN_SR}": f"/why?subject={BROKEN_SR}",
    f"rescan {BROKEN_SR} --check": f"/sr/{BROKEN_SR}/rescan",
    "explain SR_FULL": "/explain?text=SR_FULL",
}
"""What is typed → the route whose body `-o json` prints."""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("surfaces"), [prod()]) as made:
        made.collect("prod", "xcp-prod-1", BROKEN_SR, corrupt="base", bytes_per_second=500e6).wait(PATIENCE_SECONDS)
        yield made


@pytest.fixture(scope="module")
def address(installation: Installation) -> str:
    return f"https://127.0.0.1:{installation.collector.web_port}"


@pytest.fixture(scope="module")
def client(installation: Installation, address: str) -> Iterator[httpx2.Client]:
    trust = ssl.create_default_context(cafile=str(installation.pki.ca))
    with httpx2.Client(base_url=address, verify=trust, trust_env=False) as made:
        until(lambda: "VDI_CORRUPT" in made.get("/api/v1/health").text and _settled(made))
        yield made


def _settled(client: httpx2.Client) -> bool:
    return all(one["state"] != "running" for one in client.get("/api/v1/srs").json()["items"])


def until(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := what()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.2)
    return found


def shape(value: Any) -> Any:
    """A body without what changes from one second to the next: times, ages in words, counters."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value]
    return (
        type(value).__name__
        if isinstance(value, float) or (isinstance(value, str) and any(map(str.isdigit, value)))
        else value
    )


def run(installation: Installation, address: str, *words: str) -> subprocess.CompletedProcess[str]:
    trust = str(installation.pki.ca)
    environment = {**os.environ, "CHAINWATCH_URL": address, "CHAINWATCH_CA_FILE": trust, "COLUMNS": "80"}
    return subprocess.run([COMMAND, *words], env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("verb", VERBS)
def test_json_of_the_command_is_the_body(
    verb: str, installation: Installation, address: str, client: httpx2.Client
) -> None:
    done = run(installation, address, *verb.split(), "-o", "json")
    body = client.get("/api/v1" + VERBS[verb]).json()
    assert shape(json.loads(done.stdout)) == shape(body)
    table = run(installation, address, *verb.split())
    assert table.stderr == ""
    commands = {step["command"] for finding in body.get("findings", ()) for step in finding["next"]}
    told = [line for line in table.stdout.splitlines() if line.strip() not in commands]
    assert max(map(len, told)) <= 80, "but for commands, which are pasted"


def test_one_line_for_nagios(installation: Installation, address: str, client: httpx2.Client) -> None:
    done = run(installation, address, "health", "--nagios")
    assert (done.returncode, client.get("/api/v1/health").json()["exit_code"]) == (2, 2)
    [line] = done.stdout.splitlines()
    assert line.startswith("CHAINWATCH CRITICAL - ")
    assert "VDI_CORRUPT" in line.partition("|")[0]
    assert "errors=2" in line.partition("|")[2]


def test_prometheus_takes_the_metrics_and_the_rules(
    installation: Installation, client: httpx2.Client, tmp_path: Path
) -> None:
    text = client.get("/metrics").text
    assert promtool("check", "metrics", stdin=text.encode()).strip() == ""
    (tmp_path / "rules.yml").write_text(client.get("/api/v1/alert-rules").text)
    promtool("check", "rules", str(tmp_path / "rules.yml"))
    plan = installation.plans["prod"]
    disks = {plan.vdi_uuid(storage.name, disk.name) for storage in plan.storages for disk in storage.disks}
    assert [uuid for uuid in disks if uuid in text] == [], "a disk is no label"
    assert 'chainwatch_finding{code="VDI_CORRUPT"' in text
    assert 'chainwatch_agent_up{host="xcp-prod-1"' in text
    board = client.get("/api/v1/grafana-dashboard").json()
    wanted = {word for panel in board["panels"] for word in panel["targets"][0]["expr"].replace("(", " ").split()}
    names = {word.partition("{")[0].rstrip(")") for word in wanted if word.startswith("chainwatch_")}
    assert {name for name in names if f"# TYPE {name} " not in text} == set()


@needs_browser
def test_every_page_is_quiet_and_accessible(browser: Browser, address: str, client: httpx2.Client) -> None:
    ids = {one["code"]: one for one in client.get("/api/v1/findings").json()["items"]}
    corrupt = ids["VDI_CORRUPT"]
    watched = Watched(browser, address, ignore_https_errors=True)
    for path in (
        "/",
        f"/sr/{BROKEN_SR}",
        "/sr/iso-library",
        "/vms",
        "/vm/db-1",
        f"/vdi/{corrupt['subject']['uuid']}",
        "/findings",
        f"/finding/{corrupt['id']}",
        "/agents",
        "/agent/xcp-prod-1",
        "/tasks",
        "/events",
        "/events?kind=unknown",
        f"/events?sr={BROKEN_SR}",
        "/codes",
        "/codes/VDI_CORRUPT",
    ):
        page = watched.go(path)
        assert serious_violations(page) == [], path
        assert watched.faults == [], path
    expect(watched.go(f"/sr/{BROKEN_SR}").locator("h1")).to_contain_text("is NOT coalescing: an image fails its check")
    watched.context.close()


@needs_browser
def test_a_running_merge_moves_on_the_page_and_in_the_terminal(
    browser: Browser, address: str, installation: Installation, client: httpx2.Client
) -> None:
    watched = Watched(browser, address, ignore_https_errors=True)
    page = watched.go("/sr/local-2")
    running = installation.collect("prod", "xcp-prod-2", "local-2", bytes_per_second=12e6)
    bar = page.locator("progress").first
    expect(bar).to_be_visible(timeout=30_000)
    first = float(bar.get_attribute("value") or 0)
    page.wait_for_selector(f"progress:not([value='{first:.0f}'])", timeout=30_000)
    table = run(installation, address, "coalesce", "list", "--running")
    assert "%" in table.stdout
    assert "/s" in table.stdout
    assert max(map(len, table.stdout.splitlines())) <= 80
    running.wait(PATIENCE_SECONDS)
    expect(page.locator("h1")).to_have_text("local-2 is fine: nothing to merge.", timeout=30_000)
    assert watched.faults == []
    watched.context.close()

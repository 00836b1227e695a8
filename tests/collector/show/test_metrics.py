"""Metrics, rules and dashboard: what Prometheus' own tool says of them, and what must never be a label."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from chainwatch_collector.show.alerts import alert_name
from chainwatch_collector.show.app import build_app
from chainwatch_collector.show.settings import ShowSettings
from chainwatch_collector.show.views import Check
from collector.show.estate import HOSTS, NFS, estate
from collector.show.memory import MemoryModel
from collector.show.serving import NamedGuard
from fastapi.testclient import TestClient
from lab.promtool import promtool

VIEW = {"Authorization": "Bearer view"}


@pytest.fixture
def model() -> MemoryModel:
    return estate()


@pytest.fixture
def client(model: MemoryModel) -> Iterator[TestClient]:
    app = build_app(model, NamedGuard(), ShowSettings(external_url="https://collector.example:8443"))
    with TestClient(app) as client:
        yield client


def test_promtool_accepts_the_metrics(client: TestClient) -> None:
    text = client.get("/metrics", headers=VIEW).content
    assert promtool("check", "metrics", stdin=text).strip() == ""


def test_promtool_accepts_the_rules_one_for_each_code(client: TestClient, model: MemoryModel, tmp_path: Path) -> None:
    text = client.get("/api/v1/alert-rules", headers=VIEW).text
    path = tmp_path / "rules.yml"
    path.write_text(text)
    promtool("check", "rules", str(path))
    names = {rule["alert"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]}
    assert {alert_name(code) for code in model.entries} <= names
    assert "https://collector.example:8443/codes/COALESCE_NO_SPACE" in text


def test_an_alert_fires_for_an_open_root_and_is_silenced_by_a_mute(client: TestClient, tmp_path: Path) -> None:
    """The rules themselves, run by Prometheus' own engine over what `/metrics` says."""
    (tmp_path / "rules.yml").write_text(client.get("/api/v1/alert-rules", headers=VIEW).text)
    lines = [line for line in client.get("/metrics", headers=VIEW).text.splitlines() if line.startswith("chainwatch_")]
    series = [{"series": line.rpartition(" ")[0], "values": f"{float(line.rpartition(' ')[2])}x20"} for line in lines]
    firing = {"code": "COALESCE_NO_SPACE", "pool": "prod", "sr": "nfs-prod-1", "sr_uuid": NFS, "severity": "error"}
    title = "no room to merge (COALESCE_NO_SPACE)"
    notes = {
        "summary": title,
        "description": "1 open in pool prod, on SR nfs-prod-1: chainwatch health --detail",
        "runbook_url": "https://collector.example:8443/codes/COALESCE_NO_SPACE",
    }
    fires = [{"exp_labels": firing, "exp_annotations": notes}]
    cases = [
        {"eval_time": "5m", "alertname": "ChainwatchCoalesceNoSpace", "exp_alerts": fires},
        {"eval_time": "5m", "alertname": "ChainwatchAgentSilent", "exp_alerts": []},
    ]
    case = {"interval": "1m", "input_series": series, "alert_rule_test": cases}
    tests = {"rule_files": ["rules.yml"], "tests": [case]}
    (tmp_path / "test.yml").write_text(json.dumps(tests))
    promtool("test", "rules", str(tmp_path / "test.yml"))
    muted = {"code": "COALESCE_NO_SPACE", "seconds": 3600, "reason": "x"}
    client.post("/api/v1/mutes", json=muted, headers={"Authorization": "Bearer operate"})
    text = client.get("/metrics", headers=VIEW).text
    assert 'chainwatch_finding{code="COALESCE_NO_SPACE"' not in text
    assert 'chainwatch_finding_muted{code="COALESCE_NO_SPACE",pool="prod"} 1.0' in text


def test_labels_are_bounded(client: TestClient, model: MemoryModel) -> None:
    text = client.get("/metrics", headers=VIEW).text
    uuids = {node.uuid for nodes in model.nodes.values() for node in nodes}
    uuids |= {verdict.vm for answer in model.pool_answers.values() for verdict in answer.verdicts}
    assert not [uuid for uuid in uuids if uuid in text]
    assert "No space to coalesce" not in text


def test_what_is_not_known_has_no_sample(client: TestClient) -> None:
    text = client.get("/metrics", headers=VIEW).text
    assert 'chainwatch_chain_depth_max{pool="prod",sr="nfs-prod-1"' in text
    assert 'chainwatch_chain_depth_max{pool="dr"' not in text
    silent = f'host="host-3",host_uuid="{HOSTS[2]}",pool="dr",state="silent"'
    assert f"chainwatch_agent_up{{{silent}}} 0.0" in text


def test_the_dashboard_asks_only_for_metrics_that_exist(client: TestClient) -> None:
    text = client.get("/metrics", headers=VIEW).text
    board = client.get("/api/v1/grafana-dashboard", headers=VIEW).json()
    wanted = set(re.findall(r"chainwatch_[a-z_]+", json.dumps(board["panels"])))
    assert wanted
    assert {name for name in wanted if f"# TYPE {name} " not in text} == set()


def test_up_and_ready_need_no_token_and_tell_nothing(client: TestClient, model: MemoryModel) -> None:
    assert (client.get("/healthz").status_code, client.get("/readyz").status_code) == (200, 200)
    model.readiness = (Check("database", "error", "password=hunter22 refused"),)
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"ready": False, "parts": {"database": "error"}})

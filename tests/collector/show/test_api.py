"""REST over the read model, through the real application."""

import dataclasses
from collections.abc import Iterator

import pytest
from chainwatch_collector.show import compose
from chainwatch_collector.show.access import PUBLIC, SELF_PROVING, routes_of
from chainwatch_collector.show.app import build_app
from chainwatch_collector.show.guard import Principal, Role
from chainwatch_collector.show.scope import Scope
from chainwatch_collector.show.settings import ShowSettings
from chainwatch_collector.show.views import Check
from collector.show.estate import DR, NFS, PROD, estate, healthy, vdi
from collector.show.memory import MemoryModel
from collector.show.serving import NamedGuard
from fastapi.testclient import TestClient


def client_of(model: MemoryModel, token: str | None = "admin", rescan: bool = True) -> TestClient:
    app = build_app(model, NamedGuard(), ShowSettings(rescan_enabled=rescan))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return TestClient(app, headers=headers, raise_server_exceptions=True)


@pytest.fixture
def model() -> MemoryModel:
    return estate()


@pytest.fixture
def client(model: MemoryModel) -> Iterator[TestClient]:
    with client_of(model) as client:
        yield client


def test_health_says_the_worst_and_its_exit_code(client: TestClient) -> None:
    body = client.get("/api/v1/health").json()
    assert (body["status"], body["exit_code"]) == ("error", 2)
    assert body["counts"] == {"error": 3, "warning": 3, "info": 0, "muted": 0, "stale": 1, "unknown_srs": 1}
    assert body["sentence"] == "3 errors, 3 warnings, 1 SR unknown, cannot reach dr."
    assert [pool["pool"]["name"] for pool in body["pools"]] == ["dr", "prod"]
    assert (body["agents_reporting"], body["agents_total"]) == (1, 3)
    assert body["as_of"] == "2026-11-22T14:08:00Z"


def test_a_jobs_verdict_has_its_vms_and_its_window(client: TestClient) -> None:
    body = client.get("/api/v1/verdict", params={"job": "nightly"}).json()
    assert [one["name"] for one in body["items"]] == ["vm-db-1"]
    assert [(one["sr_name"], one["answer"]) for one in body["job"]["windows"]] == [("nfs-prod-1", "at_risk")]
    assert set(body["job"]["vms"]) == {PROD, DR}
    of_dr = client.get("/api/v1/verdict", params={"job": "nightly", "pool": "dr"}).json()
    assert (of_dr["items"], of_dr["job"]["windows"], set(of_dr["job"]["vms"])) == ([], [], {DR})
    assert client.get("/api/v1/verdict", params={"job": "weekly"}).status_code == 404


def test_health_without_an_answer_is_unknown_never_ok() -> None:
    model = healthy()
    model.pool_answers = {}
    with client_of(model) as client:
        assert (client.get("/api/v1/health").json()["status"], client.get("/api/v1/health").json()["exit_code"]) == (
            "unknown",
            3,
        )


def test_health_of_nothing_configured_is_unknown() -> None:
    with client_of(MemoryModel()) as client:
        body = client.get("/api/v1/health").json()
    assert (body["exit_code"], body["sentence"]) == (3, "No pool is configured yet.")


def test_health_when_all_is_well() -> None:
    with client_of(healthy()) as client:
        body = client.get("/api/v1/health").json()
    assert (body["exit_code"], body["sentence"]) == (0, "Coalesce keeps up on 1 SR in 1 pool.")


def test_health_says_what_is_wrong_with_the_collector_to_who_sees_every_pool() -> None:
    model = healthy()
    ends = Check("certificates", "warning", "web certificate /etc/web.pem ends on 2026-12-02, 9 days left")
    model.readiness = (Check("database", "ok", "answers"), ends)
    with client_of(model) as client:
        body = client.get("/api/v1/health").json()
    assert body["collector"] == [{"name": ends.name, "status": "warning", "detail": ends.detail}]
    assert body["exit_code"] == 0
    limited = Principal("anna", Role.VIEWER, frozenset({PROD}))
    assert compose.health(Scope(model, limited)).collector == ()


def test_srs_come_worst_first_with_the_reason(client: TestClient) -> None:
    items = client.get("/api/v1/srs").json()["items"]
    assert [item["name"] for item in items] == ["nfs-prod-1", "dr-nfs", "iscsi-1", "ISOs", "local-1"]
    assert (items[0]["status"], items[0]["top_code"], items[0]["findings"]) == ("error", "COALESCE_NO_SPACE", 3)


def test_sr_detail_has_sentence_findings_merges_and_runs(client: TestClient) -> None:
    body = client.get("/api/v1/sr/nfs-prod-1").json()
    assert body["sentence"] == "nfs-prod-1 is NOT coalescing: no room to merge."
    assert [finding["id"] for finding in body["findings"]] == ["f1", "f3", "f2"]
    assert [run["pid"] for run in body["runs"]] == [32436, 31111, 30011]
    assert body["merges"][0]["outcome"] == "no_space"


@pytest.mark.parametrize("name", [NFS, NFS[:8] + "-0000-4000-8000-000000000001", "nfs-prod-1"])
def test_an_sr_goes_by_name_and_uuid(client: TestClient, name: str) -> None:
    assert client.get(f"/api/v1/sr/{name}").json()["sr"]["uuid"] == NFS


def test_an_ambiguous_prefix_lists_what_it_fits(client: TestClient) -> None:
    response = client.get("/api/v1/sr/07edc1b2")
    error = response.json()["error"]
    assert (response.status_code, error["code"], len(error["candidates"])) == (409, "ambiguous", 5)


def test_why_joins_checks_evidence_and_steps(client: TestClient) -> None:
    body = client.get("/api/v1/why", params={"subject": "nfs-prod-1"}).json()
    assert body["code"] == "COALESCE_NO_SPACE"
    assert [check["status"] for check in body["checks"]] == ["ok", "ok", "ok", "error", "warning", "skipped"]
    assert body["findings"][0]["next"][1]["command"] == f"xe sr-scan uuid={NFS}"
    assert "No space to coalesce" in body["evidence"][0]["text"]


def test_a_finding_has_its_causes_effects_and_history(client: TestClient) -> None:
    body = client.get("/api/v1/finding/f1").json()
    assert [one["id"] for one in body["effects"]] == ["f2"]
    assert [one["change"] for one in body["history"]] == ["raised", "cleared", "raised"]
    assert [one["id"] for one in client.get("/api/v1/finding/f2").json()["causes"]] == ["f1"]


def test_root_findings_leave_their_effects_out(client: TestClient) -> None:
    items = client.get("/api/v1/findings", params={"root": True}).json()["items"]
    assert {item["id"] for item in items} == {"f1", "f3", "f4", "f9"}


def test_a_chain_is_the_tree_of_a_disk_or_the_forest_of_an_sr(client: TestClient) -> None:
    tree = client.get(f"/api/v1/chain/{vdi(4)}").json()["forest"]["nodes"]
    assert len(tree) == 5
    assert len(client.get("/api/v1/chain/nfs-prod-1").json()["forest"]["nodes"]) == 6


def test_chains_list_the_deepest_first(client: TestClient) -> None:
    items = client.get("/api/v1/chains", params={"deeper_than": 2}).json()["items"]
    assert [item["depth"] for item in items] == [4, 3, 3]


def test_events_page_through_without_repeating_or_missing(client: TestClient) -> None:
    seen: list[str] = []
    after = None
    for _ in range(20):
        params = {"sr": "nfs-prod-1", "limit": "7"} | ({"after": after} if after else {})
        body = client.get("/api/v1/events", params=params).json()
        seen += [item["id"] for item in body["items"]]
        after = body["next"]
        if after is None:
            break
    assert len(seen) == len(set(seen)) == 40
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("query", "field"), [("since=yesterday", "since"), ("since=1h&until=2h", "since"), ("after=zzz", "after")]
)
def test_a_wrong_parameter_names_itself_and_the_fix(client: TestClient, query: str, field: str) -> None:
    response = client.get(f"/api/v1/events?{query}")
    error = response.json()["error"]
    assert (response.status_code, error["field"]) == (400, field)
    assert error["hint"]


def test_mute_is_visible_takes_the_finding_out_of_the_status_and_can_be_ended(client: TestClient) -> None:
    wanted = {"code": "COALESCE_NO_SPACE", "seconds": 3600, "reason": "disks ordered", "subject": "nfs-prod-1"}
    made = client.post("/api/v1/mutes", json=wanted)
    assert (made.status_code, made.json()["by"]) == (201, "admin")
    health = client.get("/api/v1/health").json()
    assert (health["counts"]["error"], health["counts"]["muted"]) == (2, 1)
    assert health["mutes"][0]["reason"] == "disks ordered"
    assert client.delete(f"/api/v1/mute/{made.json()['id']}").status_code == 200
    assert client.get("/api/v1/health").json()["counts"]["muted"] == 0


def test_a_mute_of_no_known_code_is_refused(client: TestClient) -> None:
    response = client.post("/api/v1/mutes", json={"code": "NOPE", "seconds": 3600, "reason": "x"})
    assert (response.status_code, response.json()["error"]["field"]) == (422, "code")


def test_rescan_is_refused_with_the_failing_precheck_and_audited(client: TestClient, model: MemoryModel) -> None:
    response = client.post("/api/v1/sr/nfs-prod-1/rescan")
    assert response.status_code == 409
    assert "a GC run of this SR is active" in response.json()["error"]["message"]
    assert [(entry.what, entry.outcome) for entry in model.audit_log] == [("rescan", "refused")]
    assert model.rescan_list == []


def test_rescan_is_asked_for_when_every_precheck_is_ok(client: TestClient, model: MemoryModel) -> None:
    response = client.post("/api/v1/sr/local-1/rescan")
    assert (response.status_code, response.json()["state"]) == (202, "asked")
    assert [(entry.who, entry.outcome) for entry in model.audit_log] == [("admin", "asked")]


def test_rescan_is_off_until_configured(model: MemoryModel) -> None:
    with client_of(model, rescan=False) as client:
        response = client.post("/api/v1/sr/local-1/rescan")
        assert (response.status_code, response.json()["error"]["code"]) == (403, "not_configured")
        assert client.get("/api/v1/sr/local-1/rescan").json()["state"] == "refused"
    assert model.rescan_list == []


def test_a_report_holds_everything_and_no_secret(client: TestClient, model: MemoryModel) -> None:
    leak = "login password='hunter22' session OpaqueRef:12345678-abcd-4000-8000-000000000000 end"
    model.event_list[0] = dataclasses.replace(model.event_list[0], text=leak)
    text = client.get("/api/v1/report/nfs-prod-1").text
    for part in ("NOT coalescing", "COALESCE_NO_SPACE", "== Chains ==", vdi(4), "pid 32436", "host-1: reporting"):
        assert part in text
    assert "hunter22" not in text
    assert "OpaqueRef:1234" not in text


def every_route() -> list[tuple[str, str]]:
    return routes_of(build_app(estate(), NamedGuard(), ShowSettings()))


def test_the_routes_are_enumerated() -> None:
    assert ("GET", "/api/v1/health") in every_route()
    assert len(every_route()) > 25


@pytest.fixture(scope="module")
def nobody() -> Iterator[TestClient]:
    with client_of(estate(), None) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path"), [route for route in every_route() if route[1] not in PUBLIC | SELF_PROVING]
)
def test_every_route_refuses_nobody_and_an_unknown_token(nobody: TestClient, method: str, path: str) -> None:
    concrete = path.replace("{sr}", "nfs-prod-1").replace("{subject}", NFS)
    for headers in ({}, {"Authorization": "Bearer stranger"}, {"Authorization": "Basic YWRtaW46YWRtaW4="}):
        response = nobody.request(method, concrete, headers=headers)
        assert response.status_code == 401, (method, path)
        assert response.json()["error"]["code"] == "unauthenticated"


@pytest.mark.parametrize(
    ("token", "method", "path", "status"),
    [
        ("view", "POST", "/api/v1/sr/local-1/rescan", 403),
        ("view", "POST", "/api/v1/mutes", 403),
        ("view", "DELETE", "/api/v1/mute/m1", 403),
        ("operate", "GET", "/api/v1/audit", 403),
        ("operate", "POST", "/api/v1/sr/local-1/rescan", 202),
        ("admin", "GET", "/api/v1/audit", 200),
    ],
)
def test_roles_reach_as_far_as_they_should(nobody: TestClient, token: str, method: str, path: str, status: int) -> None:
    body = {"code": "SR_SPACE_LOW", "seconds": 60, "reason": "x"} if path.endswith("mutes") else None
    headers = {"Authorization": f"Bearer {token}"}
    assert nobody.request(method, path, json=body, headers=headers).status_code == status


def test_a_token_limited_to_a_pool_sees_nothing_of_another() -> None:
    with client_of(estate(), f"view@{DR}") as client:
        assert [item["name"] for item in client.get("/api/v1/srs").json()["items"]] == ["dr-nfs"]
        assert client.get("/api/v1/sr/nfs-prod-1").status_code == 404
        assert client.get("/api/v1/events").json()["items"] == []
        assert client.get("/api/v1/health", params={"pool": PROD}).status_code == 404
        for path in ("agents", "tasks", "merges", "verdict", "forecast", "chains", "transitions", "findings"):
            body = client.get(f"/api/v1/{path}").text
            assert "nfs-prod-1" not in body, path
            assert "vm-db-1" not in body, path


def test_an_unforeseen_error_says_nothing_of_its_inside(model: MemoryModel) -> None:
    def broken(subject: object) -> None:
        raise RuntimeError("secret=hunter22")

    model.why = broken  # type: ignore[assignment]
    app = build_app(model, NamedGuard(), ShowSettings())
    with TestClient(app, headers={"Authorization": "Bearer view"}, raise_server_exceptions=False) as client:
        response = client.get("/api/v1/why", params={"subject": "nfs-prod-1"})
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal")
    assert "hunter22" not in response.text

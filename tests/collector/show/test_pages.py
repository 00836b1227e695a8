"""Every page in a real, headless Chromium: what it says, live, without JavaScript, accessible, asking nobody else."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from chainwatch_collector.show.app import build_app
from chainwatch_collector.show.settings import ShowSettings
from collector.show.browsing import Watched, browser, needs_browser, serious_violations
from collector.show.estate import DR, HOSTS, LOCAL, NFS, PROD, VMS, estate, healthy, vdi
from collector.show.memory import MemoryModel
from collector.show.serving import NamedGuard, OpenGuard, served
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, expect

__all__ = ["browser"]

PATHS = [
    "/",
    f"/sr/{NFS}",
    "/sr/iscsi-1",
    "/sr/ISOs",
    f"/vm/{VMS[0]}",
    "/vms",
    f"/vdi/{vdi(4)}",
    "/findings",
    "/finding/f1",
    "/finding/f2",
    "/agents",
    "/agent/host-2",
    "/agent/host-3",
    "/agent/host-2/raw",
    "/tasks",
    "/events",
    "/codes",
    "/codes?text=SR_SPACE_LOW",
    "/codes/SR_SPACE_LOW",
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(build_app(estate(), OpenGuard(), ShowSettings(rescan_enabled=True))) as url:
        yield url


@pytest.fixture(scope="module")
def watched(browser: Browser, address: str) -> Iterator[Watched]:
    one = Watched(browser, address)
    yield one
    one.context.close()


@needs_browser
@pytest.mark.parametrize(
    ("path", "scheme"), [(path, "light") for path in PATHS] + [(path, "dark") for path in PATHS[:2] + PATHS[7:8]]
)
def test_a_page_is_accessible_quiet_and_asks_nobody_else(watched: Watched, path: str, scheme: str) -> None:
    watched.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page = watched.go(path)
    assert serious_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), "too wide"
    assert watched.faults == []


@needs_browser
@pytest.mark.parametrize("path", PATHS[:7])
def test_a_page_fits_a_telephone(browser: Browser, address: str, path: str) -> None:
    one = Watched(browser, address)
    one.page.set_viewport_size({"width": 380, "height": 800})
    page = one.go(path)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth + 1")
    one.context.close()


@needs_browser
def test_the_pages_read_without_javascript(browser: Browser, address: str) -> None:
    one = Watched(browser, address, java_script_enabled=False)
    page = one.go("/")
    expect(page.locator("h1")).to_have_text("3 errors, 3 warnings, 1 SR unknown, cannot reach dr.")
    expect(page.get_by_role("status")).to_have_text("not live: reload to refresh")
    page.get_by_role("link", name="nfs-prod-1").first.click()
    expect(page.locator("h1")).to_have_text("nfs-prod-1 is NOT coalescing: no room to merge.")
    page.get_by_role("searchbox").fill("vm-db-1")
    page.get_by_role("button", name="find").click()
    expect(page.locator("h1")).to_have_text("vm-db-1")
    one.context.close()


@needs_browser
def test_a_change_appears_without_reload_and_keeps_what_was_open(browser: Browser) -> None:
    model = estate()
    app = build_app(model, OpenGuard(), ShowSettings())
    with served(app) as address:
        one = Watched(browser, address)
        page = one.go(f"/sr/{NFS}")
        expect(page.get_by_role("status")).to_contain_text("live")
        page.locator("#forest-list > summary").click()
        why = model.whys[NFS]
        model.whys[NFS] = type(why)(why.subject, "nfs-prod-1 coalesces again.", "ok", None, why.checks, ())
        app.state.loop.call_soon_threadsafe(model.changed, "answer", PROD, NFS)
        expect(page.locator("h1")).to_have_text("nfs-prod-1 coalesces again.", timeout=5000)
        assert page.locator("#forest-list").get_attribute("open") is not None
        assert one.faults == []
        one.context.close()


@needs_browser
def test_mute_and_rescan_from_the_page(browser: Browser) -> None:
    model = estate()
    with served(build_app(model, NamedGuard(), ShowSettings(rescan_enabled=True))) as address:
        one = Watched(browser, address)
        one.context.add_cookies([{"name": "chainwatch_session", "value": "operate", "url": address}])
        page = one.go("/finding/f1")
        page.get_by_label("reason, everybody").fill("disks ordered")
        page.get_by_role("button", name="mute", exact=True).click()
        expect(page.locator("#mutes + section")).to_contain_text("disks ordered")
        page.get_by_role("button", name="end the mute of COALESCE_NO_SPACE").click()
        expect(page.locator("#mutes + section")).to_contain_text("Nothing is muted.")
        page = one.go(f"/sr/{LOCAL}")
        page.get_by_role("button", name="scan local-1 now").click()
        expect(page.locator("text=scan asked for")).to_be_visible()
        assert [entry.outcome for entry in model.audit_log] == ["asked"]
        assert one.faults == []
        one.context.close()


@needs_browser
def test_copy_as_command(browser: Browser, address: str) -> None:
    one = Watched(browser, address, permissions=["clipboard-read", "clipboard-write"])
    page = one.go(f"/sr/{NFS}")
    page.locator("footer").get_by_role("button", name="copy").click()
    expect(page.locator("footer").get_by_role("button", name="copy")).to_have_text("copied")
    assert page.evaluate("navigator.clipboard.readText()") == "chainwatch sr nfs-prod-1"
    one.context.close()


def html(model: MemoryModel, path: str) -> str:
    with TestClient(build_app(model, OpenGuard(), ShowSettings())) as client:
        response = client.get(path, headers={"Accept": "text/html"})
    assert response.status_code == 200
    return response.text


def test_the_states_that_are_not_trouble_are_designed_too() -> None:
    assert "All healthy." in html(healthy(), "/")
    assert "Nothing is watched yet." in html(MemoryModel(), "/")
    no_agents = healthy()
    no_agents.agent_views = []
    assert "No agent yet." in html(no_agents, "/")
    assert "Nothing is heard of this dom0" in html(estate(), "/agent/host-3")
    assert "not observable" in html(estate(), "/sr/ISOs")
    for path, text in (("/tasks", "No task runs."), ("/agents", "No host is known yet."), ("/vms", "No VM to judge.")):
        assert text in html(MemoryModel(), path)


def test_a_vdi_that_is_gone_still_has_its_log_lines() -> None:
    gone = "5f1c00ff-0000-4000-8000-00000000dead"
    model = estate()
    model.event_list[0] = replace(model.event_list[0], vdi_uuid=gone, text="relinked and deleted")
    with TestClient(build_app(model, OpenGuard(), ShowSettings())) as client:
        response = client.get(f"/vdi/{gone}", headers={"Accept": "text/html"})
        assert (response.status_code, "No VDI has this uuid now." in response.text) == (404, True)
        assert "relinked and deleted" in response.text
        found = client.get("/api/v1/events", params={"vdi": gone}).json()["items"]
        assert [one["text"] for one in found] == ["relinked and deleted"]


def test_causes_are_named_by_their_code() -> None:
    model = estate()
    answer = model.pool_answers[PROD]
    cause, effect = answer.findings[0], answer.findings[1]
    named = replace(cause, id="SR_FULL-9c5e9482cfb4")
    model.pool_answers[PROD] = replace(answer, findings=(named, replace(effect, because=(named.id,))))
    assert f'<a href="/finding/{named.id}">SR_FULL</a>' in html(model, "/findings")


EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def hostile() -> Iterator[TestClient]:
    """An estate whose names try to be markup."""
    model = estate()
    model.agent_views = [replace(one, host_name=EVIL, pool_name=EVIL, problems=(EVIL,)) for one in model.agent_views]
    model.event_list = [replace(one, host_name=EVIL, text=EVIL) for one in model.event_list]
    model.task_views = [replace(one, name=EVIL, detail=EVIL) for one in model.task_views]
    model.sr_views = {uuid: replace(one, gc_host_name=EVIL, type=EVIL) for uuid, one in model.sr_views.items()}
    model.nodes = {sr: [replace(one, name=EVIL, vm_name=EVIL) for one in nodes] for sr, nodes in model.nodes.items()}
    answer = model.pool_answers[PROD]
    found = tuple(replace(one, summary=EVIL, subject=replace(one.subject, name=EVIL)) for one in answer.findings)
    verdicts = tuple(replace(one, name=EVIL, reasons=(EVIL,)) for one in answer.verdicts)
    model.pool_answers[PROD] = replace(answer, findings=found, verdicts=verdicts)
    with TestClient(build_app(model, OpenGuard(), ShowSettings())) as client:
        yield client


@pytest.mark.parametrize("path", PATHS)
def test_names_from_the_estate_are_text_never_markup(hostile: TestClient, path: str) -> None:
    path = path.replace("host-2", HOSTS[1]).replace("host-3", HOSTS[2])
    response = hostile.get(path, headers={"Accept": "text/html"})
    assert response.status_code == 200
    assert EVIL not in response.text


def test_an_error_is_a_page_with_the_way_on() -> None:
    with TestClient(build_app(estate(), OpenGuard(), ShowSettings())) as client:
        response = client.get("/sr/07edc1b2", headers={"Accept": "text/html"})
    assert response.status_code == 409
    assert "fits 5 things" in response.text
    assert f"/find?q={NFS}" in response.text


def test_a_form_without_its_token_is_refused() -> None:
    with TestClient(
        build_app(estate(), NamedGuard(), ShowSettings()), cookies={"chainwatch_session": "operate"}
    ) as client:
        form = {"code": "SR_SPACE_LOW", "hours": "4", "reason": "x"}
        assert client.post("/mutes", data=form).status_code == 403
        assert client.post("/mutes", data=form | {"csrf_token": "guess"}).status_code == 403
        good = client.post("/mutes", data=form | {"csrf_token": "csrf-of-this-session"}, follow_redirects=False)
        assert good.status_code == 303


def test_every_page_forbids_what_it_does_not_need() -> None:
    with TestClient(build_app(estate(), OpenGuard(), ShowSettings())) as client:
        headers = client.get("/").headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert DR not in headers.values()

"""A rescan end to end: asked for by an operator, sent to a pool's XenAPI, its outcome read from the dom0's log."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from lab.estate import Disk, Installation, PoolPlan, Storage

PATIENCE_SECONDS = 60.0


class WithScanner(Installation):
    """The pool's configuration names a user that may scan, beside the one that reads."""

    def _start_pool(self, plan: PoolPlan) -> None:
        super()._start_pool(plan)
        pool, directory = self.pools[plan.name], self.collector.directory / "pools.d"
        secret = directory / "scanner"
        secret.write_text(pool.password)
        secret.chmod(0o600)
        with (directory / f"{plan.name}.toml").open("a") as file:
            file.write(f'rescan_username = "{pool.user}"\nrescan_password_file = "{secret.name}"\n')


def plan() -> PoolPlan:
    chain = [
        Disk("base", None, True, (0, 64)),
        Disk("merge-1", "base", True, (64, 96)),
        Disk("root", "merge-1", False, (0, 8)),
    ]
    return PoolPlan("prod", ["xcp-1"], [Storage("nfs", "nfs-1", chain, {"db": "root"}, used_gib=10)])


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    directory = tmp_path_factory.mktemp("rescan")
    with WithScanner(directory, [plan()], extra="[rescan]\nenabled = true\n") as made:
        yield made


@pytest.fixture(scope="module")
def client(installation: Installation) -> Iterator[httpx2.Client]:
    """The first administrator."""
    collector = installation.collector
    token = (collector.directory / "state" / "admin-token").read_text().strip()
    trust = ssl.create_default_context(cafile=str(installation.pki.ca))
    url = f"https://127.0.0.1:{collector.web_port}"
    with httpx2.Client(
        base_url=url, verify=trust, trust_env=False, headers={"Authorization": f"Bearer {token}"}
    ) as made:
        yield made


def until(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := what()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.2)
    return found


def newest(client: httpx2.Client) -> dict[str, Any]:
    items: list[dict[str, Any]] = client.get("/api/v1/rescans", params={"sr": "nfs-1"}).json()["items"]
    return items[0] if items else {"state": "none"}


def test_from_the_question_to_the_backlog(installation: Installation, client: httpx2.Client) -> None:
    installation.dom0s["xcp-1"].tell(do="say", ident="SM", pid=77, text="lock: opening lock file /var/lock/sm/x/sr")
    plan_now = until(lambda: _allowed(client))
    assert [check["status"] for check in plan_now["prechecks"]] == ["ok"] * 7
    nobody = httpx2.post(
        client.base_url.join("/api/v1/sr/nfs-1/rescan"),
        verify=ssl.create_default_context(cafile=str(installation.pki.ca)),
        trust_env=False,
    )
    assert nobody.status_code == 403, "who only looks may not"
    asked = client.post("/api/v1/sr/nfs-1/rescan")
    assert (asked.status_code, asked.json()["state"]) == (202, "asked")
    assert client.post("/api/v1/sr/nfs-1/rescan").status_code == 409, "one at a time"
    installation.collect("prod", "xcp-1", "nfs-1", bytes_per_second=500e6).wait(PATIENCE_SECONDS)
    ended = until(lambda: one if (one := newest(client))["state"] == "ended" else None)
    assert (ended["run_outcome"], ended["pending_before"], ended["pending_after"]) == ("worked", 2, 0)
    assert ended["sentence"].endswith("The backlog fell from 2 to 0.")
    page = client.get(f"/sr/{ended['sr']['uuid']}", headers={"Accept": "text/html"}).text
    assert "The backlog fell from 2 to 0." in page
    outcomes = [one["outcome"] for one in client.get("/api/v1/audit").json()["items"] if one["what"] == "rescan"]
    assert outcomes[:3] == ["ended", "refused", "asked"]


def _allowed(client: httpx2.Client) -> dict[str, Any] | None:
    answer = client.get("/api/v1/sr/nfs-1/rescan")
    found: dict[str, Any] = answer.json()
    return found if answer.status_code == 200 and found["state"] == "asked" else None

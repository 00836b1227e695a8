"""Two collectors on one PostgreSQL: what concerns a host is known at both, wherever its stream ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2 as httpx
import pytest
from chainwatch.v1 import evidence_pb2
from chainwatch_collector.keep.projection_tables import REQUESTS
from lab.collector_process import CollectorProcess
from lab.databases import new_postgres
from lab.pki import Pki
from lab.two_collectors import TwoCollectors, until
from lab.wire import connect, hello
from sqlalchemy import func, select

pytestmark = pytest.mark.postgres
SECRET = "hunter22hunter22"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, pki: Pki, postgres_url: str) -> Iterator[TwoCollectors]:
    for database in new_postgres(postgres_url):
        with TwoCollectors(tmp_path_factory.mktemp("pair"), pki, database.url) as running:
            until(lambda: running.open_streams() == 2)
            until(running.owner)
            yield running


def ask(collector: CollectorProcess, method: str, path: str, **more: object) -> httpx.Response:
    """As the collector's first administrator."""
    token = (collector.directory / "state/admin-token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(verify=False, trust_env=False, timeout=60) as client:
        url = f"https://127.0.0.1:{collector.web_port}/api/v1{path}"
        return client.request(method, url, headers=headers, **more)  # type: ignore[arg-type]


def raw(collector: CollectorProcess, host_uuid: str, **body: object) -> httpx.Response:
    return ask(collector, "POST", f"/agent/{host_uuid}/evidence", json={"around": "1m", **body})


def audited(collector: CollectorProcess) -> list[dict[str, str]]:
    found: list[dict[str, str]] = ask(collector, "GET", "/audit?what=evidence").json()["items"]
    return found


def requests_kept(pair: TwoCollectors) -> int:
    return pair.read(lambda c: c.execute(select(func.count()).select_from(REQUESTS)).scalar_one())


def findings(collector: CollectorProcess, code: str) -> list[dict[str, Any]]:
    """As this collector shows them, whichever judges."""
    items = ask(collector, "GET", "/findings").json()["items"]
    return [one for one in items if one["code"] == code]


async def test_who_speaks_wrongly_for_a_host_at_the_other_collector_is_named_at_both(
    pair: TwoCollectors, pki: Pki
) -> None:
    """Each host's clone knocks at the collector that has not its stream, and so does something that is no agent; one of
    the two collectors does not judge the pool.
    """
    for number, (host_uuid, far) in enumerate(zip(pair.host_uuids, reversed(pair.collectors), strict=True)):
        identity = pki.host(host_uuid, stem=f"clone-{number}")
        async with connect(far.ingest_port, pki.ca, identity) as clone:
            await clone.send(hello=hello(machine_id=f"{number}" * 32, hostname=f"clone-{number}"))
            assert (await clone.ended())[1].startswith("duplicate host")
        async with connect(far.ingest_port, pki.ca, identity) as faulty:
            await faulty.send(status=evidence_pb2.Status())
            assert (await faulty.ended())[1] == "the first message must be hello"
    for number, host_uuid in enumerate(pair.host_uuids):
        for collector in pair.collectors:
            summary = named(collector, host_uuid, "HOST_DUPLICATE")
            assert f"{number}" * 32 in summary
            assert f"clone-{number}" in summary
            assert named(collector, host_uuid, "AGENT_MISBEHAVES").endswith(": the first message must be hello.")
    assert pair.open_streams() == 2


def named(collector: CollectorProcess, host_uuid: str, code: str) -> str:
    """The summary of the host's finding, as soon as there is one."""
    (told,) = until(lambda: [one for one in findings(collector, code) if one["subject"]["uuid"] == host_uuid])
    summary: str = told["summary"]
    return summary


def test_raw_lines_of_every_host_through_every_collector(pair: TwoCollectors) -> None:
    for number, log in enumerate(pair.logs):
        now = datetime.now(UTC)
        with log.path.open("a") as file:
            stamp = f"{now:%b} {now.day:2} {now:%H:%M:%S} xcp{number + 1}"
            file.write(f"{stamp} SM: [1] nobody selects line {number}\n{stamp} SM: [2] mount -o password={SECRET}\n")
    before = len(audited(pair.collectors[0]))
    for collector in pair.collectors:
        for number, host_uuid in enumerate(pair.host_uuids):
            answer = raw(collector, host_uuid)
            assert answer.status_code == 200, answer.text
            texts = [item["text"] for item in answer.json()["items"]]
            assert any(text.endswith(f"nobody selects line {number}") for text in texts)
            assert any("mount -o password=" in text for text in texts)
            assert SECRET not in answer.text
            literal = raw(collector, host_uuid, literals=["nobody selects"]).json()
            assert [item["text"].rpartition(" ")[2] for item in literal["items"]] == [str(number)]
    # One record for each request, by who was asked, and not one more by who answered.
    assert len(audited(pair.collectors[1])) - before == 8
    assert {one["outcome"] for one in audited(pair.collectors[1])[:8]} == {"done"}
    assert requests_kept(pair) == 0
    relayed = [one.log.read_text().count("for another collector: done") for one in pair.collectors]
    assert relayed == [2, 2]


def test_what_the_agent_or_nobody_answers_is_said(pair: TwoCollectors) -> None:
    for collector in pair.collectors:
        answer = raw(collector, pair.host_uuids[0], log="/var/log/secure")
        assert answer.status_code == 409
        assert "/var/log/secure is not followed" in answer.json()["error"]["message"]
        answer = raw(collector, "b2c5c1d2-1f0e-4a53-8f6e-0c1d2e3f4a5b")
        assert "no agent of this host was ever connected" in answer.json()["error"]["message"]
    assert [one["outcome"] for one in audited(pair.collectors[0])[:4]] == ["refused"] * 4
    assert requests_kept(pair) == 0


def test_an_agent_that_hands_out_nothing_and_one_that_is_gone(pair: TwoCollectors) -> None:
    agent, host_uuid = pair.agents[1], pair.host_uuids[1]
    agent.stop()
    until(lambda: pair.open_streams() == 1)
    for collector in pair.collectors:
        message = raw(collector, host_uuid).json()["error"]["message"]
        assert message.startswith("no agent of this host is connected to any collector, last heard of"), message
    with agent.config.open("a") as config:
        config.write("[evidence]\nallow = no\n")
    agent.start()
    until(lambda: pair.open_streams() == 2)
    for collector in pair.collectors:
        message = raw(collector, host_uuid).json()["error"]["message"]
        assert "allow=yes in its agent.conf" in message
    agent.stop()
    agent.config.write_text(agent.config.read_text().replace("allow = no", "allow = yes"))
    agent.start()
    until(lambda: pair.open_streams() == 2)
    assert raw(pair.collectors[0], host_uuid).status_code == 200


def test_a_collector_that_was_killed_does_not_hold_anybody_up(pair: TwoCollectors) -> None:
    """The host's agent goes to the other one; until it is there the answer says what is the matter, and comes soon."""
    first, second = pair.collectors
    held_by_first = pair.host_uuids[0]
    first.kill()
    until(lambda: raw(second, held_by_first).status_code == 200)
    first.start()
    assert requests_kept(pair) == 0


def test_a_revoked_host_is_told_as_such_at_both(pair: TwoCollectors) -> None:
    host_uuid = pair.host_uuids[0]
    assert ask(pair.collectors[1], "POST", f"/agent/{host_uuid}/revoke").status_code == 200
    for collector in pair.collectors:
        (told,) = until(lambda c=collector: findings(c, "AGENT_REVOKED"))  # type: ignore[misc]
        assert told["subject"]["uuid"] == host_uuid
        assert "was revoked by admin" in told["summary"]

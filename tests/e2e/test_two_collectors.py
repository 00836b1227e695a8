"""Two collectors share a PostgreSQL: both receive, one owns a pool, and the other goes on where a dead one was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chainwatch_collector.keep.projection_tables import TRANSITIONS
from chainwatch_collector.keep.tables import HOSTS
from collector.serve.live_collector import Rest
from lab.collector_process import CollectorProcess
from lab.databases import new_postgres
from lab.delivery_proof import check, evidence_of
from lab.generations import Generation, name_of
from lab.pki import Pki
from lab.two_collectors import TwoCollectors, until
from sqlalchemy import select

pytestmark = pytest.mark.postgres


@pytest.fixture
def pair(tmp_path: Path, pki: Pki, postgres_url: str) -> Iterator[TwoCollectors]:
    for database in new_postgres(postgres_url):
        with TwoCollectors(tmp_path, pki, database.url) as running:
            yield running


def shown(collector: CollectorProcess, sr: str) -> set[str]:
    """The codes of an SR, as a collector shows them."""
    rest = Rest(collector)
    try:
        return rest.codes(sr)
    finally:
        rest.close()


def test_the_other_one_goes_on_where_a_killed_owner_was(pair: TwoCollectors) -> None:
    first = [log.srs[0] for log in pair.logs]
    until(lambda: all(pair.crashed(sr) for sr in first))
    owner = pair.owner()
    assert owner is not None
    survivor = pair.other(owner)
    until(lambda: all("GC_CRASHED" in shown(one, sr) for one in pair.collectors for sr in first))
    _both_receive(pair)
    before = pair.findings()

    pair.takeover_seconds()
    assert pair.owner() is survivor
    second = pair.logs[1].crash()
    until(lambda: pair.crashed(second))
    assert pair.open_streams() == 2
    until(lambda: "GC_CRASHED" in shown(survivor, second))
    _carried_on(pair, before)

    owner.start()
    third = pair.logs[0].crash()
    until(lambda: pair.crashed(third))
    until(lambda: "GC_CRASHED" in shown(owner, third))
    assert pair.owner() is survivor
    # One that ends in order gives its pools up: nobody waits for its lease.
    assert survivor.stop() == 0
    until(lambda: pair.owner() is owner)
    last = [log.crash() for log in pair.logs]
    until(lambda: all(pair.crashed(sr) for sr in last))
    _carried_on(pair, before)
    _stored_once(pair)
    assert all("Traceback" not in one.log.read_text() for one in pair.collectors)


def _both_receive(pair: TwoCollectors) -> None:
    """Each of the two has a connection of its own to one of the agents."""
    assert pair.open_streams() == 2
    assert [agent.process and agent.process.poll() for agent in pair.agents] == [None, None]
    epochs = pair.read(lambda c: c.execute(select(HOSTS.c.stream_epoch)).scalars().all())
    assert list(epochs) == [1, 1]


def _carried_on(pair: TwoCollectors, before: dict[tuple[str, str], list[int]]) -> None:
    """A finding of then is the same one now: seen first when it was, raised once."""
    after = pair.findings()
    assert before.items() <= after.items()
    assert all(len(rows) == 1 for rows in after.values())
    moved = pair.read(lambda c: c.execute(select(TRANSITIONS).where(TRANSITIONS.c.code == "GC_CRASHED")).all())
    assert {row.change for row in moved} == {"raised"}
    assert len({row.finding_id for row in moved}) == len(moved)


def _stored_once(pair: TwoCollectors) -> None:
    for host_uuid, log in zip(pair.host_uuids, pair.logs, strict=True):
        content = log.path.read_bytes()
        evidence = pair.read(lambda c, h=host_uuid: evidence_of(c, h))  # type: ignore[misc]
        check(evidence, {name_of(content): Generation(0, content)})
        assert [file.to_offset for file in evidence.files] == [len(content)]

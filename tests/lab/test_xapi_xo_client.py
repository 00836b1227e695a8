"""Xen Orchestra's own XenAPI client keeps its cache equal to the lab's pool, over JSON-RPC and XML-RPC."""

from collections.abc import Iterator

import pytest

from lab.xapi.handle import LabPool, lab_pool
from lab.xapi.pool import XapiPool
from lab.xapi.xo import NoXoClientError, installed, xo_client

CLASSES = ("SR", "VDI", "VBD", "VM", "PBD", "host", "pool")


@pytest.fixture(scope="module", autouse=True)
def _client() -> None:
    try:
        installed()
    except NoXoClientError as error:
        pytest.skip(str(error))


def estate(pool: XapiPool) -> None:
    """Two VMs, a chain with pending merges."""
    sr = pool.estate.add_sr("nfs", "vms")
    leaf = pool.disks.add_chain(sr, "disk of app", depth=5)[-1]
    pool.estate.add_vm("app", pool.host("xcp1"), [pool.disks.ref(leaf)])
    pool.estate.add_vm("db", None, [pool.disks.ref(pool.disks.add_vdi(sr, "disk of db"))])


@pytest.fixture
def pool() -> Iterator[LabPool]:
    with lab_pool("xcp1", "xcp2", build=estate) as pool:
        yield pool


def truth(pool: LabPool) -> dict[str, set[str]]:
    """What the client's cache should hold."""
    return {name: {r["uuid"] for r in records.values()} for name, records in pool.dump().items() if name in CLASSES}


def seen(objects: dict[str, set[str]]) -> dict[str, set[str]]:
    return {name: objects.get(name, set()) for name in CLASSES}


@pytest.mark.parametrize("transport", ["json-rpc", "xml-rpc"])
def test_its_cache_follows_snapshots_merges_and_deletions(pool: LabPool, transport: str) -> None:
    with xo_client(pool, transport) as client:
        assert seen(client.objects()) == truth(pool)
        pool.do("snapshot_vm", vm="app", name="app before the update")
        assert seen(client.objects()) == truth(pool)
        pool.do("delete_snapshot", name="app before the update")
        assert pool.do("gc_run", sr="vms")
        pool.do("burst_add", sr="vms", count=200)
        assert seen(client.objects()) == truth(pool)
        pool.do("burst_delete", count=100, prefix="burst")
        assert seen(client.objects()) == truth(pool)


def test_it_finds_the_coordinator_from_a_slave_and_survives_lost_sessions(pool: LabPool) -> None:
    with xo_client(pool, "auto", host="xcp2") as client:
        assert seen(client.objects()) == truth(pool)
        pool.do("drop_sessions")
        pool.do("add_vdi", sr="vms", name="made while it was away")
        assert seen(client.objects()) == truth(pool)


def test_it_falls_back_to_xml_on_a_host_without_json_rpc(pool: LabPool) -> None:
    pool.do("fault", json_rpc=False)
    with xo_client(pool, "auto") as client:
        assert seen(client.objects()) == truth(pool)


def test_it_keeps_ghosts_after_a_burst_that_the_database_forgot(pool: LabPool) -> None:
    """What the deletion list's limit does to a client that does not compare counts."""
    pool.do("burst_add", sr="vms", count=1000)
    with xo_client(pool, "json-rpc") as client:
        assert seen(client.objects()) == truth(pool)
        pool.do("burst_delete", count=1000, prefix="burst")
        ghosts = client.objects()["VDI"] - truth(pool)["VDI"]
        assert 1000 - 511 <= len(ghosts) <= 1000 - 256

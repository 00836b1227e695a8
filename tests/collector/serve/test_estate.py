"""A collector between a pool's XenAPI and a dom0's log: both meet in the findings, and either may go away."""

from collections.abc import Iterator
from typing import Any

import pytest
from chainwatch.v1 import evidence_pb2
from collector.serve.live_collector import Rest, bytes_of, just_now, ship
from lab.collector_process import CollectorProcess
from lab.pki import Pki
from lab.wire import connect, hello
from lab.xapi.handle import LabPool, lab_pool
from lab.xapi.pool import XapiPool
from smlog import disk

AT_ONCE = "[thresholds]\nagent_missing_seconds = 0\npool_unreachable_seconds = 1\nagent_silent_seconds = 600"
"""What is held down in life is told at once, and no agent of a test is silent too soon."""


def build(pool: XapiPool) -> None:
    """One shared SR with a chain of a root, a base copy to merge and a leaf of a VM."""
    sr = pool.estate.add_sr("nfs", "nfs-1")
    chain = pool.disks.add_chain(sr, "db disk", 3)
    pool.estate.add_vm("db", pool.host("xcp1"), [pool.disks.ref(chain[-1])])


@pytest.fixture(scope="module")
def lab() -> Iterator[LabPool]:
    with lab_pool("xcp1", "xcp2", build=build, name="prod") as pool:
        yield pool


@pytest.fixture(scope="module")
def rest(lab: LabPool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    directory = tmp_path_factory.mktemp("estate")
    collector = CollectorProcess(directory / "collector", Pki(directory / "pki"), extra=AT_ONCE)
    configure(collector, lab)
    collector.start()
    made = Rest(collector)
    yield made
    made.close()
    assert collector.stop() == 0
    assert "Traceback" not in collector.log.read_text()


def configure(collector: CollectorProcess, lab: LabPool) -> None:
    pools = collector.directory / "pools.d"
    pools.mkdir()
    secret = pools / "prod.pw"
    secret.write_text(lab.reader_password)
    secret.chmod(0o600)
    (pools / "prod.toml").write_text(
        f'addresses = ["{lab.address}:{lab.port}"]\nusername = "{lab.reader}"\n'
        f'password_file = "prod.pw"\nca_file = "{lab.ca_file}"\n'
    )


class Estate:
    """What XenAPI has, by name."""

    def __init__(self, lab: LabPool) -> None:
        dump = lab.dump()
        self.hosts = {str(one["name_label"]): str(one["uuid"]) for one in dump["host"].values()}
        self.sr = next(str(one["uuid"]) for one in dump["SR"].values() if one["name_label"] == "nfs-1")
        in_sr = [one for one in dump["VDI"].values() if dump["SR"][str(one["SR"])]["uuid"] == self.sr]
        parents: dict[str, Any] = {str(one["uuid"]): one["sm_config"] for one in in_sr}
        self.root = next(uuid for uuid, config in parents.items() if "vhd-parent" not in config)
        self.middle = next(uuid for uuid, config in parents.items() if config.get("vhd-parent") == self.root)
        self.leaf = next(uuid for uuid, config in parents.items() if config.get("vhd-parent") == self.middle)


async def test_the_inventory_is_on_every_surface(rest: Rest, lab: LabPool) -> None:
    estate = Estate(lab)
    (row,) = await rest.until(lambda: [one for one in rest.get("/srs")["items"] if one["uuid"] == estate.sr])
    assert (row["name"], row["pool_name"], row["type"], row["depth_max"]) == ("nfs-1", "prod", "nfs", 3)
    assert row["gc_host_name"] == "xcp1"
    chain = rest.get(f"/chain/{estate.leaf}")
    nodes = chain["forest"]["nodes"]
    assert [node["uuid"] for node in nodes] == [estate.root, estate.middle, estate.leaf]
    assert nodes[2]["vm_name"] == "db"
    agents = {one["host_name"]: one["state"] for one in rest.get("/agents")["items"]}
    assert agents == {"xcp1": "missing", "xcp2": "missing"}
    (pool,) = rest.get("/pools")["items"]
    assert (pool["pool"]["name"], pool["pool"]["reachable"], pool["pool"]["master_name"]) == ("prod", True, "xcp1")


async def test_a_failed_merge_is_named_by_the_inventory(rest: Rest, lab: LabPool) -> None:
    estate = Estate(lab)
    log = just_now()
    tree = [(0, disk(estate.root)), (1, disk(estate.middle)), (2, disk(estate.leaf, hidden=False))]
    log.start(100, estate.sr).tree(100, *tree, sr=estate.sr, name="nfs-1")
    log.inner_start(100, estate.middle, estate.root).copy(101, estate.middle, estate.sr).tick(3)
    log.banner(100, "gc", "vhd-util failed").tick()
    await ship(rest.collector, estate.hosts["xcp1"], bytes_of(log))
    (finding,) = await rest.until(lambda: [one for one in rest.findings() if one["code"] == "COALESCE_FAILED"])
    assert finding["subject"]["uuid"] == estate.middle
    assert (finding["sr_uuid"], finding["pool_name"]) == (estate.sr, "prod")
    runs = rest.get("/sr/nfs-1")["runs"]
    assert {run["host"] for run in runs} <= {estate.hosts["xcp1"], "xcp1"}
    await rest.until(lambda: rest.get("/events", vdi=estate.middle, kind="MergeStarted")["items"])
    assert await rest.until(lambda: rest.get("/history/nfs-1", since="1h")["points"])
    agents = {one["host_name"]: one["state"] for one in rest.get("/agents")["items"]}
    assert agents["xcp1"] != "missing"
    assert agents["xcp2"] == "missing"


async def test_why_walks_through_the_questions(rest: Rest, lab: LabPool) -> None:
    page = rest.get("/why", subject="nfs-1")
    assert len(page["checks"]) > 3
    assert page["sentence"]
    for subject in (Estate(lab).leaf, "db", "xcp1", "prod"):
        assert rest.get("/why", subject=subject)["sentence"], subject


async def test_a_host_of_no_pool_is_unassigned_until_it_is_revoked(rest: Rest) -> None:
    stranger = "00000000-1111-4000-8000-00000000000f"
    await ship(rest.collector, stranger, bytes_of(just_now().gc(7, "No work, exiting")))
    await rest.until(
        lambda: [one for one in rest.get("/agents", state="unassigned")["items"] if one["host_uuid"] == stranger]
    )
    await rest.until(lambda: "HOST_UNASSIGNED" in rest.codes())
    admin = rest.new_client((rest.collector.directory / "state/admin-token").read_text().strip())
    assert admin.post(f"/api/v1/agent/{stranger}/revoke").status_code == 200
    await rest.until(lambda: "HOST_UNASSIGNED" not in rest.codes())
    assert not [one for one in rest.findings() if one["subject"]["uuid"] == stranger]
    await rest.until(
        lambda: [one for one in rest.get("/agents", state="revoked")["items"] if one["host_uuid"] == stranger]
    )


async def test_two_dom0s_with_one_certificate_are_named(rest: Rest, lab: LabPool) -> None:
    host = Estate(lab).hosts["xcp2"]
    pki, port = rest.collector.pki, rest.collector.ingest_port
    async with connect(port, pki.ca, pki.host(host)) as wire, connect(port, pki.ca, pki.host(host)) as clone:
        await wire.welcome(machine_id="a" * 32)
        await clone.send(hello=hello(machine_id="b" * 32, hostname="clone"))
        assert (await clone.ended())[1].startswith("duplicate host")
        (told,) = await rest.until(lambda: [one for one in rest.findings() if one["code"] == "HOST_DUPLICATE"])
    assert (told["subject"]["uuid"], told["severity"]) == (host, "error")
    assert "b" * 32 in told["summary"]
    assert "clone" in told["summary"]


async def test_agents_that_break_the_rules_are_named(rest: Rest, lab: LabPool) -> None:
    """Of a host of a pool, and of one that was given a certificate and belongs to none."""
    member, stranger = Estate(lab).hosts["xcp2"], "00000000-1111-4000-8000-00000000000e"
    pki, port = rest.collector.pki, rest.collector.ingest_port
    async with connect(port, pki.ca, pki.host(member)) as wire:
        await wire.welcome(machine_id="a" * 32)
        await wire.send(span=evidence_pb2.Span(from_offset=7, to_offset=5))
        assert (await wire.ended())[1].startswith("span.to_offset: 5")
    async with connect(port, pki.ca, pki.host(stranger)) as wire:
        await wire.send(span=evidence_pb2.Span(from_offset=7, to_offset=5))
        assert (await wire.ended())[1] == "the first message must be hello"
    told = await rest.until(
        lambda: len(found := [one for one in rest.findings() if one["code"] == "AGENT_MISBEHAVES"]) == 2 and found
    )
    summaries = {one["subject"]["uuid"]: one["summary"] for one in told}
    assert "ended the stream of xcp2 for a fault of its agent at ipv4:127.0.0.1:" in summaries[member]
    assert "span.to_offset: 5 is not behind from_offset 7" in summaries[member]
    assert summaries[stranger].endswith(": the first message must be hello.")


async def test_a_pool_that_goes_away_is_unknown_and_its_hosts_stay(rest: Rest, lab: LabPool) -> None:
    lab.do("power_off", host="xcp1")
    lab.do("power_off", host="xcp2")
    await rest.until(lambda: not rest.get("/pools")["items"][0]["pool"]["reachable"] or None)
    await rest.until(lambda: "POOL_UNREACHABLE" in rest.codes())
    rest.collector.stop()
    rest.collector.start()
    await rest.until(lambda: "COALESCE_FAILED" in rest.codes())
    (finding,) = [one for one in rest.findings() if one["code"] == "COALESCE_FAILED"]
    assert (finding["pool_name"], finding["subject"]["uuid"]) == ("prod", Estate(lab).middle)
    lab.do("power_on", host="xcp1")
    lab.do("power_on", host="xcp2")
    await rest.until(lambda: "POOL_UNREACHABLE" not in rest.codes())

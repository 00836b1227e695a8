"""The inventory in a collector: pictures reach the event loop, the last one is known after a restart."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.serve.composition import Collector
from chainwatch_collector.serve.inventory_part import InventoryPart, unknown_pool_uuid
from chainwatch_collector.serve.settings import Settings, load
from collector.inventory.conftest import PACE, RHYTHM, TIMEOUTS, build
from lab.pki import Pki
from lab.xapi.handle import LabPool, lab_pool

PATIENCE_SECONDS = 30.0


@pytest.fixture
def lab() -> Iterator[LabPool]:
    with lab_pool("xcp1", "xcp2", build=build) as pool:
        yield pool


def configured(directory: Path, lab: LabPool, password: str = "", trust: str = "") -> Settings:
    """A collector that follows the lab's pool under the name prod; `trust`: instead of all its certificates."""
    (directory / "pools.d").mkdir(exist_ok=True)
    secret = directory / "pools.d" / "prod.pw"
    secret.write_text(password or lab.reader_password)
    secret.chmod(0o600)
    trust = trust or f'ca_file = "{lab.ca_file}"'
    (directory / "pools.d" / "prod.toml").write_text(
        f'addresses = ["{lab.address}:{lab.port}"]\nusername = "{lab.reader}"\npassword_file = "prod.pw"\n{trust}\n'
    )
    pki = Pki(directory / "pki")
    server = pki.server()
    (directory / "collector.toml").write_text(
        f'state_dir = "state"\n[ingest]\nlisten = "127.0.0.1:0"\ncertificate = "{server.certificate}"\n'
        f'key = "{server.key}"\nclient_ca = "{pki.ca}"\n'
    )
    return load(directory / "collector.toml")


class Listener:
    """What the part told."""

    def __init__(self) -> None:
        self.newest: dict[str, Picture] = {}
        self.first: dict[str, Picture] = {}
        self.retired: list[str] = []
        self.part = InventoryPart(self.pictured, self.retired.append, rhythm=RHYTHM, pace=PACE, timeouts=TIMEOUTS)

    def pictured(self, pool_uuid: str, picture: Picture) -> None:
        self.first.setdefault(pool_uuid, picture)
        self.newest[pool_uuid] = picture

    async def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, {uuid: one.problem for uuid, one in self.newest.items()}
            await asyncio.sleep(0.01)

    def reachable(self, uuid: str) -> bool:
        return uuid in self.newest and self.newest[uuid].reachable


async def test_pictures_arrive_and_the_last_one_is_known_after_a_restart(tmp_path: Path, lab: LabPool) -> None:
    settings, uuid = configured(tmp_path, lab), lab.uuid
    first = Listener()
    async with Collector(settings, [first.part]):
        await first.until(lambda: first.reachable(uuid))
        assert first.part.picture("prod") is first.part.picture(uuid)
        assert first.part.counters()["prod"].logins == 1
        vdis = sum(1 for _ in first.newest[uuid].all_vdis())
    assert lab.call(lambda pool: len(pool.sessions.open)) == 0
    lab.do("fault", down=True)
    second = Listener()
    async with Collector(settings, [second.part]):
        await second.until(lambda: uuid in second.newest and "not asked" not in second.newest[uuid].problem)
        shown = second.first[uuid]
        assert (shown.reachable, shown.as_of) == (False, first.newest[uuid].as_of)
        assert shown.problem.startswith("network: not asked yet")
        assert second.newest[uuid].problem.startswith("network: ")
        assert sum(1 for _ in shown.all_vdis()) == vdis > 0
        lab.do("heal")
        await second.until(lambda: second.reachable(uuid))
    assert second.retired == []
    assert lab.writes_called == []


async def test_a_pool_that_never_answered_has_a_name_until_it_does(tmp_path: Path, lab: LabPool) -> None:
    lab.do("fault", emergency=["HOST_STILL_BOOTING"])
    listener, uuid = Listener(), lab.uuid
    placeholder = unknown_pool_uuid("prod")
    async with Collector(configured(tmp_path, lab), [listener.part]):
        await listener.until(lambda: placeholder in listener.newest)
        shown = listener.newest[placeholder]
        assert shown.pool is not None
        assert (shown.pool.name, shown.as_of, shown.reachable) == ("prod", None, False)
        assert shown.problem.startswith("booting: ")
        lab.do("heal")
        await listener.until(lambda: listener.reachable(uuid))
        assert listener.retired == [placeholder]


async def test_a_secret_that_others_may_read_is_a_problem_of_the_pool(tmp_path: Path, lab: LabPool) -> None:
    settings = configured(tmp_path, lab)
    (tmp_path / "pools.d" / "prod.pw").chmod(0o644)
    listener = Listener()
    async with Collector(settings, [listener.part]):
        await listener.until(lambda: bool(listener.newest))
        (shown,) = listener.newest.values()
        assert shown.problem.startswith("login: ")
        assert "others may read it: chmod 600" in shown.problem
    assert lab.call(lambda pool: pool.sessions.failed_logins) == 0


async def test_certificates_learned_over_a_pinned_one_outlive_the_collector(tmp_path: Path, lab: LabPool) -> None:
    def pin(host: str) -> str:
        printed = lab.call(lambda pool: pool.servers[pool.host(host)].certificate.fingerprint)
        return f'fingerprints = ["{printed}"]'

    settings, uuid = configured(tmp_path, lab, trust=pin("xcp1")), lab.uuid
    first = Listener()
    async with Collector(settings, [first.part]):
        await first.until(lambda: first.reachable(uuid))
        await first.until(lambda: len(_learned(first, uuid)) == 2)
    lab.do("fail_over", to="xcp2", old_goes_down=True)
    second = Listener()
    async with Collector(settings, [second.part]):
        await second.until(lambda: second.reachable(uuid))
        assert _learned(second, uuid) == _learned(first, uuid)
    third = Listener()
    async with Collector(configured(tmp_path, lab, trust='fingerprints = ["' + "ab" * 32 + '"]'), [third.part]):
        await third.until(lambda: third.newest[uuid].problem.startswith("tls: ") if uuid in third.newest else False)
        assert _learned(third, uuid) == frozenset()


def _learned(listener: Listener, uuid: str) -> frozenset[str]:
    settings = listener.part.settings_of(uuid)
    return settings.trust().learned if settings is not None else frozenset()

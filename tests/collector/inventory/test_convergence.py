"""With the pauses and limits that it has in life, the picture equals the server's within 5 s of the last change."""

from collections.abc import Iterator
from typing import Any

import pytest
from collector.inventory.conftest import PATIENCE_SECONDS, Followed
from lab.xapi.handle import LabPool

BURST = 2000


@pytest.fixture
def followed(lab: LabPool) -> Iterator[Followed]:
    it = Followed(lab, hurried=False)
    it.follower.start()
    it.until(lambda picture: picture.reachable, "reachable")
    yield it
    assert it.follower.stop(PATIENCE_SECONDS)
    assert lab.writes_called == []


def change(followed: Followed) -> None:
    """Adds and deletes, so that a picture from before is no longer right."""
    followed.lab.do("burst_add", sr="nfs-1", count=20)
    followed.lab.do("burst_delete", count=5)


def broken(followed: Followed, **fault: Any) -> None:
    """Something is wrong with every host until the follower shows it."""
    followed.lab.do("fault", **fault)
    change(followed)
    followed.until(lambda picture: bool(picture.problem), "a problem is shown")


def test_adds_and_deletes(followed: Followed) -> None:
    followed.lab.do("burst_add", sr="nfs-1", count=300)
    followed.converges()
    followed.lab.do("burst_delete", count=200, prefix="burst")
    followed.converges()
    assert followed.follower.counters.full_fetches == 1


def test_a_burst_of_deletes(followed: Followed) -> None:
    followed.lab.do("burst_add", sr="nfs-1", count=BURST)
    followed.converges()
    followed.lab.do("burst_delete", count=BURST, prefix="burst")
    followed.converges()
    assert followed.follower.counters.full_fetches == 1
    assert followed.follower.counters.repaired > 1000


def test_a_dropped_session(followed: Followed) -> None:
    followed.lab.do("drop_sessions")
    change(followed)
    followed.converges()


@pytest.mark.parametrize("old_goes_down", [True, False])
def test_master_failover(followed: Followed, old_goes_down: bool) -> None:
    followed.lab.do("fail_over", to="xcp3", lost_generations=3, old_goes_down=old_goes_down)
    change(followed)
    followed.converges()


def test_a_restart_of_xapi(followed: Followed) -> None:
    change(followed)
    followed.lab.do("restart_xapi")
    change(followed)
    followed.converges()


def test_a_half_open_connection(followed: Followed) -> None:
    followed.lab.do("forget_connections")
    change(followed)
    followed.converges()
    assert followed.follower.counters.errors == 1
    assert followed.follower.counters.full_fetches == 1


@pytest.mark.parametrize("fault", [{"silent": True}, {"down": True}, {"emergency": ["HOST_STILL_BOOTING"]}])
def test_a_server_that_is_back(followed: Followed, fault: dict[str, Any]) -> None:
    broken(followed, **fault)
    followed.lab.do("heal")
    followed.converges()


def test_hosts_that_are_back(followed: Followed) -> None:
    for host in ("xcp1", "xcp2", "xcp3"):
        followed.lab.do("power_off", host=host)
    followed.until(lambda picture: bool(picture.problem), "a problem is shown")
    for host in ("xcp1", "xcp2", "xcp3"):
        followed.lab.do("power_on", host=host)
    followed.converges()


@pytest.mark.parametrize("method", ["event.from", "VDI.get_record", "VDI.get_all"])
def test_a_truncated_body(followed: Followed, method: str) -> None:
    followed.lab.do("burst_add", sr="nfs-1", count=BURST)
    followed.converges()
    followed.lab.do("fault", truncate={method: 1})
    followed.lab.do("burst_delete", count=BURST, prefix="burst")
    change(followed)
    followed.converges()


def test_a_truncated_first_fetch(lab: LabPool) -> None:
    lab.do("fault", truncate={"VDI.get_all_records_where": 1})
    followed = Followed(lab, hurried=False)
    followed.follower.start()
    followed.converges()
    assert followed.follower.stop(PATIENCE_SECONDS)

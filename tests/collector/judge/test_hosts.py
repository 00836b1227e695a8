from __future__ import annotations

import pytest
from chainwatch_collector.track.observations import MountSeen
from collector.judge.scene import MASTER, MEMBER, SR_REF, START, Scene, a_host, a_pbd, an_sr, disk, quiet_pool
from smlog import SR, C, Smlog


def with_hosts(scene: Scene, *hosts: object) -> Scene:
    return scene.seen(hosts={host.ref: host for host in hosts})  # type: ignore[attr-defined]


def test_host_down() -> None:
    scene = quiet_pool()
    with_hosts(scene, a_host(MASTER), a_host(MEMBER, live=False))
    assert scene.look()["HOST_DOWN"].severity == "error"
    with_hosts(scene, a_host(MASTER), a_host(MEMBER))
    assert scene.codes() == set()


def test_planned_maintenance_raises_no_warning() -> None:
    scene = quiet_pool()
    pbds = (a_pbd(MASTER), a_pbd(MEMBER, currently_attached=False))
    scene.seen(pbds={pbd.ref: pbd for pbd in pbds})
    with_hosts(scene, a_host(MASTER), a_host(MEMBER, live=False, enabled=False))
    scene.agents = {MASTER}
    scene.look()
    assert {found.severity for found in scene.wait(900).look().values()} == {"info"}


@pytest.mark.parametrize(("version", "raised"), [("6.2.0", True), ("6.5.0", False), ("8.3.0", False), ("", False)])
def test_too_old(version: str, raised: bool) -> None:
    scene = quiet_pool()
    with_hosts(scene, a_host(MASTER), a_host(MEMBER, software={"product_version": version}))
    assert ("HOST_TOO_OLD" in scene.codes()) is raised


def test_detached_where_it_should_be_attached() -> None:
    pbds = (a_pbd(MASTER), a_pbd(MEMBER, currently_attached=False))
    scene = quiet_pool(pbds={pbd.ref: pbd for pbd in pbds})
    scene.look()
    assert "SR_DETACHED" not in scene.wait(299).codes()
    found = scene.wait(2).look()["SR_DETACHED"]
    assert (found.severity, found.subject.uuid) == ("error", SR)
    assert "xcp2" in found.summary
    scene.seen(pbds={pbd.ref: pbd for pbd in (a_pbd(MASTER), a_pbd(MEMBER))})
    assert scene.codes() == set()


def test_unplugged_iso_sr_is_nobodys_business() -> None:
    pbds = (a_pbd(MASTER), a_pbd(MEMBER, currently_attached=False))
    iso = an_sr(type="iso", content_type="iso")
    scene = quiet_pool(disk(C), pbds={pbd.ref: pbd for pbd in pbds}, srs={SR_REF: iso})
    scene.look()
    assert scene.wait(900).codes() == set()
    assert scene.sr().state == "no_gc"


@pytest.mark.parametrize(
    ("paths", "severity"), [({"36001": (2, 4)}, "warning"), ({"36001": (0, 4)}, "error"), ({"36001": (4, 4)}, None)]
)
def test_paths(paths: dict[str, tuple[int, int]], severity: str | None) -> None:
    pbds = (a_pbd(MASTER), a_pbd(MEMBER, paths=paths, multipathed=True))
    scene = quiet_pool(pbds={pbd.ref: pbd for pbd in pbds})
    found = scene.look()
    assert (found["SR_PATHS_DEGRADED"].severity if found else None) == severity
    scene.seen(pbds={pbd.ref: pbd for pbd in (a_pbd(MASTER), a_pbd(MEMBER))})
    assert scene.codes() == set()


def kernel(scene: Scene, text: str, host: str = MASTER) -> Scene:
    log = Smlog(host="xcp1", now=scene.now).raw(f"kernel: {text}")
    return scene.log(log, host, "/var/log/kern.log")


def test_io_errors_are_told_for_an_hour() -> None:
    scene = quiet_pool()
    kernel(scene, "[ 1234.5] blk_update_request: I/O error, dev sdb, sector 12345")
    found = scene.look()["SR_IO_ERRORS"]
    assert found.severity == "error"
    assert "sdb" in found.evidence[0].text
    assert "SR_IO_ERRORS" not in scene.wait(3700).codes()


def test_dead_filer_until_it_answers() -> None:
    scene = quiet_pool()
    kernel(scene, "[ 1234.5] nfs: server filer not responding, still trying")
    assert "SR_IO_ERRORS" in scene.wait(9000).codes()
    kernel(scene, "[ 9999.5] nfs: server filer OK")
    assert "SR_IO_ERRORS" not in scene.codes()


def test_dead_filer_names_the_srs_that_are_mounted_from_it() -> None:
    scene = quiet_pool()
    there = MountSeen(sr_uuid=SR, mount_point="/run/sr-mount/x", fs_type="nfs4", source="filer:/x", read_only=False)
    scene.mounts = (there,)
    kernel(scene, "[ 1234.5] nfs: server filer not responding, still trying")
    found = scene.look()["SR_IO_ERRORS"]
    assert (found.subject.kind, found.subject.uuid) == ("sr", SR)
    assert "not responding" in found.evidence[0].text


def test_read_only_mount() -> None:
    scene = quiet_pool()
    mount = MountSeen(sr_uuid=SR, mount_point="/run/sr-mount", fs_type="nfs", source="filer:/x", read_only=True)
    scene.mounts = (mount,)
    assert "read-only" in scene.look()["SR_IO_ERRORS"].summary
    scene.mounts = ()
    assert scene.codes() == set()


def test_slow_storage_needs_more_than_one_long_call() -> None:
    scene = quiet_pool()
    log = scene.smlog().start(100)
    slow = "***** Long LVM call of 'vgs' took 17.5"
    scene.log(log.chain(100).sm(100, slow))
    assert "SR_SLOW" not in scene.codes()
    scene.log(scene.smlog().sm(100, slow).tick(60).sm(100, slow))
    assert scene.look()["SR_SLOW"].severity == "warning"
    scene.log(scene.smlog().finish(100))
    assert "SR_SLOW" not in scene.wait(3700).codes()


def test_drbd() -> None:
    scene = quiet_pool()
    text = "[ 12.3] drbd xcp-volume-1/0 drbd1000: disk( UpToDate -> Failed )"
    scene.log(Smlog(host="xcp1", now=START).raw(f"kernel: {text}"), MASTER, "/var/log/drbd-kern.log")
    assert scene.look()["LINSTOR_DEGRADED"].severity == "warning"
    assert "LINSTOR_DEGRADED" not in scene.wait(3700).codes()

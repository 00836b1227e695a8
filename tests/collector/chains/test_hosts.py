"""GC hosts, attachments, scope."""

from __future__ import annotations

import pytest
from chainwatch_collector.chains.attachment import PathCount, attachments, standing
from chainwatch_collector.chains.gc_host import gc_host
from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.chains.scope import (
    family,
    gets_verdict,
    has_gc,
    no_gc_reason,
    provisioning,
    raises_chain_codes,
    raises_space_codes,
)
from collector.chains.estate import MASTER, MEMBER, host, pbd, pool, vm
from collector.chains.trees import sr, vdi


def test_the_gc_host_moves_with_master_and_attachment() -> None:
    shared, local = sr("nfs"), sr("ext", shared=False)
    assert gc_host(PoolIndex(pool(store=shared)), shared) == host(MASTER)
    assert gc_host(PoolIndex(pool(store=shared, pool=None)), shared) is None
    assert gc_host(PoolIndex(pool(store=shared, hosts=[host(MEMBER)])), shared) is None
    for plugged, expected in (
        ([pbd(MEMBER)], host(MEMBER)),
        ([pbd(MEMBER), pbd(MASTER, attached=False)], host(MEMBER)),
        ([pbd(MEMBER, attached=False)], None),
        ([pbd(MEMBER), pbd(MASTER)], None),
        ([], None),
    ):
        assert gc_host(PoolIndex(pool(store=local, pbds=plugged)), local) == expected


def test_attachments_and_how_their_hosts_stand() -> None:
    hosts = [host(MASTER), host(MEMBER, enabled=False), host("OpaqueRef:third", live=False), host("OpaqueRef:new")]
    plugged = [
        pbd(MASTER, paths={"3600a": (2, 4), "3600b": (4, 4)}, iscsi_sessions=(1, 2)),
        pbd(MEMBER, attached=False, paths={"3600a": (0, 4)}),
        pbd("OpaqueRef:third", attached=False),
    ]
    store = sr("lvmoiscsi")
    found = attachments(PoolIndex(pool(store=store, pbds=plugged, hosts=hosts)), store)
    assert [(one.host.name, one.attached, one.standing, one.missing) for one in found] == [
        ("master", True, "up", False),
        ("member", False, "disabled", False),
        ("third", False, "down", False),
        ("new", False, "up", True),
    ]
    assert found[0].degraded == (PathCount("3600a", 2, 4), PathCount("iscsi", 1, 2))
    assert found[1].degraded == (), "told only while attached"
    local = sr("ext", shared=False)
    assert len(attachments(PoolIndex(pool(store=local, pbds=[pbd(MASTER)], hosts=hosts)), local)) == 1
    assert standing(host(MASTER, live=None)) == "unknown"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("lvm", "lvm"),
        ("lvmoiscsi", "lvm"),
        ("lvmohba", "lvm"),
        ("lvmofcoe", "lvm"),
        ("lvhdoiscsi", "lvm"),
        *((name, "file") for name in ["ext", "nfs", "smb", "xfs", "zfs", "cephfs", "glusterfs"]),
        *((name, "file") for name in ["moosefs", "largeblock", "ocfsohba"]),
        ("linstor", "linstor"),
        *((name, None) for name in ["iso", "udev", "dummy", "shm", "rawhba", "rawiscsi", "lunpervdi"]),
        *((name, None) for name in ["gfs2", "zfs-vol", ""]),
    ],
)
def test_types_that_sm_s_gc_takes(kind: str, expected: str | None) -> None:
    assert family(sr(kind)) == expected
    assert has_gc(sr(kind)) is (expected is not None) is not bool(no_gc_reason(sr(kind)))


def test_no_gc_on_iso_content_and_tools() -> None:
    assert not has_gc(sr("nfs", content_type="iso"))
    assert not has_gc(sr("nfs", is_tools_sr=True))
    assert raises_space_codes(sr("nfs"))
    assert not raises_space_codes(sr("nfs", physical_size_bytes=0))
    assert not raises_space_codes(sr("gfs2"))


def test_of_which_vdis_and_vms_the_codes_speak() -> None:
    assert raises_chain_codes(vdi("d"))
    assert raises_chain_codes(vdi("d", type="suspend"))
    assert not any(
        raises_chain_codes(vdi("d", type=kind))
        for kind in ["ha_statefile", "metadata", "redo_log", "cbt_metadata", "pvs_cache", "rrd", "crashdump"]
    )
    assert not raises_chain_codes(vdi("d", raw=True))
    assert gets_verdict(vm())
    for other in (vm(is_a_template=True), vm(is_a_snapshot=True), vm(is_control_domain=True)):
        assert not gets_verdict(other)


def test_thin_and_thick() -> None:
    assert provisioning(sr("lvmoiscsi")) == "thick"
    assert provisioning(sr("lvmoiscsi", sm_config={"allocation": "thin"})) == "thin"
    assert [provisioning(sr(kind)) for kind in ("ext", "nfs", "xfs", "largeblock")] == ["thin"] * 4
    assert [provisioning(sr(kind)) for kind in ("gfs2", "iso", "udev", "rawhba")] == [
        "unknown",
        "unknown",
        "thick",
        "thick",
    ]
    linstor = sr("linstor")
    for told, expected in (
        (["thick", "thick"], "thick"),
        (["", ""], "thin"),
        (["thin", "thick"], "unknown"),
        (["odd"], "unknown"),
        ([], "unknown"),
    ):
        pbds = [pbd(f"OpaqueRef:h{n}", provisioning=value) for n, value in enumerate(told)]
        assert provisioning(linstor, pbds) == expected

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.chains.xo import XoChainProtection, xo_would_skip
from chainwatch_collector.inventory.dump import picture_from_dump
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Vbd, Vdi, Vm
from collector.chains.trees import SR_REF, base, by_uuid, forests, snap, vdi
from corpora import CORPORA
from hypothesis import given, settings
from hypothesis import strategies as st

VERDICTS = CORPORA / "xo_verdicts.json.gz"
GUEST = Vm(ref="OpaqueRef:vm", uuid="vm", name="vm")


def picture(*disks: str | None, vdis: dict[str, Vdi], other: dict[str, Vdi] | None = None, **vbd: Any) -> Picture:
    """One VM with these disks, by uuid; `other` are the VDIs of a second SR."""
    refs = [None if disk is None else f"OpaqueRef:{disk}" for disk in disks]
    return Picture(
        pool=None,
        as_of=datetime(2026, 11, 22, tzinfo=UTC),
        vdis_by_sr={SR_REF: vdis, "OpaqueRef:sr2": other or {}},
        vms={GUEST.ref: GUEST},
        vbds={
            f"OpaqueRef:vbd{n}": Vbd(ref=f"OpaqueRef:vbd{n}", uuid=f"vbd{n}", vm_ref=GUEST.ref, vdi_ref=ref, **vbd)
            for n, ref in enumerate(refs)
        },
    )


def chain(hidden: int, prefix: str = "b") -> list[Vdi]:
    """Hidden nodes in a row."""
    return [base(f"{prefix}{n}", f"{prefix}{n - 1}" if n else None) for n in range(hidden)]


@pytest.mark.parametrize(("hidden", "skips"), [(1, False), (2, False), (3, True), (9, True)])
def test_two_pending_inner_merges_are_one_too_many(hidden: int, skips: bool) -> None:
    vdis = by_uuid(*chain(hidden), vdi("disk", f"b{hidden - 1}"))
    assert xo_would_skip(picture("disk", vdis=vdis), GUEST) is skips
    assert xo_would_skip(picture("disk", vdis=vdis), GUEST, max_uncoalesced_vdis=20) is False
    assert xo_would_skip(picture("disk", vdis=vdis), GUEST, max_uncoalesced_vdis=0) is (hidden > 1)


@pytest.mark.parametrize("kind", [{"type": "CD"}, {"type": "Floppy"}, {"empty": True}, {"currently_attached": False}])
def test_every_vbd_with_a_vdi_is_looked_at(kind: dict[str, Any]) -> None:
    vdis = by_uuid(*chain(3), vdi("disk", "b2"))
    assert xo_would_skip(picture(None, "disk", vdis=vdis, **kind), GUEST) is True


def test_each_disk_has_its_own_tolerance() -> None:
    vdis = by_uuid(*chain(2, "a"), vdi("one", "a1"), *chain(2, "b"), vdi("two", "b1"))
    assert xo_would_skip(picture("one", "two", vdis=vdis), GUEST) is False


def test_what_does_not_count() -> None:
    kept = by_uuid(*chain(4), *(snap(f"s{n}", f"b{n}") for n in range(4)), vdi("disk", "b3"))
    assert xo_would_skip(picture("disk", vdis=kept), GUEST) is False, "siblings keep their parents"
    broken = by_uuid(base("b0", "gone"), base("b1", "b0"), vdi("disk", "b1"))
    assert xo_would_skip(picture("disk", vdis=broken), GUEST) is False, "a missing parent ends the walk as healthy"
    assert xo_would_skip(picture("gone", None, vdis=broken), GUEST) is False
    assert xo_would_skip(picture(vdis=broken), GUEST) is False
    assert xo_would_skip(picture("disk", vdis=broken), Vm(ref="OpaqueRef:other-vm", uuid="other-vm", name="")) is False


def test_children_are_those_of_the_parent_s_own_sr() -> None:
    here = by_uuid(*chain(3), base("c", "b2", sr_ref="OpaqueRef:sr"))
    there = by_uuid(vdi("disk", "c", sr_ref="OpaqueRef:sr2"), base("b0-twin", "b0", sr_ref="OpaqueRef:sr2"))
    assert xo_would_skip(picture("disk", vdis=here, other=there), GUEST) is True
    foreign = by_uuid(base("x", "b2", sr_ref="OpaqueRef:sr2"), vdi("disk", "x", sr_ref="OpaqueRef:sr2"))
    assert (
        XoChainProtection(PoolIndex(picture("disk", vdis=by_uuid(*chain(3)), other=foreign))).uncoalesced(
            "OpaqueRef:disk"
        )
        == 2
    )


def test_a_loop_that_counts_is_walked_until_the_tolerance_is_gone() -> None:
    assert xo_would_skip(picture("a", vdis=by_uuid(base("a", "b"), base("b", "a"))), GUEST, 1000) is True
    assert xo_would_skip(picture("me", vdis=by_uuid(vdi("me", "me"))), GUEST) is False


@settings(max_examples=150, deadline=None)
@given(forests, st.integers(0, 3))
def test_the_same_as_walking_as_xo_does(vdis: dict[str, Vdi], tolerance: int) -> None:
    shown = picture(*vdis, vdis=vdis)
    check = XoChainProtection(PoolIndex(shown), tolerance)
    for one in vdis.values():
        assert (check.uncoalesced(one.ref) > tolerance) is unhealthy(vdis, one, tolerance)


def unhealthy(vdis: dict[str, Vdi], one: Vdi, tolerance: int) -> bool:
    """`_assertHealthyVdiChain` as written, given up after more steps than a walk without a loop can have."""
    at: Vdi | None = one
    for _ in range(len(vdis) * (tolerance + 2)):
        if at is None:
            return False
        children = [child for child in vdis.values() if child.vhd_parent == at.uuid]
        if not at.managed and len(children) == 1 and not children[0].managed:
            tolerance -= 1
            if tolerance < 0:
                return True
        at = vdis.get(at.vhd_parent) if at.vhd_parent is not None else None
    return False


@pytest.mark.corpora
@pytest.mark.skipif(not VERDICTS.exists(), reason=f"no {VERDICTS}; set CHAINWATCH_CORPORA")
def test_every_verdict_of_xen_orchestra_s_own_function() -> None:
    asked = skipped = 0
    for case in json.loads(gzip.decompress(VERDICTS.read_bytes())):
        shown = picture_from_dump(case["inventory"])
        check = XoChainProtection(PoolIndex(shown))
        have = {vm.uuid: check.would_skip(vm) for vm in shown.vms.values()}
        assert have == case["xo_would_skip"]
        asked += len(have)
        skipped += sum(have.values())
    assert asked > skipped > 0

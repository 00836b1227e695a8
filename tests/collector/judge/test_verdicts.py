from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from chainwatch_collector.chains.build import build_forest
from chainwatch_collector.chains.overhead import lvm_volume_bytes
from chainwatch_collector.chains.space import LeafSize
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Sr, Vdi
from chainwatch_collector.judge.answer import Finding, FindingSubject, Severity, Verdict
from chainwatch_collector.judge.verdicts import VerdictSettings, verdicts
from collector.chains.estate import MASTER, NOW, host, pbd, pool, vbd, vm
from collector.chains.trees import GIB, TIB, base, forests, snap, sr, srs, vdi
from hypothesis import given, settings


def judged(
    picture: Picture,
    findings: Iterable[Finding] = (),
    sizes: dict[str, LeafSize] | None = None,
    without_evidence: dict[str, str] | None = None,
    age_seconds: float = 1,
    **changed: Any,
) -> tuple[Verdict, ...]:
    built = {store.uuid: build_forest(store, picture.vdis(ref)) for ref, store in picture.srs.items()}
    now = NOW + timedelta(seconds=age_seconds)
    return verdicts(picture, built, findings, sizes or {}, VerdictSettings(**changed), now, without_evidence)


def one_vm(*vdis: Vdi, disk: str = "disk", guest: dict[str, Any] | None = None, **picture: Any) -> Picture:
    one = vm(**(guest or {}))
    disks = [vbd(one, each) for each in vdis if each.uuid == disk]
    return pool(vdis, [one], [*disks, vbd(one, None)], **picture)


def finding(code: str, kind: str, uuid: str, severity: Severity = "error", stale: bool = False) -> Finding:
    subject = FindingSubject(kind, uuid, uuid)
    return Finding(f"{code}-{uuid}", (), code, severity, stale, subject, "", NOW, 1)


def summary(verdict: Verdict) -> tuple[str, str, tuple[str, ...], bool | None]:
    return verdict.snapshot, verdict.backup, verdict.reasons, verdict.xo_would_skip


def chain(hidden: int, *, kept: bool) -> list[Vdi]:
    """Hidden nodes under each other, each with a snapshot or not; the disk at the end."""
    nodes = [base(f"b{n:02d}", f"b{n - 1:02d}" if n else None) for n in range(hidden)]
    snapshots = [snap(f"s{n:02d}", f"b{n:02d}") for n in range(hidden if kept else 0)]
    return [*nodes, *snapshots, vdi("disk", f"b{hidden - 1:02d}" if hidden else None)]


def test_a_healthy_vm() -> None:
    (verdict,) = judged(one_vm(*chain(3, kept=True)))
    assert summary(verdict) == ("ok", "ok", (), False)
    assert (verdict.vm, verdict.as_of) == ("vm", NOW)
    (disk,) = verdict.disks
    assert (disk.vdi, disk.depth, disk.headroom, disk.kept) == ("disk", 4, 26, 3)
    assert (disk.inner_pending, disk.leaf_pending, disk.blocked) == (0, 0, 0)
    assert disk.snapshot_need_bytes is not None
    assert disk.snapshot_need_bytes[0] == disk.snapshot_need_bytes[1] < GIB


@pytest.mark.parametrize(
    ("hidden", "expected"),
    [
        (18, ("ok", "ok", ())),
        (19, ("at_risk", "at_risk", ("CHAIN_NEAR_LIMIT",))),
        (28, ("at_risk", "at_risk", ("CHAIN_NEAR_LIMIT",))),
        (29, ("refused", "refused", ("CHAIN_AT_LIMIT",))),
        (35, ("refused", "refused", ("CHAIN_AT_LIMIT",))),
    ],
)
def test_the_depth_decides_where_xen_orchestra_sees_nothing(hidden: int, expected: tuple[Any, ...]) -> None:
    (verdict,) = judged(one_vm(*chain(hidden, kept=True)))
    assert summary(verdict) == (*expected, False)


def test_xen_orchestra_s_verdict_stands_beside_ours() -> None:
    (verdict,) = judged(one_vm(*chain(4, kept=False)))
    assert summary(verdict) == ("ok", "at_risk", ("BACKUP_WILL_SKIP",), True)
    (disk,) = verdict.disks
    assert (disk.inner_pending, disk.leaf_pending, disk.kept) == (3, 1, 0)
    (patient,) = judged(one_vm(*chain(4, kept=False)), max_uncoalesced_vdis=5)
    assert summary(patient) == ("ok", "ok", (), False)


def thick(free_gib: int) -> Sr:
    return sr("lvmoiscsi", physical_size_bytes=TIB, physical_utilisation_bytes=TIB - free_gib * GIB)


def thick_disk() -> Vdi:
    volume = lvm_volume_bytes(100 * GIB)
    return vdi("disk", virtual_size_bytes=100 * GIB, physical_utilisation_bytes=volume, attached_hosts={MASTER: "RW"})


@pytest.mark.parametrize(
    ("free_gib", "physical_gib", "expected"),
    [
        (200, None, ("ok", "ok", ())),
        (50, None, ("at_risk", "at_risk", ("SNAPSHOT_NO_SPACE",))),
        (50, 10, ("ok", "ok", ())),
        (50, 60, ("refused", "refused", ("SNAPSHOT_NO_SPACE",))),
        (0, None, ("refused", "refused", ("SNAPSHOT_NO_SPACE",))),
    ],
)
def test_space_is_a_range_until_smlog_tells_the_leaf_s_size(
    free_gib: int, physical_gib: int | None, expected: tuple[Any, ...]
) -> None:
    sizes = {} if physical_gib is None else {"disk": LeafSize(physical_gib * GIB, NOW)}
    (verdict,) = judged(one_vm(thick_disk(), store=thick(free_gib)), sizes=sizes)
    assert summary(verdict) == (*expected, False)
    need = verdict.disks[0].snapshot_need_bytes
    assert need is not None
    assert (need[0] == need[1]) is (physical_gib is not None)


def test_disks_that_fit_alone_may_not_fit_together() -> None:
    one = vm()
    disks = [vdi(f"d{n}", virtual_size_bytes=100 * GIB, physical_utilisation_bytes=0) for n in range(3)]
    full = lvm_volume_bytes(100 * GIB) // GIB
    picture = pool(disks, [one], [vbd(one, disk) for disk in disks], store=thick(2 * full))
    (verdict,) = judged(picture)
    assert summary(verdict) == ("refused", "refused", ("SNAPSHOT_NO_SPACE",), False)


@pytest.mark.parametrize(
    ("guest", "picture", "expected"),
    [
        ({"vusb_count": 1}, {}, ("refused", "refused", ("SNAPSHOT_NOT_SUPPORTED",))),
        (
            {"has_vendor_device": True},
            {"restrictions": ["restrict_pci_device_for_auto_update"]},
            ("ok", "refused", ("VM_VENDOR_DEVICE",)),
        ),
        (
            {},
            {"hosts": [host(MASTER, software={"product_version": "6.2.0"})], "pbds": [pbd(MASTER)]},
            ("ok", "refused", ("HOST_TOO_OLD",)),
        ),
    ],
)
def test_facts_of_the_vm_and_its_pool(
    guest: dict[str, Any], picture: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    on_master = {"resident_on_ref": MASTER, **guest}
    (verdict,) = judged(one_vm(*chain(1, kept=True), guest=on_master, **picture))
    assert summary(verdict) == (*expected, False)


def test_disks_left_out_by_their_name_do_not_count() -> None:
    (verdict,) = judged(one_vm(vdi("disk", name="swap [NOBAK]", raw=True)))
    assert summary(verdict) == ("ok", "ok", (), False)
    assert [disk.vdi for disk in verdict.disks] == ["disk"]


def test_a_missing_parent_refuses() -> None:
    (verdict,) = judged(one_vm(base("b", "gone"), vdi("disk", "b")))
    assert summary(verdict) == ("refused", "refused", ("VDI_PARENT_MISSING",), False)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (finding("VDI_CORRUPT", "vdi", "b00"), ("at_risk", "at_risk", ("VDI_CORRUPT",))),
        (finding("VDI_CORRUPT", "vdi", "other"), ("ok", "ok", ())),
        (finding("GC_NOT_RUNNING", "sr", "sr"), ("ok", "at_risk", ("GC_NOT_RUNNING",))),
        (finding("GC_NOT_RUNNING", "sr", "sr2"), ("ok", "ok", ())),
        (finding("GC_NOT_RUNNING", "sr", "sr", stale=True), ("ok", "ok", ())),
        (finding("LEAF_COALESCE_GAVE_UP", "vdi", "disk", "info"), ("ok", "ok", ())),
        (finding("AGENT_MISSING", "host", "uuid-master"), ("ok", "ok", ())),
        (finding("BACKUP_BASE_MISSING", "vm", "vm", "warning"), ("ok", "at_risk", ("BACKUP_BASE_MISSING",))),
    ],
)
def test_findings_that_reach_the_vm(told: Finding, expected: tuple[Any, ...]) -> None:
    (verdict,) = judged(one_vm(*chain(2, kept=True)), findings=[told])
    assert summary(verdict) == (*expected, False)


def test_a_finding_of_a_log_alone_names_its_vdi_by_eight_characters() -> None:
    disk = vdi("5f1c0001-1111-4000-8000-000000000001")
    picture = one_vm(disk, disk=disk.uuid)
    (verdict,) = judged(picture, findings=[finding("VDI_CORRUPT", "vdi", "5f1c0001")])
    assert verdict.reasons == ("VDI_CORRUPT",)


def test_unknown_is_not_ok() -> None:
    healthy = one_vm(*chain(2, kept=True))
    unreachable = one_vm(*chain(2, kept=True), problem="cannot log in")
    for (verdict,) in (judged(unreachable), judged(healthy, age_seconds=901)):
        assert summary(verdict) == ("unknown", "unknown", ("POOL_UNREACHABLE",), None)
        assert verdict.disks[0].depth == 3
    (old_dump,) = judged(healthy, age_seconds=10**9, picture_max_age_seconds=None)
    assert old_dump.snapshot == "ok"
    silent = {"sr": "AGENT_SILENT"}
    (unseen,) = judged(healthy, without_evidence=silent)
    assert summary(unseen) == ("unknown", "unknown", ("AGENT_SILENT",), False)
    (elsewhere,) = judged(healthy, without_evidence={"sr2": "AGENT_SILENT"})
    assert elsewhere.snapshot == "ok"
    (proven,) = judged(one_vm(*chain(29, kept=True)), without_evidence=silent)
    assert summary(proven) == ("refused", "refused", ("CHAIN_AT_LIMIT", "AGENT_SILENT"), False)


def test_guests_alone_have_a_verdict_in_the_order_of_their_names() -> None:
    others = [
        vm("template", is_a_template=True),
        vm("snapshot", is_a_snapshot=True),
        vm("dom0", is_control_domain=True),
    ]
    found = judged(pool(vms=[vm("b"), *others, vm("a", power_state="Halted", resident_on_ref=None)]))
    assert [verdict.name for verdict in found] == ["a", "b"]
    assert [summary(verdict)[0] for verdict in found] == ["ok", "ok"], "no disk, nothing to refuse"


def test_an_sr_without_gc_foretells_nothing() -> None:
    (verdict,) = judged(one_vm(vdi("disk"), store=sr("gfs2")), without_evidence={"sr": "AGENT_MISSING"})
    assert summary(verdict) == ("ok", "ok", (), False)
    assert verdict.disks[0].snapshot_need_bytes is None


@settings(max_examples=150, deadline=None)
@given(srs, forests)
def test_nonsense_gets_a_verdict(store: Sr, vdis: dict[str, Vdi]) -> None:
    one = vm()
    picture = pool(vdis.values(), [one], [vbd(one, each) for each in vdis.values()], store=store)
    (verdict,) = judged(picture)
    assert len(verdict.disks) == len(vdis)
    order = ["ok", "at_risk", "unknown", "refused"]
    assert order.index(verdict.backup) >= order.index(verdict.snapshot)
    assert bool(verdict.reasons) is (verdict.backup != "ok")

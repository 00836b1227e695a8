"""`why VM`: may it be snapshot and backed up now, disk by disk, and what stands in the way."""

from __future__ import annotations

from typing import Final

from chainwatch_collector.chains.forest import MAX_DEPTH
from chainwatch_collector.inventory.records import Vbd, Vdi, Vm
from chainwatch_collector.judge.answer import Answer, Finding, Readiness, Verdict
from chainwatch_collector.judge.checklist import Check, CheckStatus
from chainwatch_collector.judge.why_asked import Asked, gc_host_of, sr_answer, with_causes
from chainwatch_collector.judge.why_sources import pool_reachable
from chainwatch_collector.track.state import PoolState, SrState
from chainwatch_collector.words import STATE_STATUS, plural, short, size

SUPPORTED: Final = "snapshot possible"
SPACE: Final = "space for a snapshot"
START: Final = "space to start"
SKIP: Final = "Xen Orchestra would take it"
BASE: Final = "base of the next backup"
RECENT: Final = "backed up in time"
MAY: Final = "may be snapshot now"
ASIDE: Final = frozenset((SPACE, SKIP))
_READY: Final[dict[Readiness, CheckStatus]] = {
    "ok": "ok",
    "at_risk": "warning",
    "refused": "error",
    "unknown": "unknown",
}


def find(state: PoolState, uuid: str) -> Vm | None:
    """The VM by its uuid."""
    vms = state.picture.vms.values() if state.picture is not None else ()
    return next((vm for vm in vms if vm.uuid == uuid), None)


def findings(answer: Answer, state: PoolState, vm: Vm) -> tuple[Finding, ...]:
    """Those about the VM, its disks and the SRs they are on, with their causes."""
    disks = disks_of(state, vm)
    uuids = {vm.uuid, *(vdi.uuid for _, vdi, _ in disks), *(sr.uuid for _, _, sr in disks if sr is not None)}
    own = [one for one in answer.findings if one.subject.uuid in uuids or one.subject.kind == "pool"]
    return with_causes(answer, own)


def disks_of(state: PoolState, vm: Vm) -> list[tuple[Vbd, Vdi, SrState | None]]:
    """The VM's disks in the order of their devices, CDs and empty drives left out."""
    picture = state.picture
    if picture is None:
        return []
    by_ref = {vdi.ref: vdi for vdi in picture.all_vdis()}
    srs = {sr.ref: sr for sr in state.srs.values() if sr.record is not None}
    found = [
        (vbd, by_ref[vbd.vdi_ref], srs.get(by_ref[vbd.vdi_ref].sr_ref))
        for vbd in picture.vbds.values()
        if vbd.vm_ref == vm.ref and vbd.type == "Disk" and vbd.vdi_ref in by_ref
    ]
    return sorted(found, key=lambda disk: (disk[0].userdevice.rjust(4), disk[1].uuid))


def checks(asked: Asked, vm: Vm) -> tuple[Check, ...]:
    """The lines in their order."""
    verdict = next((one for one in asked.answer.verdicts if one.vm == vm.uuid), None)
    disks = disks_of(asked.state, vm)
    lines = [pool_reachable(asked), Check("VM known", "ok", f"{vm.power_state.lower()}, {plural(len(disks), 'disk')}")]
    lines += [_disk(asked, *disk) for disk in disks]
    lines += [_start(asked, vm), _supported(asked), _space(asked, verdict), _skip(asked, verdict)]
    lines += [_base(asked), _recent(asked)]
    return (*lines, _may(verdict))


def _disk(asked: Asked, vbd: Vbd, vdi: Vdi, sr: SrState | None) -> Check:
    name = " ".join(filter(None, ("disk", vbd.device or vbd.userdevice, short(vdi.uuid))))
    own = asked.about(one for one in asked.findings if one.subject.uuid == vdi.uuid)
    judged = own.judged(name, *(one.code for one in own.findings))
    if judged is not None and judged.status != "info":
        return judged
    node = sr.forest.nodes.get(vdi.uuid) if sr is not None and sr.forest is not None else None
    if sr is None or node is None:
        return Check(name, "unknown", f"'{vdi.name}': its SR's chains are not known")
    if sr.no_gc:
        return Check(name, "skipped", f"'{vdi.name}' on {sr.name}: {sr.no_gc}")
    answer = sr_answer(asked.answer, sr)
    word = answer.state if answer is not None else "unknown"
    status: CheckStatus = "unknown" if word == "unknown" else "ok" if STATE_STATUS.get(word) == "ok" else "warning"
    host = gc_host_of(asked.state, sr)
    where = f", GC on {host.name}" if host is not None else ""
    return Check(name, status, f"'{vdi.name}': chain {node.depth} of {MAX_DEPTH}; SR {sr.name} is {word}{where}")


def _supported(asked: Asked) -> Check:
    judged = asked.judged(SUPPORTED, "SNAPSHOT_NOT_SUPPORTED", "VM_VENDOR_DEVICE", "CHAIN_AT_LIMIT", "HOST_TOO_OLD")
    return judged or Check(SUPPORTED, "ok", "no disk or setting forbids it")


def _space(asked: Asked, verdict: Verdict | None) -> Check:
    judged = asked.judged(SPACE, "SNAPSHOT_NO_SPACE", "SR_FULL", "COALESCE_NO_SPACE")
    if judged is not None:
        return judged
    needs = [disk.snapshot_need_bytes for disk in verdict.disks] if verdict is not None else []
    known = [need for need in needs if need is not None]
    if not needs or len(known) < len(needs):
        return Check(SPACE, "unknown", "how much a snapshot needs cannot be told")
    low, high = sum(need[0] for need in known), sum(need[1] for need in known)
    return Check(SPACE, "ok", f"{size(low)}{f' to {size(high)}' if high != low else ''}, and that is free")


def _start(asked: Asked, vm: Vm) -> Check:
    judged = asked.judged(START, "ATTACH_NO_SPACE")
    if judged is not None:
        return judged
    if vm.resident_on_ref is not None:
        return Check(START, "skipped", "it runs")
    return Check(START, "ok", "its disks can be inflated, or need not be")


def _skip(asked: Asked, verdict: Verdict | None) -> Check:
    judged = asked.judged(SKIP, "BACKUP_WILL_SKIP")
    if judged is not None:
        return judged
    if verdict is None or verdict.xo_would_skip is None:
        return Check(SKIP, "unknown", "not judged yet")
    told = "its chain protection would skip it" if verdict.xo_would_skip else "its chain protection lets it pass"
    return Check(SKIP, "warning" if verdict.xo_would_skip else "ok", told)


def _base(asked: Asked) -> Check:
    judged = asked.judged(BASE, "BACKUP_BASE_MISSING", "CBT_BROKEN")
    return judged or Check(BASE, "skipped", "no base of it is known to be missing")


def _recent(asked: Asked) -> Check:
    judged = asked.judged(RECENT, "BACKUP_OVERDUE", "BACKUP_TARGET_FULL")
    return judged or Check(RECENT, "skipped", "no job of it is overdue")


def _may(verdict: Verdict | None) -> Check:
    if verdict is None:
        return Check(MAY, "unknown", "no verdict: no template, snapshot or control domain gets one")
    words = {"ok": "yes", "at_risk": "yes, at a risk", "refused": "no", "unknown": "cannot be told"}
    reasons = f": {', '.join(verdict.reasons)}" if verdict.reasons else ""
    told = f"snapshot {words[verdict.snapshot]}, backup {words[verdict.backup]}{reasons}"
    worst = min((verdict.snapshot, verdict.backup), key=("refused", "unknown", "at_risk", "ok").index)
    return Check(MAY, _READY[worst], told)

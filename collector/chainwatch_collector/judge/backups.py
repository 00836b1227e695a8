"""Codes that follow from verdicts: what the next snapshot or backup of a VM will meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.chains.vm_facts import Obstacle, snapshot_obstacles
from chainwatch_collector.judge import keepers
from chainwatch_collector.judge.answer import FindingSubject, Severity, Verdict
from chainwatch_collector.judge.condition import INVENTORY, JOBS, Condition, chain_of, of_sr, sr_subject, sr_words
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.state import PoolState
from chainwatch_collector.words import clock, plural, size

CODES: Final = ("BACKUP_WILL_SKIP", "SNAPSHOT_NOT_SUPPORTED", "SNAPSHOT_NO_SPACE")
_BY_INVENTORY: Final = frozenset((INVENTORY,))
STRUCTURAL: Final = frozenset(("raw", "no_snapshot_feature", "usb"))
"""What a VM is made of, not what went wrong with it: information, as for udev disks and SMAPIv3 SRs."""
_WORDS: Final = {
    "raw": "it has a raw disk",
    "no_snapshot_feature": "its SR's driver makes no snapshots",
    "usb": "a USB device is passed through to it",
    "on_boot_reset": "a disk has on_boot=reset",
    "blocked_operation": "the operation is blocked",
    "not_allowed": "XenAPI does not allow it now",
    "missing": "a disk was not found by the last scan",
    "unplugged": "an SR of it is not attached where it runs",
}


def conditions(state: PoolState, verdicts: Sequence[Verdict], now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """From verdicts to findings; unknown verdicts tell nothing."""
    telling = [one for one in verdicts if one.xo_would_skip or one.snapshot == "refused"]
    if telling:
        of_vdi = {vdi: uuid for uuid, sr in state.srs.items() if sr.forest is not None for vdi in sr.forest.nodes}
        yield from _will_skip(state, telling, of_vdi, limits)
        yield from _not_supported(state, telling, of_vdi, limits)
    alone = list(_no_space(state, telling, of_vdi, now)) if telling else []
    yield from alone
    yield from _no_window(state, {one.sr_uuid for one in alone}, now, limits)


def srs_of(verdict: Verdict, of_vdi: Mapping[str, str]) -> set[str]:
    """uuids of the SRs that the VM has disks on; `of_vdi`: VDI uuid → SR uuid."""
    return {of_vdi[disk.vdi] for disk in verdict.disks if disk.vdi in of_vdi}


def _of_vm(
    state: PoolState,
    of_vdi: Mapping[str, str],
    verdict: Verdict,
    code: str,
    severity: Severity,
    summary: str,
    hold_seconds: float,
) -> Condition:
    placed = [(state.srs[of_vdi[disk.vdi]], disk.vdi) for disk in verdict.disks if disk.vdi in of_vdi]
    return Condition(
        code=code,
        subject=FindingSubject("vm", verdict.vm, verdict.name),
        severity=severity,
        summary=summary,
        since=state.now,
        params={"vm_uuid": verdict.vm},
        vdis=frozenset(image for sr, vdi in placed for image in chain_of(sr, vdi)),
        srs=frozenset(sr.uuid for sr, _ in placed),
        sources=_BY_INVENTORY,
        hold_seconds=hold_seconds,
    )


def _will_skip(
    state: PoolState, verdicts: Sequence[Verdict], of_vdi: Mapping[str, str], limits: Thresholds
) -> Iterator[Condition]:
    for verdict in verdicts:
        if verdict.xo_would_skip:
            pending = sum(disk.inner_pending for disk in verdict.disks)
            words = (
                f"Xen Orchestra's chain protection would skip VM '{verdict.name}' now: {plural(pending, 'merge')} of"
                f" its disks pending. Our own verdict: {verdict.backup.replace('_', ' ')}."
            )
            yield _of_vm(state, of_vdi, verdict, "BACKUP_WILL_SKIP", "warning", words, limits.backup_will_skip_seconds)


def _not_supported(
    state: PoolState, verdicts: Sequence[Verdict], of_vdi: Mapping[str, str], limits: Thresholds
) -> Iterator[Condition]:
    refused = {verdict.vm: verdict for verdict in verdicts if "SNAPSHOT_NOT_SUPPORTED" in verdict.reasons}
    if not refused or state.picture is None:
        return
    index = PoolIndex(state.picture)
    for vm in state.picture.vms.values():
        verdict = refused.get(vm.uuid)
        obstacles = snapshot_obstacles(index, vm) if verdict is not None else ()
        if verdict is None or not obstacles:
            continue
        structural = all(one.kind in STRUCTURAL for one in obstacles)
        severity: Severity = "info" if structural else "warning"
        words = f"VM '{verdict.name}' cannot be snapshot: {_told(obstacles)}."
        hold_seconds = 0 if structural else limits.snapshot_obstacle_seconds
        yield _of_vm(state, of_vdi, verdict, "SNAPSHOT_NOT_SUPPORTED", severity, words, hold_seconds)


def _told(obstacles: Sequence[Obstacle]) -> str:
    details = {one.kind: f" ({one.detail})" if one.detail else "" for one in obstacles}
    return "; ".join(f"{_WORDS[kind]}{detail}" for kind, detail in details.items())


def _no_space(
    state: PoolState, verdicts: Sequence[Verdict], of_vdi: Mapping[str, str], now: datetime
) -> Iterator[Condition]:
    """One per SR, however many VMs' next snapshots it would refuse."""
    refused = [one for one in verdicts if one.snapshot == "refused" and "SNAPSHOT_NO_SPACE" in one.reasons]
    by_sr: dict[str, list[Verdict]] = {}
    for verdict in refused:
        for uuid in srs_of(verdict, of_vdi):
            by_sr.setdefault(uuid, []).append(verdict)
    for uuid, found in by_sr.items():
        sr_state = state.srs[uuid]
        record = sr_state.record
        if record is None or record.physical_size_bytes <= 0:
            continue
        free = max(0, record.physical_size_bytes - record.physical_utilisation_bytes)
        needs = [_need(one, uuid, of_vdi) for one in found]
        if all(need is None or need <= free for need in needs):
            continue
        known = [need for need in needs if need is not None]
        yield Condition(
            code="SNAPSHOT_NO_SPACE",
            subject=sr_subject(sr_state),
            severity="error",
            summary=f"{sr_words(sr_state)} has {size(free)} free and would refuse the next snapshot of"
            f" {plural(len(found), 'VM')}: the smallest needs {size(min(known))} at least.",
            since=now,
            count=len(found),
            key="predicted",
            params={"sr_uuid": uuid, **keepers.of_sr(sr_state)},
            sr_uuid=uuid,
            host=sr_state.gc_host,
            sources=_BY_INVENTORY,
        )


def _no_window(state: PoolState, told: set[str | None], now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """Each of its snapshots would fit, a job's next run does not: one for each job and SR."""
    for window in state.backups.windows:
        sr = state.srs.get(window.sr_uuid)
        if sr is None or window.sr_uuid in told:
            continue
        yield of_sr(
            sr,
            "SNAPSHOT_NO_SPACE",
            "warning",
            f"{sr_words(sr)} has {size(window.free_bytes)} free. The next run of job '{window.job}',"
            f" {clock(window.next_at)}, keeps snapshots of {plural(window.disks, 'disk')} there, which need"
            f" {size(window.need_bytes)} together at least.",
            now=now,
            params=keepers.of_sr(sr),
            key=f"window:{window.job}",
            sources=frozenset((INVENTORY, JOBS)),
            hold_seconds=limits.backup_pattern_seconds,
        )


def _need(verdict: Verdict, sr: str, of_vdi: Mapping[str, str]) -> int | None:
    """What the VM's snapshot takes on this SR, all its disks held together, at least."""
    disks = [disk for disk in verdict.disks if of_vdi.get(disk.vdi) == sr]
    lows = [disk.snapshot_need_bytes[0] for disk in disks if disk.snapshot_need_bytes]
    return sum(lows) if lows else None

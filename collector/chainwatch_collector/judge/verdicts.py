"""May this VM be snapshot, may it be backed up now? Our verdict per VM, and Xen Orchestra's beside it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from chainwatch_collector.chains import refusal
from chainwatch_collector.chains.forest import MAX_DEPTH, Forest, Node
from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.chains.scope import gets_verdict, has_gc
from chainwatch_collector.chains.space import Sizes, free_bytes, snapshot_need, window_need
from chainwatch_collector.chains.vm_facts import (
    is_excluded,
    is_too_old,
    snapshot_obstacles,
    vendor_device_forbidden,
)
from chainwatch_collector.chains.xo import MAX_UNCOALESCED_VDIS, XoChainProtection
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Sr, Vdi, Vm
from chainwatch_collector.judge.answer import DiskVerdict, Finding, Readiness, Verdict
from chainwatch_collector.judge.verdict_codes import FindingIndex

_RANK: Final[Mapping[Readiness, int]] = {"ok": 0, "at_risk": 1, "unknown": 2, "refused": 3}
"""Worst last: a refusal that XenAPI alone proves stands, whatever else is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictSettings:
    """Depths in images. A picture older than `picture_max_age_seconds` proves nothing of now; None: it never ages."""

    max_uncoalesced_vdis: int = MAX_UNCOALESCED_VDIS
    near_limit_depth: int = 20
    max_depth: int = MAX_DEPTH
    picture_max_age_seconds: float | None = 900


def verdicts(
    picture: Picture,
    forests: Mapping[str, Forest],
    findings: Iterable[Finding],
    sizes: Sizes,
    settings: VerdictSettings,
    now: datetime,
    without_evidence: Mapping[str, str] | None = None,
) -> tuple[Verdict, ...]:
    """One verdict for every guest, by name. `forests`: SR uuid → Forest; `sizes`: VDI uuid → size by SMlog.

    `without_evidence`: SR uuid → the code that says why nothing is known of its GC (AGENT_MISSING, AGENT_SILENT …): its
    VMs are unknown, but where XenAPI alone proves a refusal. So are all when the picture is old or the pool cannot be
    asked; `xo_would_skip` is None then.
    """
    judge = _VmJudge(picture, forests, FindingIndex(findings), sizes, settings, without_evidence or {})
    guests = sorted((vm for vm in picture.vms.values() if gets_verdict(vm)), key=lambda vm: (vm.name, vm.uuid))
    as_of = picture.as_of or now
    if _is_unknown(picture, settings, now):
        return tuple(judge.unknown(vm, as_of) for vm in guests)
    return tuple(judge.verdict(vm, as_of) for vm in guests)


def _is_unknown(picture: Picture, settings: VerdictSettings, now: datetime) -> bool:
    limit = settings.picture_max_age_seconds
    too_old = limit is not None and picture.as_of is not None and (now - picture.as_of).total_seconds() > limit
    return bool(picture.problem) or too_old


@dataclass(slots=True)
class _Tally:
    """Readiness as reasons add up; reasons in the order found, each once."""

    snapshot: Readiness = "ok"
    backup: Readiness = "ok"
    reasons: dict[str, None] = field(default_factory=dict)

    def add(self, code: str, snapshot: Readiness, backup: Readiness) -> None:
        self.snapshot = max(self.snapshot, snapshot, key=_RANK.__getitem__)
        self.backup = max(self.backup, backup, key=_RANK.__getitem__)
        if snapshot != "ok" or backup != "ok":
            self.reasons[code] = None


class _VmJudge:
    """Judges the VMs of one picture."""

    def __init__(
        self,
        picture: Picture,
        forests: Mapping[str, Forest],
        findings: FindingIndex,
        sizes: Sizes,
        settings: VerdictSettings,
        without_evidence: Mapping[str, str],
    ) -> None:
        self._index = PoolIndex(picture)
        self._xo = XoChainProtection(self._index, settings.max_uncoalesced_vdis)
        self._forests = forests
        self._findings = findings
        self._sizes = sizes
        self._settings = settings
        self._without_evidence = without_evidence
        pool = picture.pool
        master = picture.hosts.get(pool.master_ref) if pool is not None and pool.master_ref is not None else None
        self._too_old = master is not None and is_too_old(master)

    def unknown(self, vm: Vm, as_of: datetime) -> Verdict:
        """What is left when the pool cannot be asked: the disks as they were."""
        disks = tuple(self._disk(vdi) for vdi in self._index.disks(vm))
        return Verdict(vm.uuid, vm.name, as_of, "unknown", "unknown", ("POOL_UNREACHABLE",), None, disks)

    def verdict(self, vm: Vm, as_of: datetime) -> Verdict:
        """By XenAPI's numbers first, then by what the logs and agents told."""
        disks = self._index.disks(vm)
        taken = [vdi for vdi in disks if not is_excluded(vdi)]
        tally, skip = _Tally(), self._xo.would_skip(vm)
        self._add_facts(tally, vm)
        for vdi in taken:
            self._add_refusal(tally, vdi)
        for sr, of_sr in self._by_sr(taken):
            self._add_window(tally, sr, of_sr)
            if sr.uuid in self._without_evidence and has_gc(sr):
                tally.add(self._without_evidence[sr.uuid], "unknown", "unknown")
        self._add_findings(tally, vm, taken)
        if skip:
            tally.add("BACKUP_WILL_SKIP", "ok", "at_risk")
        return Verdict(
            vm=vm.uuid,
            name=vm.name,
            as_of=as_of,
            snapshot=tally.snapshot,
            backup=tally.backup,
            reasons=tuple(tally.reasons),
            xo_would_skip=skip,
            disks=tuple(self._disk(vdi) for vdi in disks),
        )

    def _add_facts(self, tally: _Tally, vm: Vm) -> None:
        if snapshot_obstacles(self._index, vm):
            tally.add("SNAPSHOT_NOT_SUPPORTED", "refused", "refused")
        if vendor_device_forbidden(self._index.picture.pool, vm):
            tally.add("VM_VENDOR_DEVICE", "ok", "refused")
        if self._too_old:
            tally.add("HOST_TOO_OLD", "ok", "refused")

    def _add_refusal(self, tally: _Tally, vdi: Vdi) -> None:
        """109, 44 or 81 of the next snapshot of this disk; a chain that comes near the limit."""
        node, sr = self._node(vdi), self._index.picture.srs.get(vdi.sr_ref)
        depth = node.depth if node is not None else 1
        told = refusal.of_snapshot(sr, vdi, depth, self._sizes.get(vdi.uuid), self._settings.max_depth) if sr else None
        if told is not None and told.error == 109:
            tally.add("CHAIN_AT_LIMIT", "refused", "refused")
        elif depth >= self._settings.near_limit_depth:
            tally.add("CHAIN_NEAR_LIMIT", "at_risk", "at_risk")
        if told is not None and told.error != 109:
            _add_no_space(tally, told.certain)
        missing = self._forest_of(vdi).missing_parents
        if missing and any(one.vdi.uuid in missing for one in self._path(vdi)):
            tally.add("VDI_PARENT_MISSING", "refused", "refused")

    def _add_window(self, tally: _Tally, sr: Sr, disks: list[Vdi]) -> None:
        """All disks of the VM on one SR held together, then the largest leaf merge: only what is sure not to fit."""
        need, free = window_need(sr, disks, self._sizes), free_bytes(sr)
        if need is None or free is None:
            return
        if need.snapshots.high > free:
            _add_no_space(tally, certain=need.snapshots.low > free)
        elif need.total.low > free:
            tally.add("COALESCE_NO_SPACE", "ok", "at_risk")

    def _add_findings(self, tally: _Tally, vm: Vm, disks: list[Vdi]) -> None:
        chains = (node.vdi.uuid for vdi in disks for node in self._path(vdi))
        srs = (sr.uuid for sr, _ in self._by_sr(disks))
        for code, snapshot, backup in self._findings.about(vm.uuid, chains, srs):
            tally.add(code, snapshot, backup)

    def _by_sr(self, disks: Iterable[Vdi]) -> list[tuple[Sr, list[Vdi]]]:
        found: dict[str, list[Vdi]] = {}
        for vdi in disks:
            found.setdefault(vdi.sr_ref, []).append(vdi)
        srs = self._index.picture.srs
        return [(srs[ref], of_sr) for ref, of_sr in found.items() if ref in srs]

    def _disk(self, vdi: Vdi) -> DiskVerdict:
        path, sr = self._path(vdi), self._index.picture.srs.get(vdi.sr_ref)
        counts = {"inner_pending": 0, "leaf_pending": 0, "kept": 0, "blocked": 0}
        for node in path:
            if node.status in counts:
                counts[node.status] += 1
        depth = path[0].depth if path else 1
        need = snapshot_need(sr, vdi, self._sizes.get(vdi.uuid)) if sr is not None else None
        return DiskVerdict(
            vdi=vdi.uuid,
            depth=depth,
            headroom=max(0, self._settings.max_depth - depth),
            snapshot_need_bytes=None if need is None else (need.low, need.high),
            **counts,
        )

    def _forest_of(self, vdi: Vdi) -> Forest:
        sr = self._index.picture.srs.get(vdi.sr_ref)
        return self._forests.get(sr.uuid, _NO_FOREST) if sr is not None else _NO_FOREST

    def _node(self, vdi: Vdi) -> Node | None:
        return self._forest_of(vdi).nodes.get(vdi.uuid)

    def _path(self, vdi: Vdi) -> list[Node]:
        """From the disk up to its root, each node once."""
        nodes = self._forest_of(vdi).nodes
        path: dict[str, Node] = {}
        uuid: str | None = vdi.uuid
        while uuid is not None and uuid in nodes and uuid not in path:
            path[uuid] = nodes[uuid]
            uuid = nodes[uuid].parent
        return list(path.values())


_NO_FOREST: Final = Forest(sr_uuid="")


def _add_no_space(tally: _Tally, certain: bool) -> None:
    readiness: Readiness = "refused" if certain else "at_risk"
    tally.add("SNAPSHOT_NO_SPACE", readiness, readiness)

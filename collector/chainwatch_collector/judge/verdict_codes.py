"""What an open finding means for a VM's next snapshot and backup: code → at risk or refused."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from chainwatch_collector.judge.answer import Finding, Readiness

_OF_DISKS: Final[Mapping[str, tuple[Readiness, Readiness]]] = {
    "VDI_PARENT_MISSING": ("refused", "refused"),
    "VDI_LOST": ("refused", "refused"),
    "VDI_CORRUPT": ("at_risk", "at_risk"),
    "DISK_FROZEN": ("at_risk", "at_risk"),
    "VDI_STALE_FLAG": ("at_risk", "at_risk"),
    "VDI_HELD_BY_CONTROL_DOMAIN": ("ok", "at_risk"),
    "COALESCE_FAILED": ("ok", "at_risk"),
    "CHAIN_MULTI_HOST": ("ok", "at_risk"),
    "LEAF_COALESCE_GAVE_UP": ("ok", "at_risk"),
    "CBT_BROKEN": ("ok", "at_risk"),
}
"""Code → (snapshot, backup) when its subject is a VDI of the VM's chains. 46 where a parent cannot be read."""

_OF_SRS: Final[Mapping[str, tuple[Readiness, Readiness]]] = {
    "SR_IO_ERRORS": ("at_risk", "at_risk"),
    "SR_SCAN_FAILED": ("ok", "at_risk"),
    "SR_FULL": ("at_risk", "at_risk"),
    "SR_PATHS_DEGRADED": ("ok", "at_risk"),
    "LINSTOR_DEGRADED": ("ok", "at_risk"),
    "GC_NOT_RUNNING": ("ok", "at_risk"),
    "GC_STUCK": ("ok", "at_risk"),
    "GC_INEFFECTIVE": ("ok", "at_risk"),
    "GC_CRASHED": ("ok", "at_risk"),
    "GC_BLOCKED_BY_HOST": ("ok", "at_risk"),
    "GC_DISABLED": ("ok", "at_risk"),
    "COALESCE_NO_SPACE": ("ok", "at_risk"),
    "COALESCE_BEHIND": ("ok", "at_risk"),
    "COALESCE_SLOW": ("ok", "at_risk"),
}
"""Code → (snapshot, backup) when its subject is an SR with a disk of the VM: a backup adds to what is not merged."""

_OF_VMS: Final[Mapping[str, tuple[Readiness, Readiness]]] = {
    "BACKUP_BASE_MISSING": ("ok", "at_risk"),
}


class FindingIndex:
    """Open findings by subject. Stale ones and infos say nothing of now."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self._by_subject: dict[tuple[str, str], list[str]] = {}
        for finding in findings:
            if not finding.stale and finding.severity != "info":
                key = (finding.subject.kind, _key(finding.subject.kind, finding.subject.uuid))
                self._by_subject.setdefault(key, []).append(finding.code)

    def about(
        self, vm_uuid: str, vdi_uuids: Iterable[str], sr_uuids: Iterable[str]
    ) -> Iterator[tuple[str, Readiness, Readiness]]:
        """(code, snapshot, backup) of each finding that reaches the VM, most telling first."""
        if not self._by_subject:
            return
        for uuid in vdi_uuids:
            yield from self._told("vdi", uuid, _OF_DISKS)
        for uuid in sr_uuids:
            yield from self._told("sr", uuid, _OF_SRS)
        yield from self._told("vm", vm_uuid, _OF_VMS)

    def _told(
        self, kind: str, uuid: str, table: Mapping[str, tuple[Readiness, Readiness]]
    ) -> Iterator[tuple[str, Readiness, Readiness]]:
        for code in self._by_subject.get((kind, _key(kind, uuid)), ()):
            if code in table:
                yield (code, *table[code])


def _key(kind: str, uuid: str) -> str:
    """VDIs by the 8 characters that SM prints: a finding of a log alone may know no more of its subject."""
    return uuid[:8] if kind == "vdi" else uuid

"""The marks that Xen Orchestra leaves on snapshots and replicas, in every form that it ever used. Pure.

Sources: `@xen-orchestra/backups/_otherConfig.mjs`, `config.toml` (name templates), the legacy names of xo-server; see
chains.md 3.4.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

TEMPORARY: Final = "xo-backup-temp-snapshot-name"
"""The snapshot's name until it is tagged: a run that dies in between leaves it."""
_CURRENT: Final = re.compile(r"^\[XO Backup (?P<job>.+?)\] (?P<vm>.*)$")
_LEGACY_EXPORT: Final = re.compile(r"^XO_DELTA_EXPORT: (?P<name>.*?) ?\((?P<sr>[0-9a-f-]{36})\)$")
_LEGACY: Final = re.compile(r"^(XO_DELTA_EXPORT:|XO_DELTA_BASE_VM_SNAPSHOT_|rollingSnapshot_)")
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupKeys:
    """What one object is to a backup job. Empty texts and None: not told. `legacy`: a mark of an old Xen Orchestra,
    whose snapshots are bases without an `exported`."""

    job: str = ""
    job_name: str = ""
    schedule: str = ""
    vm: str = ""
    sr: str = ""
    at: datetime | None = None
    exported: bool = False
    delta_length: int | None = None
    content_key: str = ""
    base_vdi: str = ""
    copy_of: str = ""
    temporary: bool = False
    legacy: bool = False

    @property
    def marked(self) -> bool:
        """Whether it is any backup's at all."""
        return bool(self.job or self.job_name or self.copy_of or self.temporary or self.legacy or self.base_vdi)

    @property
    def owner(self) -> str:
        """The job, by its id where that is told, else by its name; legacy marks of one target belong together."""
        return self.job or self.job_name or (f"legacy {self.sr}".strip() if self.legacy else "")


def keys_of(name: str, other_config: Mapping[str, str]) -> BackupKeys:
    """By an object's `name_label` and `other_config`."""
    current, legacy_export = _CURRENT.match(name), _LEGACY_EXPORT.match(name)
    get = other_config.get
    legacy_sr = legacy_export["sr"] if legacy_export is not None else ""
    return BackupKeys(
        job=get("xo:backup:job", ""),
        job_name=current["job"] if current is not None else "",
        schedule=get("xo:backup:schedule", ""),
        vm=get("xo:backup:vm", ""),
        sr=get("xo:backup:sr", "") or legacy_sr or _legacy_target(other_config),
        at=_moment(get("xo:backup:datetime", "")),
        exported=get("xo:backup:exported") == "true",
        delta_length=_number(get("xo:backup:deltaChainLength", "")),
        content_key=get("xo:backup:contentKey", ""),
        base_vdi=get("xo:base_delta_vdi", "") or get("xo:base_delta", ""),
        copy_of=get("xo:copy_of", ""),
        temporary=name.startswith(TEMPORARY),
        legacy=bool(_LEGACY.match(name)) and not name.startswith("rollingSnapshot_"),
    )


def joined(vdi: BackupKeys, vm: BackupKeys) -> BackupKeys:
    """What a snapshot's disk is: its own marks, and its VM snapshot's where it has none."""
    return BackupKeys(
        job=vdi.job or vm.job,
        job_name=vdi.job_name or vm.job_name,
        schedule=vdi.schedule or vm.schedule,
        vm=vdi.vm or vm.vm,
        sr=vdi.sr or vm.sr,
        at=vdi.at or vm.at,
        exported=vdi.exported or vm.exported,
        delta_length=vdi.delta_length if vdi.delta_length is not None else vm.delta_length,
        content_key=vdi.content_key or vm.content_key,
        base_vdi=vdi.base_vdi or vm.base_vdi,
        copy_of=vdi.copy_of,
        temporary=vdi.temporary or vm.temporary,
        legacy=vdi.legacy or vm.legacy,
    )


def _legacy_target(other_config: Mapping[str, str]) -> str:
    """Old keys are themselves named after their target: `XO_DELTA_EXPORT: NAME (SR uuid)` → the base's uuid."""
    for key in other_config:
        if key.startswith("XO_"):
            found = _UUID.search(key)
            if found is not None:
                return found[0]
    return ""


def _moment(text: str) -> datetime | None:
    """`20261125T013000Z`; a text of another form is no time."""
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None

"""What a XenAPI task is by its name, and which disk or VM its name speaks of.

Names: xapi's own (`Async.VDI.copy`, `VM.pool_migrate`, `Export of VM: NAME`), Xen Orchestra's (`Exporting content of
VDI NAME through NBD`, `[XO] Importing content into VDI NAME`), SM's (`Garbage Collection`); chains.md 3.1.
"""

import re
from collections.abc import Mapping
from typing import Final

from chainwatch_collector.backups.seen import TaskKind
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Ref, Task

_KINDS: Final[tuple[tuple[TaskKind, re.Pattern[str]], ...]] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))  # type: ignore[misc]  # the words of TaskKind
    for kind, pattern in (
        ("gc", r"garbage collection"),
        ("migration", r"migrat|\bsend\b"),
        ("import", r"\bimport(ing)?\b|vdi_import|put_import"),
        ("export", r"\bexport(ing)?\b|vdi_export|through nbd"),
        ("copy", r"\b(vdi|vm)\.(async)?copy|\bcopy(ing)?\b|\.copy\b|clone"),
        ("snapshot", r"snapshot|checkpoint"),
        ("scan", r"\bscan"),
    )
)
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_OF_VDI: Final = re.compile(
    r"(?:content (?:of|into) VDI|VDI export of|VDI) (?P<name>.+?)"
    r"(?: through NBD| as \w+ stream| on SR .*| using NBD.*)?$",
    re.IGNORECASE,
)
_OF_VM: Final = re.compile(r"(?:export|import|copy|migration|migrate)\w* (?:of )?VM:? (?P<name>.+)$", re.IGNORECASE)


def kind_of(name: str) -> TaskKind:
    """By the task's name_label."""
    return next((kind for kind, pattern in _KINDS if pattern.search(name)), "other")


class Names:
    """The VDIs and VMs of a picture by uuid and by name; made when a transfer is there to be explained."""

    def __init__(self, picture: Picture) -> None:
        self._srs: Mapping[Ref, str] = {sr.ref: sr.uuid for sr in picture.srs.values()}
        self._vdis: dict[str, tuple[str, str] | None] = {}
        for vdi in picture.all_vdis():
            found = (self._srs.get(vdi.sr_ref, ""), vdi.uuid)
            self._vdis[vdi.uuid] = found
            if vdi.managed and vdi.name:
                self._put(vdi.name, found)
        by_ref = {vdi.ref: (self._srs.get(vdi.sr_ref, ""), vdi.uuid) for vdi in picture.all_vdis()}
        self._vms: dict[str, set[str]] = {}
        vms = {vm.ref: vm for vm in picture.vms.values() if not vm.is_control_domain}
        for vbd in picture.vbds.values():
            vm, place = vms.get(vbd.vm_ref), by_ref.get(vbd.vdi_ref or "")
            if vm is not None and place is not None and vbd.type == "Disk":
                for key in (vm.uuid, vm.name):
                    self._vms.setdefault(key, set()).add(place[0])

    def _put(self, name: str, found: tuple[str, str]) -> None:
        """Several disks of one name on one SR still tell the SR."""
        before = self._vdis.get(name, found)
        if before is None or before[0] != found[0]:
            self._vdis[name] = None
        elif before[1] != found[1]:
            self._vdis[name] = (found[0], "")
        else:
            self._vdis[name] = found

    def place(self, task: Task) -> tuple[str | None, str | None]:
        """(SR uuid, VDI uuid) that the task works on, None where its words do not tell one."""
        sr_uuid = self._srs.get(task.applies_to_ref or "")
        if sr_uuid is not None:
            return sr_uuid, None
        texts = (task.name, task.description)
        for key in (*(uuid for text in texts for uuid in _UUID.findall(text)), *_named(_OF_VDI, texts)):
            found = self._vdis.get(key)
            if found is not None:
                return found[0] or None, found[1] or None
        for key in (*(uuid for text in texts for uuid in _UUID.findall(text)), *_named(_OF_VM, texts)):
            srs = self._vms.get(key, set())
            if len(srs) == 1:
                return next(iter(srs)) or None, None
        return None, None


def _named(pattern: re.Pattern[str], texts: tuple[str, ...]) -> list[str]:
    matches = (pattern.search(text) for text in texts)
    return [match["name"].strip() for match in matches if match is not None]

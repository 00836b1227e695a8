"""Which SRs have a garbage collector and chains, and of which VDIs and VMs the codes speak."""

from collections.abc import Iterable
from typing import Final, Literal

from chainwatch_collector.inventory.records import Pbd, Sr, Vdi, Vm

Family = Literal["lvm", "file", "linstor"]
Provisioning = Literal["thin", "thick", "unknown"]

LVM_TYPES: Final = frozenset(
    ["lvm", "lvmoiscsi", "lvmohba", "lvmofcoe", "lvhd", "lvhdoiscsi", "lvhdohba", "lvhdofcoe"],
)
FILE_TYPES: Final = frozenset(
    [
        "file",
        "ext",
        "nfs",
        "ocfsoiscsi",
        "ocfsohba",
        "smb",
        "cephfs",
        "glusterfs",
        "moosefs",
        "xfs",
        "zfs",
        "largeblock",
    ],
)
"""`normalizeType` of SM's cleanup.py, the types its GC takes; everything else is "Unsupported SR type"."""

_THICK_TYPES: Final = frozenset(("hba", "iscsi", "rawhba", "rawiscsi", "udev", "lunpervdi"))
"""One LUN or device per VDI: whatever it holds, its size is taken."""

NO_CHAIN_TYPES: Final = frozenset(
    ("ha_statefile", "metadata", "redo_log", "cbt_metadata", "pvs_cache", "rrd", "crashdump"),
)
"""VDI types that raise no chain, flag or garbage code and are no node of a tree."""


def family(sr: Sr) -> Family | None:
    """By which of the three rules of cleanup.py SM merges here; None: SM's GC does not take this type."""
    if sr.type in LVM_TYPES:
        return "lvm"
    if sr.type in FILE_TYPES:
        return "file"
    return "linstor" if sr.type == "linstor" else None


def no_gc_reason(sr: Sr) -> str:
    """Why chains of this SR are not observable; empty where SM's GC works on it."""
    if sr.content_type == "iso":
        return "content_type is iso: images are never merged"
    if sr.is_tools_sr:
        return "the tools SR has no chains"
    if family(sr) is None:
        return f"SM's garbage collector does not take SRs of type {sr.type}; XenAPI shows no chains of it"
    return ""


def has_gc(sr: Sr) -> bool:
    """Whether SM's GC works on this SR at all. False is `no_gc`: not observable, never "healthy"."""
    return not no_gc_reason(sr)


def raises_chain_codes(vdi: Vdi) -> bool:
    """Whether chain, flag and garbage codes may name this VDI: raw VDIs and the service types have no chain."""
    return not vdi.raw and vdi.type not in NO_CHAIN_TYPES


def raises_space_codes(sr: Sr) -> bool:
    """Space codes speak only of SRs that tell their size (`physical_size` > 0) and that SM allocates on."""
    return sr.physical_size_bytes > 0 and has_gc(sr)


def gets_verdict(vm: Vm) -> bool:
    """Guests only: templates, snapshots and control domains are neither snapshot nor backed up."""
    return not (vm.is_a_template or vm.is_a_snapshot or vm.is_control_domain)


def provisioning(sr: Sr, pbds: Iterable[Pbd] = ()) -> Provisioning:
    """Thin or thick. `pbds`: the SR's PBDs, needed for LINSTOR alone.

    LVM is thick unless `sm_config["allocation"]` is thin (LVHDSR.py:167-203). File SRs are thin, also those that Xen
    Orchestra's table does not have (xfs, cephfs, glusterfs, moosefs, largeblock) and OCFS, which is a FileSR to SM.
    LINSTOR goes by `device_config["provisioning"]`, thin where it is not given. Other drivers: unknown.
    """
    kind = family(sr)
    if kind == "lvm":
        return "thin" if sr.sm_config.get("allocation") == "thin" else "thick"
    if kind == "file":
        return "thin"
    if kind == "linstor":
        return _linstor_provisioning([pbd.provisioning or "thin" for pbd in pbds])
    return "thick" if sr.type in _THICK_TYPES else "unknown"


def _linstor_provisioning(told: list[str]) -> Provisioning:
    if told and all(value == told[0] for value in told):
        if told[0] == "thin":
            return "thin"
        if told[0] == "thick":
            return "thick"
    return "unknown"

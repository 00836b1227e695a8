"""SM's error numbers, names and texts (SMlog catalogue 5). Upstream v4 logs the text alone."""

from __future__ import annotations

_TABLE: tuple[tuple[int, str, str], ...] = (
    (16, "SRInUse", "The SR device is currently in use"),
    (24, "VDIInUse", "The VDI is currently in use"),
    (37, "LockErr", "The lock/unlock request failed"),
    (38, "Unimplemented", "The requested method is not supported/implemented"),
    (39, "SRNotEmpty", "The SR is not empty"),
    (40, "SRScan", "The SR scan failed"),
    (41, "SRLog", "The SR log operation failed"),
    (43, "VDIExists", "The VDI already exists"),
    (44, "SRNoSpace", "There is insufficient space"),
    (46, "VDIUnavailable", "The VDI is not available"),
    (47, "SRUnavailable", "The SR is not available"),
    (50, "LVMCreate", "Logical Volume creation error"),
    (51, "LVMDelete", "Logical Volume deletion error"),
    (52, "LVMMount", "Logical Volume mount/activate error"),
    (53, "LVMUnMount", "Logical Volume unmount/deactivate error"),
    (54, "LVMWrite", "Logical Volume write error"),
    (58, "LVMMaster", "Logical Volume request must come from master"),
    (59, "LVMResize", "Logical Volume resize error"),
    (60, "LVMSize", "Logical Volume invalid size"),
    (64, "VDIRemove", "Failed to remove VDI"),
    (65, "VDILoad", "Failed to load VDI"),
    (66, "VDIType", "Invalid VDI type"),
    (73, "NFSMount", "NFS mount error"),
    (78, "VDICreate", "VDI Creation failed"),
    (79, "VDISize", "VDI Invalid size"),
    (80, "VDIDelete", "Failed to mark VDI hidden"),
    (81, "VDIClone", "Failed to clone VDI"),
    (82, "VDISnapshot", "Failed to snapshot VDI"),
    (100, "LVMNoVolume", "Cannot find volume"),
    (104, "LVMRefCount", "Unable to open the refcount file"),
    (109, "SnapshotChainTooLong", "The snapshot chain is too long"),
    (110, "VDIResize", "VDI resize failed"),
    (111, "SMBMount", "SMB mount error"),
    (117, "LVMRead", "Logical Volume read error"),
    (119, "PVMultiIDs", "PVs found with multiple SCSI IDs"),
    (144, "VDIMissing", "VDI could not be found"),
    (154, "APIProtocolError", "A protocol error was received when accessing the API"),
    (180, "LVMProvisionAttach", "Volume Group out of space"),
    (181, "MetadataError", "Error in Metadata volume operation for SR"),
    (200, "EIO", "General IO error"),
    (201, "EGAIN", "Currently unavailable, try again"),
    (202, "SMGeneral", "General backend error"),
    (445, "TapdiskAlreadyRunning", "The tapdisk is already running"),
    (453, "TapdiskFailed", "tapdisk experienced an error"),
    (459, "CBTMetadataInconsistent", "Changed block tracking log is in an inconsistent state"),
    (460, "CBTChangedBlocksError", "Failed to calculate changed blocks for given VDIs"),
    (461, "SharedFileSystemNoWrite", "The file system for SR cannot be written to"),
    (1200, "GenericException", "SM has thrown a generic python exception"),
    (5002, "LinstorMaster", "Linstor request must come from master"),
)
_NAMES = {code: name for code, name, _ in _TABLE}
_OPTERR = "[opterr="


def identify(message: str, code: int | None) -> tuple[int | None, str]:
    """(number, name) of an error by its number, else by its text; (None, "Exception") for a Python exception."""
    if code is not None:
        return code, _NAMES.get(code, f"SR_BACKEND_FAILURE_{code}")
    for number, name, text in _TABLE:
        if message.startswith(text):
            return number, name
    return None, "Exception"


def opterr(params: str) -> str:
    """The driver's own detail of an error, empty when it gave none."""
    _, named, detail = params.rstrip().partition(_OPTERR)
    return detail[:-1] if named and detail.endswith("]") else ""

"""Why a merge failed, from SM's own words (SMlog catalogue 1.3, 3.7: the traps). Pure."""

from __future__ import annotations

import re

from chainwatch_collector.read.open_runs import Hint, strength_of
from chainwatch_collector.read.words import Cause, CrashReason

_RC = re.compile(r"\(rc (-?\d{1,12})\)")
_COALESCING = re.compile(r"error coalescing: (-?\d{1,20})")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_REF = re.compile(r"OpaqueRef:[0-9A-Za-z-]{1,64}")
_CORRUPT = re.compile(r"(?:VHD|COW image|VDI) (\S{8,80}) corrupted")
NO_SPACE_BEFOREHAND = "refused beforehand: not enough free space"
_EIO, _ENOSPC, _ENOENT, _EROFS, _EMEDIUMTYPE, _ETIMEDOUT = 5, 28, 2, 30, 124, 110
_UNAVAILABLE = {_ENOENT, _EROFS, _EMEDIUMTYPE}
# Codes of a failed check that may mean "not reachable" rather than "damaged" (catalogue C41).
UNSURE_CODES = frozenset((_EIO, _ENOENT, _EROFS, _EMEDIUMTYPE, _ETIMEDOUT))
_LARGEST_ERRNO = 4095

# Python's exception line, by the words SM raises. Order matters: the first that occurs decides.
_WORDS: tuple[tuple[str, Cause], ...] = (
    ("No space left on device", "no_space"),
    ("Run out of space", "no_space"),
    ("SR_BACKEND_FAILURE_44", "no_space"),
    ("activated more than once", "multi_attach"),
    ("leaves attached on", "multi_attach"),
    ("Aborting due to signal", "aborted"),
    ("Abort requested", "aborted"),
    ("could not be coalesced", "guest_writes"),
    ("Input/output error", "io_error"),
    ("I/O error", "io_error"),
    # ioretry turns 20 EIO into ETIMEDOUT since 8.3: a time-out of a tool is an I/O error.
    ("Connection timed out", "io_error"),
    ("Read-only file system", "io_error"),
    ("Stale file handle", "io_error"),
    ("Stale NFS file handle", "io_error"),
    ("Transport endpoint", "io_error"),
    ("Timed out", "timed_out"),
    ("Signalled ", "killed"),
    # 8.2 prints strerror(signal): 9 and 15.
    ("Bad file descriptor", "killed"),
    ("Block device required", "killed"),
    (" corrupted", "corrupt"),
    ("failed to read VHD metadata", "corrupt"),
    ("Failed to pause VDI", "busy"),
    ("Failed to unpause VDI", "busy"),
    ("Failed to refresh", "busy"),
    ("Failed to tag vdi", "busy"),
    ("is in use", "busy"),
    ("Unable to acquire the SR lock", "busy"),
    ("XenAPI.Failure", "xapi"),
    ("XenAPI", "xapi"),
    ("HANDLE_INVALID", "xapi"),
    ("SESSION_INVALID", "xapi"),
    ("HOST_OFFLINE", "xapi"),
)


def of_text(text: str) -> Cause:
    """The cause that an exception's text names; `unknown` where it names none."""
    for words, cause in _WORDS:
        if words in text:
            return cause
    return "unknown"


def return_code(text: str) -> int | None:
    """The rc of a `FAILED in util.pread` text."""
    found = _RC.search(text)
    return int(found[1]) if found else None


def of_command(command: str | None, text: str) -> Cause:
    """The cause that a failed command proves. rc is the errno for vhd-util, minus the signal when it was killed.

    rc 1 means no more than "exit code 1". A tool that reports a huge negative "error" has counted sectors in
    32 bits (blktap before 3.55.5-2.3): the copy of a disk over 1 TiB was good.
    """
    rc = return_code(text)
    told = _COALESCING.search(text)
    if command == "coalesce" and told is not None and abs(int(told[1])) > _LARGEST_ERRNO:
        return "tool_bug"
    if rc is None:
        return "unknown"
    if rc < 0:
        return "killed"
    if rc == _ENOSPC:
        return "no_space"
    if rc == _EIO:
        return "io_error"
    if rc in _UNAVAILABLE and command == "coalesce":
        return "io_error"
    if "No space left on device" in text:
        return "no_space"
    if "Input/output error" in text:
        return "io_error"
    if command == "check":
        return "corrupt"
    return "unknown"


def corrupt_image(text: str) -> str | None:
    """The printed image of C41, None when the text is another."""
    found = _CORRUPT.search(text)
    return found[1] if found else None


def uuids(text: str) -> tuple[str, ...]:
    """Every uuid in a text, in order, once."""
    return tuple(dict.fromkeys(_UUID.findall(text)))


def host_refs(text: str) -> tuple[str, ...]:
    """Every XenAPI reference in a text, in order, once."""
    return tuple(dict.fromkeys(_REF.findall(text)))


def strongest(hints: list[Hint]) -> Hint | None:
    """The hint to believe: known before unknown, then strength, then the earliest."""
    return max(hints, key=strength_of, default=None)


_REASONS: dict[Cause, CrashReason] = {
    "no_space": "no_space",
    "io_error": "io_error",
    "timed_out": "timed_out",
    "xapi": "xapi",
    "multi_attach": "multi_attach",
    "corrupt": "corrupt",
}
_HOST_WORDS = ("HOST_OFFLINE", "HOST_NOT_LIVE", "CANNOT_CONTACT_HOST", "HOST_STILL_BOOTING", "No route to host")


def crash_reason(text: str) -> CrashReason:
    """Why a whole run died, from its exception's text (catalogue: the RAISE rows)."""
    if "Scan error" in text or "Error scanning VDI" in text or "Not a valid QCOW2" in text:
        return "scan_failed"
    if "Parent VDI" in text and "not found" in text:
        return "parent_missing"
    if any(word in text for word in _HOST_WORDS):
        return "host_unreachable"
    if "Unable to acquire the SR lock" in text:
        return "lock_timeout"
    if text.startswith("directory ") and text.endswith("not found!"):
        return "sr_unavailable"
    return _REASONS.get(of_text(text), "unknown")

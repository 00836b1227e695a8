"""Paths of disk images → SR and VDI, by the text of the path alone: an image is never looked at.

Source of the shapes: SM's lvutil, lvmcowutil, FileSR and SMBSR (SM 2.30 to 4.1).
"""

import re
from typing import NamedTuple

_HEX = "[0-9a-fA-F]"
UUID = "-".join((_HEX + "{8}", _HEX + "{4}", _HEX + "{4}", _HEX + "{4}", _HEX + "{12}"))
# device-mapper doubles the dashes within the names that it joins by one
_DM_UUID = UUID.replace("-", "--").replace("0--9", "0-9").replace("a--f", "a-f").replace("A--F", "A-F")
_LV_KIND = "(?:VHD|LV|QCOW2)"
_JOURNAL = "(?:coalesce|relink|leaf|inflate|clone)"

_LVM = re.compile(r"/dev/VG_XenStorage-(%s)(?:/(?:%s-|%s_)(%s)(?![0-9A-Za-z]))?" % (UUID, _LV_KIND, _JOURNAL, UUID))
_DM = re.compile(
    r"(?:/dev/mapper/)?VG_XenStorage--(%s)(?:-(?:%s--|%s_)(%s)(?![0-9A-Za-z]))?"
    % (_DM_UUID, _LV_KIND, _JOURNAL, _DM_UUID)
)
# anywhere: a descriptor's path is the kernel's, which may begin otherwise than that in an argv
_FILE = re.compile(
    r"(?:/[^/]+)*/run/sr-mount/(?:SMB/[^/]+/)?(%s)(?:/(?:OLD_)?(%s)\.[a-z0-9]+)?(?: \(deleted\))?(?:$|/)" % (UUID, UUID)
)
_SM_NODE = re.compile(r"/dev/sm/(?:phy|backend)/(%s)/(%s)$" % (UUID, UUID))

# What may be sent as a path: below where SM has its images, and of characters that need no escape.
_IMAGE_ROOT = re.compile(r"(?:/var)?/run/sr-mount/|/dev/(?:VG_XenStorage-|mapper/|drbd|sm/|dm-|xvd|sd|nvme)")
_PLAIN = re.compile(r"[A-Za-z0-9_./:+@-]{1,1024}")

_UUID_ALONE = re.compile(UUID)


class ImageIds(NamedTuple):
    """Full uuids in lower case, each empty where the path does not tell (LINSTOR, raw devices)."""

    sr_uuid: str
    vdi_uuid: str


NO_IDS = ImageIds("", "")


def is_uuid(text: str) -> bool:
    """True for the full 36 characters."""
    return _UUID_ALONE.fullmatch(text) is not None


def is_image_path(text: str) -> bool:
    """True for a path below a place where SM has images, of plain characters, without `..`."""
    return bool(_IMAGE_ROOT.match(text) and _PLAIN.fullmatch(text) and "/../" not in text)


def ids_of_path(path: str) -> ImageIds:
    """SR and VDI as the path names them: LVM, device-mapper, file, or a node below /dev/sm. Never raises."""
    for shape in (_FILE, _LVM, _SM_NODE):
        found = shape.match(path)
        if found:
            return ImageIds(found.group(1).lower(), (found.group(2) or "").lower())
    found = _DM.match(path)
    if found:
        return ImageIds(_undoubled(found.group(1)), _undoubled(found.group(2) or ""))
    return NO_IDS


def ids_of_volume_group(name: str) -> ImageIds:
    """The SR of `VG_XenStorage-<sr>` as `vhd-util scan -l` has it."""
    return ids_of_path("/dev/" + name)


def _undoubled(text: str) -> str:
    return text.replace("--", "-").lower()

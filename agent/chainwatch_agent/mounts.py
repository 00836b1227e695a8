"""SRs' mounts, from /proc/self/mountinfo: the kernel's table, which is there also when the filer behind it is not."""

import os
import re
from typing import Iterator, List, Optional

from chainwatch.v1 import evidence_pb2

from chainwatch_agent.image_path import UUID

_MOST_BYTES = 1024 * 1024
_OCTAL = re.compile(r"\\([0-7]{3})")
# What mounts a share may be given as part of its name: `//user:secret@filer/share`.
_USER_INFO = re.compile(r"(//)[^/@]*@")
_SR_MOUNT = re.compile(r".*/run/sr-mount/(?:SMB/[^/]+(?:/[^/]+)*?/)?(?:(%s)(?:/.*)?|[^/].*)" % UUID)


def read_mounts(root: str) -> "List[evidence_pb2.Mount]":
    """Everything mounted below `/run/sr-mount` as this process sees it; empty where the table cannot be read."""
    for owner in ("self", "1"):
        text = _table(os.path.join(root, "proc", owner, "mountinfo"))
        if text:
            return list(parse_mountinfo(text))
    return []


def parse_mountinfo(text: str) -> "Iterator[evidence_pb2.Mount]":
    """The SR mounts in the text of a mountinfo file (man 5 proc); lines that are none of them are passed over."""
    for line in text.splitlines():
        mount = _mount(line)
        if mount is not None:
            yield mount


def _mount(line: str) -> "Optional[evidence_pb2.Mount]":
    front, separator, back = line.partition(" - ")
    fields, device = front.split(" "), back.split(" ")
    if not separator or len(fields) < 6 or len(device) < 3:
        return None
    mount_point = _plain(fields[4])
    found = _SR_MOUNT.fullmatch(mount_point)
    if found is None:
        return None
    return evidence_pb2.Mount(
        sr_uuid=(found.group(1) or "").lower(),
        mount_point=mount_point[:4096],
        fs_type=device[0][:64],
        source=_USER_INFO.sub(r"\1", _plain(device[1]))[:4096],
        # The file system's own option: that of the mount is also set by the service's sandbox.
        read_only="ro" in device[2].split(","),
    )


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda code: chr(int(code.group(1), 8)), text).replace("\0", "")


def _table(path: str) -> str:
    try:
        with open(path, "rb") as table:
            return table.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""

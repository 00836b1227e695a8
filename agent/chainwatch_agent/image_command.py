"""A process's argv → what it does to which image. Pure; it never raises and keeps nothing that could be a secret.

An argv may hold session refs, passwords and CHAP secrets (an SM driver's holds the whole XML-RPC call), so what is
given out is made of closed lists: known programs and sub-commands, single option letters, uuids, and paths below
the places where SM has its images. The forms are those of SM 2.30 (8.2), 3.2.x (8.3) and 4.1.
"""

import re
from typing import List, NamedTuple, Optional, Pattern, Sequence

from chainwatch.v1 import evidence_pb2

from chainwatch_agent.image_path import NO_IDS, UUID, ids_of_path, ids_of_volume_group, is_image_path, is_uuid

_VHD_KINDS = {
    "coalesce": evidence_pb2.PROCESS_KIND_VHD_COALESCE,
    "check": evidence_pb2.PROCESS_KIND_VHD_CHECK,
    "repair": evidence_pb2.PROCESS_KIND_VHD_REPAIR,
}
_VHD_COMMANDS = re.compile(
    "coalesce|check|repair|scan|query|read|modify|set|snapshot|create|resize|revert|key|fill|update|copy"
)
_QEMU_KINDS = {
    "commit": evidence_pb2.PROCESS_KIND_QEMU_COMMIT,
    "check": evidence_pb2.PROCESS_KIND_QEMU_CHECK,
    "rebase": evidence_pb2.PROCESS_KIND_QEMU_REBASE,
}
_QEMU_COMMANDS = re.compile(
    "commit|check|rebase|create|resize|info|measure|convert|map|snapshot|amend|bitmap|compare|dd"
)
# Options of qemu-img whose next word is a value, e.g. `-b <parent>`: not the image that is worked on.
_QEMU_VALUED = re.compile("-[fFbBOortTSslm]|--output|--object")

_INTERPRETER = re.compile(r"(?:.*/)?(?:python[0-9.]*|sh|bash|dash|env)")
_CLEANUP = re.compile(r"(?:.*/)?(?:cleanup\.py|sm/cleanup)")
_CLEANUP_FLAGS = re.compile(r"-[gGaqxbfd]")
_CLEANUP_LONG = {
    "--gc": "-g", "--gc_force": "-G", "--abort": "-a", "--query": "-q",
    "--disable": "-x", "--background": "-b", "--force": "-f",
}  # fmt: skip
_SM_DRIVER = re.compile(r"(?:/opt/xensource/sm|/usr/libexec/sm|/usr/libexec/xapi-storage-script/sm)/([A-Za-z]{1,24}SR)")
_SM_PLUGIN = re.compile(r"/etc/xapi\.d/plugins/(coalesce-leaf|on-slave|linstor-manager)")
_SR_IN_DIRECTORY = re.compile(r"(?:/var)?/run/sr-mount/(?:SMB/[^/]+/)?%s/" % UUID)


class ImageCommand(NamedTuple):
    """What a process does: `kind` of ProcessKind, `command` e.g. `vhd-util coalesce`; the rest empty where unknown."""

    kind: "evidence_pb2.ProcessKind.ValueType"
    command: str
    image_path: str = ""
    sr_uuid: str = ""
    vdi_uuid: str = ""


def recognise(argv: Sequence[str]) -> Optional[ImageCommand]:
    """The image or GC command that this argv is, None for every other process (the forked GC of 8.2 among them)."""
    words = _without_interpreter(argv)
    if not words:
        return None
    program = words[0].rsplit("/", 1)[-1]
    reader = _PROGRAMS.get(program)
    if reader is not None:
        return reader(words[1:])
    if _CLEANUP.fullmatch(words[0]):
        command = _cleanup(program, words[1:])
        return command if command.sr_uuid or "/sm/" in words[0] else None
    return None


def name_of_gc(argv: Sequence[str]) -> str:
    """How to call the holder of an SR's GC lock: the SM driver it was forked from (`LVMSR`), a plugin, or `gc`."""
    command = recognise(argv)
    if command is not None:
        return command.command
    for word in argv[:4]:
        found = _SM_DRIVER.match(word) or _SM_PLUGIN.fullmatch(word)
        if found:
            return found.group(1)
    return "gc"


def _without_interpreter(argv: Sequence[str]) -> List[str]:
    """Without `/usr/bin/python3 -u -m observer` and the like in front of a script."""
    words = list(argv)
    if not words or not _INTERPRETER.fullmatch(words[0]):
        return words
    for index, word in enumerate(words[1:6], 1):
        if not word.startswith("-") and words[index - 1] != "-m":
            return words[index:]
    return []


def _vhd_util(words: List[str]) -> ImageCommand:
    verb = _verb(_VHD_COMMANDS, words)
    kind = _VHD_KINDS.get(verb, evidence_pb2.PROCESS_KIND_VHD_OTHER)
    path = _value_of(words, "-n")
    if is_image_path(path):
        return _with_path(kind, _joined("vhd-util", verb), path)
    return ImageCommand(kind, _joined("vhd-util", verb), "", _sr_of_scan(words))


def _sr_of_scan(words: List[str]) -> str:
    """`vhd-util scan -l VG_XenStorage-<sr>` or `-m /var/run/sr-mount/<sr>/*.vhd`."""
    ids = ids_of_volume_group(_value_of(words, "-l"))
    pattern = _value_of(words, "-m")
    if ids is NO_IDS and _SR_IN_DIRECTORY.match(pattern):
        ids = ids_of_path(pattern)
    return ids.sr_uuid


def _qemu_img(words: List[str]) -> ImageCommand:
    verb = _verb(_QEMU_COMMANDS, words)
    kind = _QEMU_KINDS.get(verb, evidence_pb2.PROCESS_KIND_QEMU_OTHER)
    for index, word in enumerate(words):
        if is_image_path(word) and (index == 0 or not _QEMU_VALUED.fullmatch(words[index - 1])):
            return _with_path(kind, _joined("qemu-img", verb), word)
    return ImageCommand(kind, _joined("qemu-img", verb))


def _tap_ctl(words: List[str]) -> Optional[ImageCommand]:
    """Only `commit`, a merge inside tapdisk; list, stats, pause and the like come by the hundred and say nothing."""
    if not words or words[0] != "commit":
        return None
    path = _value_of(words, "-a")
    path = path if path.startswith("/") else path.partition(":")[2]  # also `qcow2:/path`
    kind = evidence_pb2.PROCESS_KIND_TAP_CTL_COMMIT
    return _with_path(kind, "tap-ctl commit", path) if is_image_path(path) else ImageCommand(kind, "tap-ctl commit")


def _cleanup(program: str, words: List[str]) -> ImageCommand:
    flags = []
    sr_uuid = ""
    for index, word in enumerate(words[:16]):
        flag = _CLEANUP_LONG.get(word, word)
        if _CLEANUP_FLAGS.fullmatch(flag) and flag not in flags:
            flags.append(flag)
        value = word.partition("=")[2] if word.startswith("--uuid=") else word
        if is_uuid(value) and (word is not value or words[max(0, index - 1)] in ("-u", "--uuid")):
            sr_uuid = value.lower()
    collects = "-g" in flags or "-G" in flags
    kind = evidence_pb2.PROCESS_KIND_GC if collects else evidence_pb2.PROCESS_KIND_UNSPECIFIED
    return ImageCommand(kind, " ".join([program] + flags), "", sr_uuid)


_PROGRAMS = {"vhd-util": _vhd_util, "qemu-img": _qemu_img, "tap-ctl": _tap_ctl}


def _verb(known: "Pattern[str]", words: List[str]) -> str:
    return words[0] if words and known.fullmatch(words[0]) else ""


def _joined(program: str, verb: str) -> str:
    return "{} {}".format(program, verb) if verb else program


def _with_path(kind: "evidence_pb2.ProcessKind.ValueType", command: str, path: str) -> ImageCommand:
    ids = ids_of_path(path)
    return ImageCommand(kind, command, path, ids.sr_uuid, ids.vdi_uuid)


def _value_of(words: List[str], option: str) -> str:
    for index, word in enumerate(words[:-1]):
        if word == option:
            return words[index + 1]
    return ""

"""The host's own facts: what it is, what SM it has, when it was booted, its clock, its memory, its log partition."""

import os
import platform
import re
import socket
import time
from typing import Dict, NamedTuple, Tuple

from chainwatch.v1 import evidence_pb2

from chainwatch_agent.clock_sync import clock_synchronized
from chainwatch_agent.processes import read_text

_INVENTORY_LINE = re.compile(r"([A-Z0-9_]+)='?([^']*)'?")
# dom0's RPM of SM installs its documents here (SM: sm.spec `%doc`), the one place that tells its version without rpm.
_SM_DOCUMENTS = re.compile(r"sm-(\d[0-9A-Za-z.]*)")
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?", re.ASCII)
_ZONE_NAME = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")


class HostFacts(NamedTuple):
    """What does not change while the host is up, and its zone. Texts are empty where dom0 does not tell."""

    host_uuid: str
    hostname: str
    machine_id: str
    boot_id: str
    booted_at_us: int
    timezone: str
    utc_offset_seconds: int
    product_version: str
    product_brand: str
    sm_version: str
    kernel: str
    python: str


def read_host_facts(root: str) -> HostFacts:
    """From the files below `root`; never raises. `host_uuid` is xapi's own uuid of the host (INSTALLATION_UUID)."""
    inventory = read_inventory(root)
    return HostFacts(
        host_uuid=inventory.get("INSTALLATION_UUID", "").lower(),
        hostname=_hostname(root),
        machine_id=_text(root, "etc/machine-id")[:64],
        boot_id=_text(root, "proc/sys/kernel/random/boot_id")[:64],
        booted_at_us=booted_at_us(root),
        timezone=timezone_name(root),
        utc_offset_seconds=utc_offset_seconds(),
        product_version=inventory.get("PRODUCT_VERSION_TEXT", "") or inventory.get("PRODUCT_VERSION", ""),
        product_brand=inventory.get("PRODUCT_BRAND", ""),
        sm_version=_sm_version(root),
        kernel=_text(root, "proc/sys/kernel/osrelease")[:256] or platform.release(),
        python=platform.python_version(),
    )


def host_message(root: str, facts: HostFacts) -> "evidence_pb2.HostFacts":
    """The same with what changes: load, memory, space, the clock."""
    memory = _memory(root)
    log_free, log_total = _space(os.path.join(root, "var/log"))
    root_free, root_total = _space(root)
    known = {name: value for name, value in facts._asdict().items() if name != "host_uuid"}
    return evidence_pb2.HostFacts(
        load_1m=_load(root),
        memory_total_bytes=memory.get("MemTotal", 0),
        memory_available_bytes=memory.get("MemAvailable", memory.get("MemFree", 0)),
        log_free_bytes=log_free,
        log_total_bytes=log_total,
        root_free_bytes=root_free,
        root_total_bytes=root_total,
        no_sm_log=os.path.exists(os.path.join(root, "etc/xensource/no_sm_log")),
        clock_synchronized=clock_synchronized(),
        **known,
    )


def read_inventory(root: str) -> Dict[str, str]:
    """/etc/xensource-inventory, `KEY='value'` a line; empty where there is none."""
    pairs = {}
    for line in _text(root, "etc/xensource-inventory", 65536).splitlines():
        found = _INVENTORY_LINE.fullmatch(line.strip())
        if found:
            pairs[found.group(1)] = found.group(2)[:256]
    return pairs


def timezone_name(root: str) -> str:
    """The IANA name that /etc/localtime links to, else the one that /etc/timezone or sysconfig has, else empty."""
    candidates = [_linked_zone(root), _text(root, "etc/timezone")]
    candidates.extend(
        line.partition("=")[2].strip("\"'")
        for line in _text(root, "etc/sysconfig/clock").splitlines()
        if line.startswith("ZONE=")
    )
    return next((name for name in candidates if _ZONE_NAME.fullmatch(name)), "")


def _linked_zone(root: str) -> str:
    try:
        return os.readlink(os.path.join(root, "etc/localtime")).partition("zoneinfo/")[2]
    except OSError:
        return ""  # a copy of the zone's file, or none


def booted_at_us(root: str) -> int:
    """When the kernel was started, 0 where /proc does not tell."""
    for line in _text(root, "proc/stat", 262144).splitlines():
        if line.startswith("btime "):
            return _whole(line[6:]) * 1000000
    return 0


def _hostname(root: str) -> str:
    name = _text(root, "proc/sys/kernel/hostname") or _text(root, "etc/hostname") or socket.gethostname()
    return name[:256]


def _sm_version(root: str) -> str:
    for path in ("opt/xensource/sm/version", "usr/libexec/sm/version"):
        version = _text(root, path)[:64]
        if version:
            return version
    try:
        names = os.listdir(os.path.join(root, "usr/share/doc"))
    except OSError:
        return ""
    versions = [found.group(1) for found in map(_SM_DOCUMENTS.fullmatch, names) if found]
    return max(versions, default="")


def utc_offset_seconds() -> int:
    """Of this process's zone, the offset in force now; east is positive."""
    time.tzset()  # follow a zone that was changed while we run
    return time.localtime().tm_gmtoff


def _load(root: str) -> float:
    found = _NUMBER.match(_text(root, "proc/loadavg"))
    return float(found.group()) if found else 0.0


def _memory(root: str) -> Dict[str, int]:
    sizes = {}
    for line in _text(root, "proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        if value.endswith(" kB"):
            sizes[name] = _whole(value[:-3]) * 1024
    return sizes


def _whole(text: str) -> int:
    """A number as the kernel prints it, 0 for anything else."""
    found = _NUMBER.fullmatch(text.strip())
    return int(float(found.group())) if found else 0


def _space(path: str) -> Tuple[int, int]:
    """Free for root and in all, bytes; zeros where the directory is not there."""
    try:
        found = os.statvfs(path)
    except OSError:
        return 0, 0
    return found.f_bfree * found.f_frsize, found.f_blocks * found.f_frsize


def _text(root: str, path: str, most_bytes: int = 4096) -> str:
    return read_text(os.path.join(root, path), most_bytes)

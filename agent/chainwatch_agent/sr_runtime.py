"""What dom0 shows of each SR's GC at run time, besides processes and locks (smlog 3.6): all of it on tmpfs and sysfs.

| what | where | since |
|---|---|---|
| heartbeat `gc_init` | /run/nonpersistent/sm/<sr>/ | SM 2.30 |
| `gc_running_<vdi>` | /run/nonpersistent/sm/<sr>/ | SM 3.2.12-17.2 (QCOW2) |
| flags abort, success, failure | /var/run/sm/ipc/<sr>/ | SM 2.30; /run/sm/ipc since 4.0 |
| speeds of the last 10 merges, bytes/s | /var/run/<sr>.speed_log | SM 2.30; /run since 4.0 |
| pids of `SMGC@<sr>.service` | its cgroup | SM 3.2.0 |
"""

import os
import re
from typing import Dict, List, Tuple

from chainwatch.v1 import evidence_pb2

from chainwatch_agent.image_path import UUID, is_uuid
from chainwatch_agent.processes import read_text

MOST_SRS = 256
_MOST_NAMES = 256
_SPEED_LOG = re.compile(r"(%s)\.speed_log" % UUID)
_GC_RUNNING = re.compile(r"gc_running_(%s)" % UUID)
_FLAG = re.compile(r"[a-z_]{1,32}")
_PID = re.compile(r"[0-9]{1,9}")
_UNIT = re.compile(r"SMGC@([0-9a-f\\x]+)\.service")
_UNIT_SLICES = (
    "sys/fs/cgroup/systemd/system.slice/system-SMGC.slice",
    "sys/fs/cgroup/systemd/system.slice",
    "sys/fs/cgroup/unified/system.slice/system-SMGC.slice",
    "sys/fs/cgroup/system.slice/system-SMGC.slice",
    "sys/fs/cgroup/system.slice",
)

_Runtimes = Dict[str, evidence_pb2.SrRuntime]


def read_sr_runtimes(root: str) -> "List[evidence_pb2.SrRuntime]":
    """One entry per SR that anything is known of, by uuid; at most 256. Missing directories are no error."""
    found: _Runtimes = {}
    _nonpersistent(root, found)
    _flags(root, found)
    _speed_logs(root, found)
    _units(root, found)
    return [found[uuid] for uuid in sorted(found)[:MOST_SRS]]


def _of(found: "_Runtimes", uuid: str) -> "evidence_pb2.SrRuntime":
    return found.setdefault(uuid.lower(), evidence_pb2.SrRuntime(sr_uuid=uuid.lower()))


def _nonpersistent(root: str, found: "_Runtimes") -> None:
    base = os.path.join(root, "run/nonpersistent/sm")
    for sr_uuid in filter(is_uuid, _names(base)):
        runtime = _of(found, sr_uuid)
        directory = os.path.join(base, sr_uuid)
        for name in _names(directory):
            running = _GC_RUNNING.fullmatch(name)
            if name == "gc_init":
                runtime.gc_init_at_us = _mtime_us(os.path.join(directory, name))
            elif running and len(runtime.gc_running) < _MOST_NAMES:
                runtime.gc_running.append(running.group(1).lower())


def _flags(root: str, found: "_Runtimes") -> None:
    for base in _run_directories(root, "sm/ipc"):
        for sr_uuid in filter(is_uuid, _names(base)):
            flags = [name for name in _names(os.path.join(base, sr_uuid)) if _FLAG.fullmatch(name)]
            runtime = _of(found, sr_uuid)
            runtime.ipc_flags.extend(name for name in flags[:_MOST_NAMES] if name not in runtime.ipc_flags)


def _speed_logs(root: str, found: "_Runtimes") -> None:
    for base in _run_directories(root, ""):
        for name in _names(base):
            match = _SPEED_LOG.fullmatch(name)
            if match:
                del _of(found, match.group(1)).speeds[:]
                _of(found, match.group(1)).speeds.extend(parse_speeds(read_text(os.path.join(base, name))))


def parse_speeds(text: str) -> List[float]:
    """The last ten of one number a line, bytes per second, newest last; what is no number is passed over."""
    speeds = []
    for word in text.split():
        try:
            speed = float(word)
        except ValueError:
            continue
        if 0 <= speed < 1e15:
            speeds.append(speed)
    return speeds[-10:]


def _units(root: str, found: "_Runtimes") -> None:
    for sr_uuid, pids in gc_units(root):
        runtime = _of(found, sr_uuid)
        if pids:
            # The unit is of type oneshot: as long as it has a process it is `activating`.
            runtime.unit_state = "activating"
            runtime.unit_pids.extend(pids[:_MOST_NAMES])


def gc_units(root: str) -> List[Tuple[str, List[int]]]:
    """SR and pids of each `SMGC@` unit that has a cgroup."""
    for slice_path in _UNIT_SLICES:
        base = os.path.join(root, slice_path)
        units = [(name, _UNIT.fullmatch(name)) for name in _names(base)]
        found = [
            (match.group(1).replace("\\x2d", "-"), _pids(os.path.join(base, name, "cgroup.procs")))
            for name, match in units
            if match
        ]
        if found:
            return [(sr_uuid, pids) for sr_uuid, pids in found if is_uuid(sr_uuid)]
    return []


def _pids(path: str) -> List[int]:
    return [int(word) for word in read_text(path).split() if _PID.fullmatch(word)]


def _run_directories(root: str, below: str) -> List[str]:
    """The directory below /var/run and, unless that is the same one, below /run."""
    paths = [os.path.join(root, top, below) for top in ("var/run", "run")]
    try:
        return paths[:1] if os.path.samefile(paths[0], paths[1]) else paths
    except OSError:  # one of the two is not there
        return paths


def _names(directory: str) -> List[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _mtime_us(path: str) -> int:
    try:
        return int(os.stat(path).st_mtime * 1e6)
    except OSError:  # removed since the listing
        return 0

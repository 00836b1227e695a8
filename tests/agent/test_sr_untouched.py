"""Nothing below an SR's mount is ever touched: proved on a mount where every access blocks for ever."""

import os
import select
import signal
import subprocess
import sys
from typing import List

import pytest
from agent.dom0_tree import write_dom0
from agent.image_processes import CHILD, COALESCE, PARENT, SR, image_process, lock_holder, now_us
from chainwatch.v1 import evidence_pb2
from chainwatch_agent.status import StatusReader
from chainwatch_agent.watch import Watcher

# In a mount namespace of its own: a FUSE file system at the SR's mount point whose server never answers, as a dead
# filer does not; one process that hangs on it; then the agent's readers, which must come back.
_ON_A_DEAD_MOUNT = """\
import ctypes, os, subprocess, sys, time
root, sr = sys.argv[1:3]
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x20000) == 0, "no mount namespace"
assert libc.mount(b"none", b"/", None, 0x44000, None) == 0, "mounts are not private"
server = os.open("/dev/fuse", os.O_RDWR)
point = os.path.join(root, "run/sr-mount", sr)
os.makedirs(point)
options = "fd={},rootmode=40000,user_id=0,group_id=0".format(server).encode()
assert libc.mount(b"dead", point.encode(), b"fuse", 0, options) == 0, "no FUSE"
os.makedirs(os.path.join(root, "proc"))
assert libc.mount(b"/proc", os.path.join(root, "proc").encode(), None, 0x5000, None) == 0
stuck = subprocess.Popen(["stat", os.path.join(point, "x.vhd")], close_fds=True)

from chainwatch_agent.status import StatusReader
from chainwatch_agent.watch import Watcher
watcher = Watcher(root)
for _ in range(3):
    watcher.on_events()
    watcher.sample(int(time.time() * 1e6))
mounts = StatusReader(root).read(1, {}, [], []).mounts
watcher.close()
assert stuck.poll() is None, "the mount was not dead"
print("told", [(mount.sr_uuid, mount.fs_type, mount.source) for mount in mounts], flush=True)
os.close(server)
stuck.wait()
"""

_CAN_MOUNT = os.geteuid() == 0 and os.path.exists("/dev/fuse")


@pytest.mark.skipif(not _CAN_MOUNT, reason="a dead mount needs root and /dev/fuse")
def test_a_dead_mount_holds_up_nothing(tmp_path: "os.PathLike[str]") -> None:
    command = [sys.executable, "-c", _ON_A_DEAD_MOUNT, str(tmp_path), SR]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path)))
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 60)[0], "the agent hangs on the dead mount"
        told = process.stdout.readline().decode()
        assert told == "told [('{}', 'fuse', 'dead')]\n".format(SR)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # both: the one that hangs may wait for the other's lock
        process.communicate()


def _recorded(monkeypatch: pytest.MonkeyPatch) -> "List[str]":
    """Every path that goes through the layer below which the kernel is: what agent code can call on a path."""
    touched: List[str] = []
    for module, name in [
        ("os", call) for call in ("open", "stat", "lstat", "listdir", "scandir", "statvfs", "access", "chdir")
    ] + [("builtins", "open"), ("io", "open")]:
        real = getattr(sys.modules[module], name)

        def call(path: "str | int", *args: object, _real: object = real, **kwargs: object) -> object:
            touched.append(str(path))
            assert callable(_real)
            return _real(path, *args, **kwargs)

        monkeypatch.setattr(sys.modules[module], name, call)
    return touched


def test_every_path_that_is_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: "os.PathLike[str]") -> None:
    """Also with a process that has the images open, and one that holds the SR's locks."""
    tree = os.path.join(str(tmp_path), "dom0")
    write_dom0(tree)
    with image_process(str(tmp_path), COALESCE) as merge, lock_holder(str(tmp_path), [SR + "/gc_active"]):
        with monkeypatch.context() as patched:
            touched = _recorded(patched)
            watcher = Watcher("/")
            samples = [watcher.sample(now_us()) for _ in range(3)]
            for root in ("/", tree):
                StatusReader(root).read(now_us(), {}, [], [])
            watcher.close()
    last = samples[-1]
    assert last is not None
    (seen,) = [process for process in last.processes if process.pid == merge.pid]
    assert (seen.kind, seen.parent_vdi_uuid) == (evidence_pb2.PROCESS_KIND_VHD_COALESCE, PARENT)
    assert len(touched) > 100
    for forbidden in ("sr-mount", "/dev/", CHILD, PARENT):
        assert [path for path in touched if forbidden in path] == []
    allowed = ("/proc", "/run", "/var", "/etc", "/sys", "/usr/share/doc", "/opt/xensource/sm", "/usr/libexec/sm", tree)
    assert [path for path in touched if path != "/" and not path.startswith(allowed)] == []

"""Real processes with the argv that SM gives them, for the tests of what watches them."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import Callable, Iterator, List

import pytest
from chainwatch_agent.proc_events import ProcEvents

SR = "413c9052-5f70-4775-811c-741aa8558a69"
CHILD = "5b630842-7269-444e-ba89-cef31beabec1"
PARENT = "063cb677-8098-4c13-9fc0-83b70ef1ebf8"
IMAGE = "/var/run/sr-mount/{}/{}.vhd".format(SR, CHILD)
COALESCE = ["/usr/bin/vhd-util", "coalesce", "--debug", "-n", IMAGE]

# sh takes the sub-command for the script's name: the argv is SM's to the letter
_IMAGE_WORK = """\
exec 3<"$SOURCE" 4<>"$TARGET"
printf %262144s x >&4
echo ready
read status
exit $status
"""
_HOLD_LOCKS = """\
import fcntl, os, sys
held = []
for path in os.environ["LOCKS"].split(":"):
    held.append(open(path, "w"))
    fcntl.lockf(held[-1], fcntl.LOCK_EX)
print("ready", flush=True)
sys.stdin.readline()
"""
_SM_DRIVER_CALL = "<methodCall>session_ref OpaqueRef:5ecre7 password=hunter2</methodCall>"


@contextmanager
def image_process(directory: str, argv: "List[str]") -> "Iterator[subprocess.Popen[str]]":
    """A process with this argv that has the child open to read, the parent to write, and has written 256 KiB."""
    images = os.path.join(directory, "run/sr-mount", SR)
    os.makedirs(images, exist_ok=True)
    paths = {"SOURCE": os.path.join(images, CHILD + ".vhd"), "TARGET": os.path.join(images, PARENT + ".vhd")}
    for path in (os.path.join(directory, argv[1]), *paths.values()):
        with open(path, "w", encoding="ascii") as script:
            script.write(_IMAGE_WORK)
    environment = dict(os.environ, **paths)
    with _started(argv, "/bin/sh", directory, environment) as process:
        yield process


@contextmanager
def lock_holder(directory: str, locks: "List[str]", wait: bool = True) -> "Iterator[subprocess.Popen[str]]":
    """The GC of SM 2.30: a fork of the SR driver that holds these locks below /run/lock/sm, e.g. `<sr>/gc_active`."""
    base = os.path.join(directory, "run/lock/sm")
    paths = [os.path.join(base, lock) for lock in locks]
    for path in paths:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    environment = dict(os.environ, LOCKS=":".join(paths))
    argv = [sys.executable, "-c", _HOLD_LOCKS, "/opt/xensource/sm/LVMSR", _SM_DRIVER_CALL]
    with _started(argv, sys.executable, directory, environment, wait) as process:
        yield process


@contextmanager
def _started(
    argv: "List[str]", executable: str, directory: str, environment: "dict[str, str]", wait: bool = True
) -> "Iterator[subprocess.Popen[str]]":
    process = subprocess.Popen(
        argv,
        executable=executable,
        cwd=directory,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        universal_newlines=True,
    )
    try:
        assert process.stdout is not None
        if wait:
            assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        finish(process, "0")
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()


def finish(process: "subprocess.Popen[str]", status: str) -> None:
    """Let it end with this exit status, and reap it."""
    if process.poll() is None:
        process.communicate(status + "\n", timeout=20)


def until(true: "Callable[[], bool]", seconds: float = 20.0) -> bool:
    """Wait for it; False when it has not come true in all that time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def now_us() -> int:
    """The clock as the agent has it."""
    return int(time.time() * 1e6)


def _has_connector() -> bool:
    events = ProcEvents.open()
    if events is None:
        return False
    events.close()
    return True


needs_connector = pytest.mark.skipif(not _has_connector(), reason="the kernel's process connector needs root")

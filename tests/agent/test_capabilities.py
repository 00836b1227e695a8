"""The three capabilities that the service keeps are enough for everything that is watched, and each is needed."""

import os
import re
import shutil
import subprocess
import sys
from typing import List

import pytest
from agent.image_processes import CHILD, COALESCE, PARENT, image_process, needs_connector

UNIT = os.path.join(os.path.dirname(__file__), "../../packaging/systemd/chainwatch-agent.service")
_CAN_DROP = os.geteuid() == 0 and shutil.which("setpriv") is not None

_WATCH = """\
import sys, time
from chainwatch_agent.watch import Watcher
watcher = Watcher("/")
samples = watcher.sample(int(time.time() * 1e6))
seen = [p for p in (samples.processes if samples else []) if p.pid == int(sys.argv[1])]
print(watcher.exact_exits, [(p.vdi_uuid, p.parent_vdi_uuid, p.wchar > 0) for p in seen])
watcher.close()
"""


def of_the_unit() -> "List[str]":
    """As the unit file has them, without `CAP_`."""
    with open(UNIT, encoding="utf-8") as unit:
        (line,) = re.findall(r"^CapabilityBoundingSet=(.*)$", unit.read(), re.MULTILINE)
    return [name[4:].lower() for name in line.split()]


def watched_with(capabilities: "List[str]", pid: int) -> str:
    """What root with just these sees of a process that has all of them, as those of SM have."""
    bounds = ",".join(["-all"] + ["+" + name for name in capabilities])
    command = ["setpriv", "--bounding-set=" + bounds, "--inh-caps=-all", sys.executable, "-c", _WATCH, str(pid)]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path)))
    return subprocess.check_output(command, env=environment, timeout=60).decode().strip()


@needs_connector
@pytest.mark.skipif(not _CAN_DROP, reason="dropping capabilities needs root and setpriv")
def test_what_each_is_for(tmp_path: "os.PathLike[str]") -> None:
    capabilities = of_the_unit()
    assert capabilities == ["dac_read_search", "sys_ptrace", "net_admin"]
    with image_process(str(tmp_path), COALESCE) as process:
        everything = "True [('{}', '{}', True)]".format(CHILD, PARENT)
        assert watched_with(capabilities, process.pid) == everything
        assert watched_with(["dac_read_search", "sys_ptrace"], process.pid).startswith("False ")
        assert watched_with(["dac_read_search", "net_admin"], process.pid) != everything

"""A dom0 from outside: its directory tree, its process and mount namespaces, and the commands it obeys."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[2]
REPOSITORY = TESTS.parent


@dataclass
class HostDirectory:
    """The files a dom0 has that the agent reads, below `root`."""

    root: Path
    hostname: str
    host_uuid: str
    product_version: str = "8.3.0"

    def make(self) -> None:
        for name in ("var/log", "var/lock/sm", "var/lib/chainwatch-agent", "etc", "proc", "run/nonpersistent/sm"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        (self.root / "etc/xensource-inventory").write_text(
            "PRODUCT_BRAND='XCP-ng'\nPRODUCT_NAME='xenenterprise'\n"
            f"PRODUCT_VERSION='{self.product_version}'\nPLATFORM_VERSION='3.4.0'\n"
            f"INSTALLATION_UUID='{self.host_uuid}'\nMANAGEMENT_INTERFACE='xenbr0'\n"
        )
        (self.root / "etc/hostname").write_text(f"{self.hostname}\n")
        (self.root / "etc/machine-id").write_text(self.host_uuid.replace("-", "") + "\n")
        localtime = self.root / "etc/localtime"
        if not localtime.is_symlink():
            localtime.symlink_to("/usr/share/zoneinfo/UTC")


def namespaces(root: Path) -> list[str]:
    """The command that gives what follows its own processes and its own `/proc` below `root`.

    Empty where neither root nor user namespaces allow it; the dom0 then sees the machine's processes.
    """
    command = ["unshare", "--pid", "--fork", "--kill-child", f"--mount-proc={root / 'proc'}"]
    if os.geteuid() != 0:
        command[1:1] = ["--user", "--map-root-user"]
    if shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
        return [*command, "--"]
    return []


@dataclass
class Dom0Process:
    """One dom0, started with an agent's command line or none. `on_change` hears of merges and refusals."""

    directory: HostDirectory
    agent: list[str] = field(default_factory=list)
    on_change: Callable[[dict[str, Any]], None] = lambda _change: None
    scale: float = 1.0
    _process: subprocess.Popen[str] | None = None
    _listener: threading.Thread | None = None
    _number: int = 0
    _done: dict[int, threading.Event] = field(default_factory=dict)

    def start(self) -> None:
        self.directory.make()
        root = self.directory.root
        prefix = namespaces(root)
        if not prefix:
            shutil.rmtree(root / "proc", ignore_errors=True)
            (root / "proc").symlink_to("/proc")
        command = [*prefix, sys.executable, "-m", "lab.dom0", "--root", str(root)]
        command += ["--hostname", self.directory.hostname, "--scale", str(self.scale)]
        command += ["--agent", *self.agent] if self.agent else []
        environment = {**os.environ, "PYTHONPATH": f"{TESTS}:{REPOSITORY / 'collector'}:{REPOSITORY / 'proto/gen'}"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )
        self._listener = threading.Thread(target=self._listen, name=f"dom0-{self.directory.hostname}", daemon=True)
        self._listener.start()

    def tell(self, **command: Any) -> threading.Event:
        """Ask for something; the event is set when it is done."""
        assert self._process is not None
        assert self._process.stdin is not None
        done = threading.Event()
        self._number += 1
        self._done[self._number] = done
        self._process.stdin.write(json.dumps({**command, "id": self._number}) + "\n")
        self._process.stdin.flush()
        return done

    def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if "done" in message:
                event = self._done.pop(message["done"], None)
                if event is not None:
                    event.set()
            else:
                self.on_change(message)

    def power_off(self) -> None:
        """All its processes at once, as when the power goes: nothing is written or said any more."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self.stop()

    def stop(self) -> None:
        """Everything in it ends; nothing is left behind."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._listener is not None:
            self._listener.join(5)
        self._process.stdout.close()
        self._process = None

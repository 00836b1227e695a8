"""A real agent process for end-to-end tests: a dom0's directory, its configuration, started and killed."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.dom0.host import HostDirectory
from lab.pki import Pki

COMMAND = Path(sys.executable).parent / "chainwatch-agent"


@dataclass
class AgentProcess:
    """The agent of one dom0. `extra` is more of agent.conf; `command` another Python's agent."""

    host: HostDirectory
    pki: Pki
    ingest_ports: Sequence[int]
    extra: str = ""
    logs: str = "/var/log/SMlog"
    command: Sequence[str | Path] = (COMMAND,)
    process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        self.host.make()
        identity = self.pki.host(self.host.host_uuid)
        root = self.host.root
        addresses = ",".join(f"localhost:{port}" for port in self.ingest_ports)
        self.config.write_text(
            f"[collector]\naddresses = {addresses}\nca = {self.pki.ca}\ncert = {identity.certificate}\n"
            f"key = {identity.key}\nreconnect_seconds = 0.05\nreconnect_max_seconds = 0.3\n"
            f"[host]\nroot = {root}\nstate_dir = {root / 'var/lib/chainwatch-agent'}\n"
            f"[log]\nfiles = {self.logs}\npoll_seconds = 0.1\n{self.extra}"
        )

    @property
    def config(self) -> Path:
        return self.host.root / "agent.conf"

    @property
    def log(self) -> Path:
        return self.host.root / "agent.log"

    @property
    def run_command(self) -> list[str]:
        """For whoever starts it in a namespace of its own."""
        return [*map(str, self.command), "run", "--config", str(self.config)]

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.run_command, stdout=log, stderr=subprocess.STDOUT)

    def kill(self) -> None:
        """kill -9, and reap."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(number)
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        self.process = None
        return status

"""A real collector process on loopback, for end-to-end tests: started, killed, started again on the same ports."""

import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from free_ports import free_port

from lab.pki import Pki

COMMAND = Path(sys.executable).parent / "chainwatch-collector"


@dataclass
class CollectorProcess:
    """Files below `directory`; `database_url` empty is the embedded SQLite."""

    directory: Path
    pki: Pki
    database_url: str = ""
    ingest_port: int = field(default_factory=free_port)
    web_port: int = field(default_factory=free_port)
    extra: str = ""
    process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        server = self.pki.server()
        database = f'database_url = "{self.database_url}"\n' if self.database_url else ""
        self.config.write_text(
            f'state_dir = "state"\n{database}{self.extra}\n'
            f'[ingest]\nlisten = "127.0.0.1:{self.ingest_port}"\n'
            f'certificate = "{server.certificate}"\nkey = "{server.key}"\nclient_ca = "{self.pki.ca}"\n'
            f'[web]\nlisten = "127.0.0.1:{self.web_port}"\n'
            f'certificate = "{server.certificate}"\nkey = "{server.key}"\n'
        )

    @property
    def config(self) -> Path:
        return self.directory / "collector.toml"

    @property
    def log(self) -> Path:
        return self.directory / "collector.log"

    def start(self, wait_seconds: float = 30.0) -> None:
        """Start it and wait until the ingest port answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [COMMAND, "run", "--config", self.config], stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + wait_seconds
        while not self.listening():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the collector did not start: {self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def listening(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            return probe.connect_ex(("127.0.0.1", self.ingest_port)) == 0

    def kill(self) -> None:
        """kill -9, and reap."""
        self._end(signal.SIGKILL)

    def stop(self, wait_seconds: float = 20.0) -> int:
        """SIGTERM, and the exit status."""
        return self._end(signal.SIGTERM, wait_seconds)

    def _end(self, number: signal.Signals, wait_seconds: float = 20.0) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(number)
        try:
            status = self.process.wait(wait_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        self.process = None
        return status

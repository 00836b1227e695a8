"""A collector that makes its own CA, and an agent on a real Python 3.6 that has no certificate yet."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx

from lab.collector_process import COMMAND, CollectorProcess
from lab.dom0.host import REPOSITORY, HostDirectory
from lab.pki import Pki


def python36() -> str:
    """The interpreter with dom0's packages, "" where this machine has no Python 3.6. Raises with CI=true."""
    done = subprocess.run([REPOSITORY / "scripts" / "setup-py36"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@dataclass
class OwnCaCollector(CollectorProcess):
    """As it is installed: no certificate is configured. `trust` is more of [trust], `ingest` of [ingest]."""

    pki: Pki = field(init=False)
    trust: str = ""
    ingest: str = ""

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            f'state_dir = "state"\n{self.extra}\n[trust]\n{self.trust}\n'
            f'[ingest]\nlisten = "127.0.0.1:{self.ingest_port}"\n{self.ingest}\n'
            f'[web]\nlisten = "127.0.0.1:{self.web_port}"\n'
        )

    @property
    def state(self) -> Path:
        return self.directory / "state"

    @property
    def web(self) -> str:
        return f"localhost:{self.web_port}"

    @property
    def admin_token(self) -> str:
        return (self.state / "admin-token").read_text().strip()

    def command(self, verb: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A one-shot command of chainwatch-collector, to its end."""
        line: list[str | Path] = [COMMAND, verb, "--config", str(self.config), *arguments]
        return subprocess.run(line, capture_output=True, text=True, timeout=60)

    def ask(self, method: str, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        """A request as the first administrator, or with another token; "" sends none."""
        chosen = self.admin_token if token is None else token
        headers = {"Authorization": f"Bearer {chosen}"} if chosen else {}
        with httpx.Client(verify=False, trust_env=False, timeout=30) as client:
            return client.request(method, f"https://{self.web}/api/v1{path}", headers=headers, **more)

    def token(self, host_uuid: str, seconds: int = 600) -> str:
        """An enrolment token."""
        answer = self.ask("POST", f"/agent/{host_uuid}/token", json={"seconds": seconds})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def audit(self) -> list[tuple[str, str, str]]:
        """(what, subject, outcome), oldest first."""
        items = self.ask("GET", "/audit").json()["items"]
        return [(one["what"], one["subject"], one["outcome"]) for one in reversed(items)]


@dataclass
class Dom0Agent:
    """The agent of one dom0 on `python`; agent.conf names no collector."""

    host: HostDirectory
    python: str
    environment: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        self.host.make()
        root = self.host.root
        self.config.write_text(
            "[collector]\nreconnect_seconds = 0.05\nreconnect_max_seconds = 0.3\n"
            f"[host]\nroot = {root}\nstate_dir = {root / 'var/lib/chainwatch-agent'}\n"
            "[log]\nfiles = /var/log/SMlog\npoll_seconds = 0.1\n"
        )

    @property
    def config(self) -> Path:
        return self.host.root / "agent.conf"

    @property
    def log(self) -> Path:
        return self.host.root / "agent.log"

    @property
    def tls(self) -> Path:
        return self.host.root / "var/lib/chainwatch-agent/tls"

    def enroll(self, collector: str, token: str) -> "subprocess.CompletedProcess[str]":
        return self.command("enroll", "--collector", collector, "--token-file", "-", stdin=token)

    def command(self, verb: str, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """A one-shot command, to its end."""
        line = [self.python, "-m", "chainwatch_agent", verb, "--config", str(self.config), *arguments]
        return subprocess.run(line, input=stdin, capture_output=True, text=True, timeout=60, env=self._env())

    def start(self) -> None:
        with self.log.open("ab") as log:
            line = [self.python, "-m", "chainwatch_agent", "run", "--config", str(self.config)]
            self.process = subprocess.Popen(line, stdout=log, stderr=subprocess.STDOUT, env=self._env())

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def kill(self) -> None:
        """kill -9, and reap."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)
            self.process = None

    def _env(self) -> dict[str, str]:
        path = f"{REPOSITORY / 'agent'}:{REPOSITORY / 'proto/gen'}"
        return {**os.environ, "PYTHONPATH": path, **self.environment}

"""A dom0 in a directory and a real collector process to ship to. Runs on Python 3.6 too: the collector, and what makes
certificates, run under the project's own Python as subprocesses.
"""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

from free_ports import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
VENV = REPOSITORY / ".venv" / "bin"
HOST = "6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a11"
SMLOG = "/var/log/SMlog"


def make_pki(directory: Path, *hosts: str) -> Path:
    """A CA, a server certificate and one for each host, by `lab.pki`."""
    environment = dict(os.environ, PYTHONPATH=str(REPOSITORY / "tests"))
    command = [str(VENV / "python"), "-m", "lab.pki", str(directory)] + list(hosts)
    subprocess.run(command, check=True, env=environment, cwd=str(REPOSITORY))
    return directory


def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen within {:g} s".format(seconds))
        time.sleep(0.02)


class Process:
    """A child with its output in a file."""

    def __init__(self, command: List[str], log: Path, environment: Optional[Dict[str, str]] = None) -> None:
        self.log = log
        with log.open("ab") as stream:
            self.child = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=environment)

    @property
    def text(self) -> str:
        """All it has said."""
        return self.log.read_bytes().decode("utf-8", "replace")

    def end(self, number: int = signal.SIGTERM, seconds: float = 20.0) -> int:
        """Signal it, wait for it; its exit status."""
        if self.child.poll() is None:
            self.child.send_signal(number)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise


class Collector:
    """`chainwatch-collector run` on SQLite, on a port that stays the same."""

    def __init__(self, directory: Path, pki: Path, extra: str = "") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.port = free_port()
        self.config = directory / "collector.toml"
        web = free_port()
        server = 'certificate = "{0}/server.pem"\nkey = "{0}/server.key"\n'.format(pki)
        self.config.write_text(
            'state_dir = "state"\n{}\n[ingest]\nlisten = "127.0.0.1:{}"\n{}client_ca = "{}/ca.pem"\n'.format(
                extra, self.port, server, pki
            )
            + '[web]\nlisten = "127.0.0.1:{}"\n{}'.format(web, server)
        )
        self.process: Optional[Process] = None

    def start(self) -> "Collector":
        """And wait until the port answers."""
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        command = [str(VENV / "chainwatch-collector"), "run", "--config", str(self.config)]
        process = self.process = Process(command, self.directory / "log", environment)

        def listening() -> bool:
            assert process.child.poll() is None, process.text
            with socket.socket() as probe:
                probe.settimeout(0.5)
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        eventually(listening, 40.0)
        return self

    def end(self, number: int = signal.SIGTERM) -> None:
        """Stop or kill it."""
        if self.process is not None:
            self.process.end(number)
            self.process = None

    def query(self, sql: str, *values: object) -> List[Tuple]:  # type: ignore[type-arg]
        """Rows of its database, which is only read."""
        path = self.directory / "state" / "chainwatch.db"
        connection = sqlite3.connect("file:{}?mode=ro".format(path), uri=True, timeout=10)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    def lines(self, host: str = HOST, log: str = SMLOG) -> List[bytes]:
        """What is stored of a host's log, in the order (ordinal, offset)."""
        rows = self.query(
            "SELECT l.data FROM lines l JOIN files f ON f.id = l.file_id JOIN logs g ON g.id = f.log_id"
            " JOIN hosts h ON h.id = f.host_id WHERE h.uuid = ? AND g.path = ? ORDER BY f.ordinal, l.offset",
            host,
            log,
        )
        return [bytes(row[0]) for row in rows]


class Dom0:
    """A root directory with /var/log in it, an agent.conf, and the agent that runs on them."""

    def __init__(self, directory: Path, pki: Path, addresses: str, extra: str = "", host: str = HOST) -> None:
        self.root = directory / "root"
        self.directory = directory
        self.logs = self.root / "var" / "log"
        self.logs.mkdir(parents=True, exist_ok=True)
        (self.root / "etc").mkdir(exist_ok=True)
        (self.root / "etc" / "xensource-inventory").write_text("INSTALLATION_UUID='{}'\n".format(host))
        (self.root / "etc" / "machine-id").write_text("a" * 32 + "\n")
        self.config = directory / "agent.conf"
        self.config.write_text(
            "[collector]\naddresses={0}\nca={1}/ca.pem\ncert={1}/host-{2}.pem\nkey={1}/host-{2}.key\n"
            "reconnect_seconds=0.2\nreconnect_max_seconds=0.5\n"
            "[host]\nroot={3}\nstate_dir={4}/state\n[watch]\nprocess_events=no\n{5}\n".format(
                addresses, pki, host, self.root, directory, extra
            )
        )
        self.host = host
        self.process: Optional[Process] = None

    @property
    def smlog(self) -> Path:
        """The live SMlog."""
        return self.logs / "SMlog"

    def append(self, data: bytes, name: str = "SMlog") -> None:
        """As rsyslog does."""
        with (self.logs / name).open("ab") as stream:
            stream.write(data)

    def start(self, python: str = sys.executable) -> Process:
        """`python -m chainwatch_agent run` under this very Python, in the ASCII locale that systemd gives."""
        command = [python, "-W", "error", "-m", "chainwatch_agent", "run", "--config", str(self.config)]
        self.process = Process(command, self.directory / "agent.log", agent_environment())
        return self.process

    def command(self, verb: str) -> "subprocess.CompletedProcess[bytes]":
        """Another verb with the same configuration."""
        command = [sys.executable, "-m", "chainwatch_agent", verb, "--config", str(self.config)]
        return subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=agent_environment(), timeout=60, check=False
        )

    def end(self, number: int = signal.SIGTERM) -> int:
        """Stop or kill the agent."""
        process, self.process = self.process, None
        return process.end(number) if process is not None else 0


def agent_environment() -> Dict[str, str]:
    """Of an agent's process: this very tree, and the ASCII locale that systemd gives."""
    path = [str(REPOSITORY / "agent"), str(REPOSITORY / "proto" / "gen")]
    environment = dict(os.environ, LANG="C", PYTHONPATH=os.pathsep.join(path))
    environment.pop("LC_ALL", None)
    return environment

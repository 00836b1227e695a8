"""Two collectors on one PostgreSQL, a pool that both follow, and two dom0s whose agents know both of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from chainwatch_collector.keep.engine import open_bare, parse_url
from chainwatch_collector.keep.projection_tables import FINDINGS, POOL_OWNERS
from chainwatch_collector.keep.tables import HOSTS
from smlog import Smlog
from sqlalchemy import Connection, select

from lab.agent_process import AgentProcess
from lab.collector_process import CollectorProcess
from lab.dom0.host import HostDirectory
from lab.estate import follow_pool
from lab.pki import Pki
from lab.xapi.process import LabProcess, lab_process

HOSTS_NAMED = ("xcp1", "xcp2")
LOCAL_SRS = 6
POLL_SECONDS = 0.05
_AT_ONCE = "[thresholds]\nagent_missing_seconds = 0\nagent_silent_seconds = 600\n"
T = TypeVar("T")


@dataclass
class Dom0Log:
    """A host's SMlog, written by hand, and the local SRs whose runs stand in it."""

    path: Path
    srs: list[str]
    log: Smlog = field(default_factory=lambda: Smlog(now=datetime.fromtimestamp(int(time.time()) - 60, UTC)))
    written: int = 0
    pid: int = 1000

    def crash(self) -> str:
        """A run of the next SR that an error ends; its uuid."""
        sr, self.pid = self.srs[self.pid // 100 - 10], self.pid + 100
        self.log.now = datetime.fromtimestamp(int(time.time()), UTC)
        self.log.start(self.pid, sr).chain(self.pid, sr).inner_start(self.pid).copy(self.pid + 1, sr=sr)
        self.log.banner(self.pid, "gc", "vhd-util failed")
        self.write()
        return sr

    def write(self) -> None:
        """What is new, at the end of the file."""
        with self.path.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in self.log.lines[self.written :]))
        self.written = len(self.log.lines)


class TwoCollectors:
    """A context manager: everything runs inside of it, nothing is left behind."""

    def __init__(self, directory: Path, pki: Pki, database_url: str) -> None:
        self._directory, self._pki = directory, pki
        self._engine = open_bare(parse_url(database_url))
        self._stack = contextlib.ExitStack()
        self.collectors = [CollectorProcess(directory / name, pki, database_url, extra=_AT_ONCE) for name in ("a", "b")]
        self.agents: list[AgentProcess] = []
        self.logs: list[Dom0Log] = []
        self.host_uuids: list[str] = []

    def __enter__(self) -> TwoCollectors:
        try:
            build = [
                ["add_sr", {"kind": "ext", "name": f"local-{host}-{number}", "host": host}]
                for host in HOSTS_NAMED
                for number in range(LOCAL_SRS)
            ]
            pool = self._stack.enter_context(lab_process(hosts=list(HOSTS_NAMED), build=build))
            for collector in self.collectors:
                follow_pool(collector, pool, "prod")
                collector.start()
                self._stack.callback(collector.stop)
            self._start_agents(pool)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def _start_agents(self, pool: LabProcess) -> None:
        dump = pool.dump()
        srs = {str(one["name_label"]): str(one["uuid"]) for one in dump["SR"].values()}
        ports = [collector.ingest_port for collector in self.collectors]
        for number, name in enumerate(HOSTS_NAMED):
            host = HostDirectory(self._directory / name, name, pool.host_uuids[name])
            # Each begins at another one, and knows the other.
            agent = AgentProcess(host, self._pki, ports[number:] + ports[:number])
            mine = [srs[f"local-{name}-{sr}"] for sr in range(LOCAL_SRS)]
            log = Dom0Log(host.root / "var/log/SMlog", mine)
            log.crash()
            agent.start()
            self._stack.callback(agent.stop)
            self.agents.append(agent)
            self.logs.append(log)
            self.host_uuids.append(host.host_uuid)

    def read(self, work: Callable[[Connection], T]) -> T:
        """A look into the database."""
        with self._engine.connect() as connection:
            return work(connection)

    def owner(self) -> CollectorProcess | None:
        """Whose lease of the pool is the newest."""
        owner = self.read(lambda c: c.execute(select(POOL_OWNERS.c.owner).order_by(POOL_OWNERS.c.term.desc())).scalar())
        return next((one for one in self.collectors if owner and owner == _id_of(one)), None)

    def other(self, collector: CollectorProcess) -> CollectorProcess:
        """The one beside it."""
        return next(one for one in self.collectors if one is not collector)

    def findings(self) -> dict[tuple[str, str], list[int]]:
        """(SR, code) of the SRs' findings that are open → first_seen of each row, microseconds."""
        rows = self.read(lambda c: c.execute(select(FINDINGS).where(FINDINGS.c.cleared_at_us.is_(None))).all())
        found: dict[tuple[str, str], list[int]] = {}
        for row in rows:
            found.setdefault((row.subject_uuid, row.code), []).append(row.first_seen_us)
        return found

    def crashed(self, sr: str) -> bool:
        """Whether the crash of this SR's run is a finding, committed."""
        return (sr, "GC_CRASHED") in self.findings()

    def open_streams(self) -> int:
        """How many hosts are connected."""
        return len(self.read(lambda c: c.execute(select(HOSTS.c.id).where(HOSTS.c.stream_open)).all()))

    def takeover_seconds(self, patience_seconds: float = 60.0) -> float:
        """Kill the owner with -9; from then until a run that crashed afterwards is a finding of the other one."""
        owner = self.owner()
        assert owner is not None
        owner.kill()
        began = time.monotonic()
        sr = self.logs[0].crash()
        until(lambda: self.crashed(sr), patience_seconds)
        return time.monotonic() - began


def until(what: Callable[[], T], patience_seconds: float = 45.0) -> T:
    """What it gives, as soon as that is something."""
    deadline = time.monotonic() + patience_seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline, "it never came"
        time.sleep(POLL_SECONDS)


def _id_of(collector: CollectorProcess) -> str:
    path = collector.directory / "state" / "collector-id"
    return path.read_text().strip() if path.exists() else ""

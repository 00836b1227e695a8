"""A pool on a table: hosts with logs and agents, an inventory, and a judge that looks whenever told to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chainwatch_collector.backups.keeper import BackupsKeeper
from chainwatch_collector.fold.history import samples
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Host, Pbd, Pool, Sr, Vbd, Vdi, Vm
from chainwatch_collector.judge.answer import Finding, SrAnswer
from chainwatch_collector.judge.judge import Judge, Judgement
from chainwatch_collector.judge.ledger import Ledger
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.read.facts import Line
from chainwatch_collector.read.reader import HostReader
from chainwatch_collector.track.coverage import Coverage
from chainwatch_collector.track.observations import (
    HostSeen,
    LockHeld,
    LogSeen,
    MountSeen,
    ProcessesObserved,
    ProcessSeen,
    SrRuntimeSeen,
    StatusObserved,
)
from chainwatch_collector.track.tracker import PoolTracker
from smlog import SR, A, B, C, Smlog

GIB, TIB = 2**30, 2**40
START = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)
POOL_UUID = "99999999-0000-4000-8000-000000000009"
MASTER = "11111111-0000-4000-8000-000000000001"
MEMBER = "22222222-0000-4000-8000-000000000002"
SR_REF = "OpaqueRef:sr"
NAMES = {MASTER: "xcp1", MEMBER: "xcp2"}


def host_ref(uuid: str) -> str:
    return f"OpaqueRef:{NAMES[uuid]}"


def disk(uuid: str, parent: str | None = None, *, hidden: bool = False, **fields: Any) -> Vdi:
    """A VHD of 10 GiB; hidden: a base copy."""
    given = {
        "name": "base copy" if hidden else f"disk {uuid[0]}",
        "managed": not hidden,
        "virtual_size_bytes": 10 * GIB,
        "physical_utilisation_bytes": GIB,
        "image_format": "vhd",
        "vhd_parent": parent,
        **fields,
    }
    return Vdi(**{"ref": f"OpaqueRef:{uuid}", "uuid": uuid, "sr_ref": SR_REF, **given})


def pending_chain() -> tuple[Vdi, ...]:
    """A <- B <- C: one inner merge is due, C's leaf merge after it."""
    return disk(A, hidden=True), disk(B, A, hidden=True), disk(C, B)


def merged_chain() -> tuple[Vdi, ...]:
    """Nothing to do."""
    return (disk(C),)


def a_host(uuid: str, **fields: Any) -> Host:
    given = {"live": True, "software": {"product_version": "8.3.0"}, **fields}
    return Host(ref=host_ref(uuid), uuid=uuid, name=NAMES[uuid], hostname=NAMES[uuid], **given)


def an_sr(**fields: Any) -> Sr:
    given = {"shared": True, "physical_size_bytes": TIB, "physical_utilisation_bytes": TIB // 2, **fields}
    return Sr(**{"ref": SR_REF, "uuid": SR, "name": "store", "type": "nfs", **given})


def a_pbd(uuid: str, **fields: Any) -> Pbd:
    given = {"currently_attached": True, **fields}
    return Pbd(ref=f"OpaqueRef:pbd-{uuid}", uuid=f"pbd-{uuid}", host_ref=host_ref(uuid), sr_ref=SR_REF, **given)


def a_picture(vdis: Iterable[Vdi], **fields: Any) -> Picture:
    """Two hosts, the first is master, one shared SR attached on both."""
    hosts = [a_host(MASTER), a_host(MEMBER)]
    given = {
        "as_of": START,
        "pool": Pool(ref="OpaqueRef:pool", uuid=POOL_UUID, name="prod", master_ref=host_ref(MASTER)),
        "hosts": {host.ref: host for host in hosts},
        "srs": {SR_REF: an_sr()},
        "vdis_by_sr": {SR_REF: {vdi.uuid: vdi for vdi in vdis}},
        "pbds": {pbd.ref: pbd for pbd in (a_pbd(MASTER), a_pbd(MEMBER))},
        **fields,
    }
    return Picture(**given)


def a_vm(uuid: str, **fields: Any) -> Vm:
    return Vm(ref=f"OpaqueRef:vm-{uuid}", uuid=uuid, name=f"vm {uuid[0]}", **fields)


def a_vbd(vm: Vm, vdi: Vdi, **fields: Any) -> Vbd:
    given = {"currently_attached": True, **fields}
    return Vbd(ref=f"OpaqueRef:vbd-{vm.uuid}", uuid=f"vbd-{vm.uuid}", vm_ref=vm.ref, vdi_ref=vdi.ref, **given)


def process(vdi: str = B, *, kind: str = "vhd_coalesce", written: int = 0, pid: int = 4242) -> ProcessSeen:
    return ProcessSeen(
        pid=pid,
        ppid=pid - 1,
        start_ticks=1000,
        kind=kind,  # type: ignore[arg-type]
        sr_uuid=SR,
        vdi_uuid=vdi,
        parent_vdi_uuid=A,
        command="vhd-util coalesce",
        image_path="",
        read_bytes=written,
        write_bytes=written,
        state="D",
        wchan="",
        started_at=None,
        ancestors=(),
        gc_lock_sr_uuid="",
        cpu_seconds=0.0,
    )


def host_seen(name: str, **fields: Any) -> HostSeen:
    given = {
        "hostname": name,
        "product_version": "8.3.0",
        "product_brand": "XCP-ng",
        "sm_version": "",
        "kernel": "",
        "python": "3.6",
        "boot_id": "boot",
        "booted_at": None,
        "timezone": "UTC",
        "utc_offset_seconds": 0,
        "load_1m": 0.0,
        "memory_total_bytes": GIB,
        "memory_available_bytes": GIB,
        "log_free_bytes": GIB,
        "log_total_bytes": 4 * GIB,
        "root_free_bytes": GIB,
        "root_total_bytes": 4 * GIB,
        "no_sm_log": False,
        "clock_synchronized": True,
        "machine_id": "",
        **fields,
    }
    return HostSeen(**given)


@dataclass
class Scene:
    """Time goes on with `wait`; agents report, XenAPI answers and the judge looks at every `look`."""

    picture: Picture | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    now: datetime = START
    agents: set[str] = field(default_factory=lambda: {MASTER, MEMBER})
    tracker: PoolTracker = field(default_factory=lambda: PoolTracker(POOL_UUID))
    ledger: Ledger = field(default_factory=Ledger)
    processes: dict[str, tuple[ProcessSeen, ...]] = field(default_factory=dict)
    locks: tuple[LockHeld, ...] = ()
    mounts: tuple[MountSeen, ...] = ()
    runtimes: tuple[SrRuntimeSeen, ...] = ()
    host_fields: dict[str, Any] = field(default_factory=dict)
    sm_log: dict[str, Any] = field(default_factory=dict)
    log_bytes: dict[str, int] = field(default_factory=dict)
    readers: dict[str, HostReader] = field(default_factory=dict)
    coverage: Coverage | None = None
    judge: Judge | None = None
    backups: BackupsKeeper | None = None
    last: Judgement | None = None

    def log(self, written: Smlog, host: str = MASTER, log: str = "/var/log/SMlog") -> Scene:
        """The host's log goes on with these lines; time goes on to the last of them."""
        reader = self.readers.setdefault(host, HostReader(host, UTC))
        offset = self.log_bytes.get(f"{host}{log}", 0)
        lines = []
        for data in written.lines:
            lines.append(Line(log, 0, offset, data, written.now, None))
            offset += len(data) + 1
        self.log_bytes[f"{host}{log}"] = offset
        self.now = max(self.now, written.now)
        facts = reader.feed(lines)
        self.tracker.take(host, facts, reader.take_changed_runs(), self._coverage())
        return self

    def smlog(self, host: str = MASTER) -> Smlog:
        """A writer that starts now."""
        return Smlog(host=NAMES[host], now=self.now)

    def wait(self, seconds: float) -> Scene:
        """Time goes on; agents report and the judge looks every 10 minutes, and at the end."""
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            self.now = min(end, self.now + timedelta(seconds=600))
            self.look()
        return self

    def _coverage(self) -> Coverage:
        return self.coverage or Coverage(since=START, until=self.now)

    def report(self, host: str) -> None:
        """A heartbeat with status and samples."""
        path = "/var/log/SMlog"
        size = self.log_bytes.get(f"{host}{path}", 0)
        seen = LogSeen(path=path, size_bytes=size, mtime=None, read_to=size, **{"problem": "", **self.sm_log})
        status = StatusObserved(
            host_uuid=host,
            at=self.now,
            host=host_seen(NAMES[host], **self.host_fields),
            locks=self.locks,
            srs=self.runtimes,
            mounts=self.mounts,
            logs=(seen,),
            counters={},
            problems=(),
            dropped_total=0,
        )
        samples = ProcessesObserved(
            host_uuid=host, at=self.now, processes=self.processes.get(host, ()), ended=(), dropped_total=0
        )
        self.tracker.observe(status, self.now)
        self.tracker.observe(samples, self.now)
        self.tracker.take(host, (), (), self._coverage())

    def look(self) -> dict[str, Finding]:
        """Everybody reports, the judge judges: code → finding (the last of each code)."""
        for host in sorted(self.agents):
            self.report(host)
        if self.picture is not None:
            as_of = self.picture.as_of if self.picture.problem else self.now
            self.picture = replace(self.picture, as_of=as_of)
            self.tracker.see(self.picture)
        if self.judge is None:
            self.judge = Judge(self.thresholds)
        if self.backups is None:
            self.backups = BackupsKeeper(self.thresholds)
        if self.picture is not None:
            self.backups.see(self.picture)
        state = self.tracker.state(self.now)
        state = replace(state, backups=self.backups.seen(state, self.now))
        self.last = self.judge.judge(state, self.now, self.ledger)
        self.backups.sample(state, samples(self.last.answer.srs, self.now), self.now)
        return {finding.code: finding for finding in self.last.answer.findings}

    def codes(self) -> set[str]:
        """Codes open now."""
        return set(self.look())

    def sr(self) -> SrAnswer:
        """The one SR's line."""
        self.look()
        assert self.last is not None
        return next(sr for sr in self.last.answer.srs if sr.uuid == SR)

    def seen(self, **fields: Any) -> Scene:
        """XenAPI's picture changes."""
        assert self.picture is not None
        self.picture = replace(self.picture, **fields)
        return self

    def vdis(self, *vdis: Vdi) -> Scene:
        """The SR's disks are these now."""
        return self.seen(vdis_by_sr={SR_REF: {vdi.uuid: vdi for vdi in vdis}})


def quiet_pool(*vdis: Vdi, **fields: Any) -> Scene:
    """A pool where everything is in order, its SR holding these disks."""
    return Scene(a_picture(vdis or merged_chain(), **fields))


def offline(log: Smlog) -> dict[str, Finding]:
    """What `diagnose` finds in one log: code → finding."""
    reader = HostReader("", UTC)
    facts = [*reader.feed(log.as_lines()), *reader.finish()]
    tracker = PoolTracker(None, offline=True)
    tracker.take(reader.host, facts, reader.runs)
    now = log.now + timedelta(seconds=60)
    answer = Judge().judge(tracker.state(now), now, Ledger()).answer
    return {finding.code: finding for finding in answer.findings}

"""Two pools, Xen Orchestra's REST API and a collector on which backups go well and wrong: built, and then the deeds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from lab.collector_process import CollectorProcess
from lab.stage import Finding, Watcher
from lab.xapi.handle import LabPool
from lab.xapi.pool import XapiPool

THRESHOLDS = """
[thresholds]
agent_missing_seconds = 600
backup_stalled_seconds = 3
backup_stalled_unseen_seconds = 600
backup_pattern_seconds = 1
backup_base_seconds = 1
backup_target_free_bytes = 0
backup_overdue_grace_seconds = 60
verdict_seconds = 1
"""
EXPORT = "Exporting content of VDI {} disk through NBD"
REPLICATION = "10b00000-0000-4000-8000-00000000000d"
READ_MIB_PER_SECOND = {"healthy": 100.0, "slow": 0.1, "stalled": 0.0}
ARCHIVE_BYTES = 1 << 55
"""More than any file system has free."""


def build_prod(pool: XapiPool) -> None:
    """Guests with a disk each; each export's disk is on an SR of its own, whose rate is told."""
    for name in READ_MIB_PER_SECOND:
        pool.disks.add_vdi(pool.estate.add_sr("ext", f"{name} sr"), f"{name} disk")
    sr = pool.estate.add_sr("nfs", "shared")
    tags = {"batch": ["batch"], "gold": ["gold"], "skipped": ["skipped"], "tape": ["tape"], "archive": ["archive"]}
    for name in (*tags, "fine", "kept", "deleted"):
        disk = pool.disks.add_vdi(sr, f"{name} disk")
        pool.estate.add_vm(name, pool.host("xcp1"), [pool.disks.ref(disk)], tags=tags.get(name, [name]))


def build_dr(pool: XapiPool) -> None:
    """Where replicas go, with a guest of its own."""
    pool.estate.add_sr("nfs", "replicas")
    pool.estate.add_vm("branch", pool.host("dr1"), tags=["branch"])


@dataclass
class Course:
    """What runs. `moment`: when the newest runs of Xen Orchestra's jobs were due."""

    prod: LabPool
    dr: LabPool
    moment: datetime

    def uuid(self, pool: LabPool, class_name: str, name: str) -> str:
        return pool.call(lambda one: str(one.database.get(class_name, one.estate.find(class_name, name))["uuid"]))

    # --- before the collector runs --------------------------------------------------------------------------------

    def begin_exports(self) -> dict[str, str]:
        """Name → task: three exports by what their SRs read, and two whose hosts are dead or gone."""
        rates = {
            f"io_throughput_read_{self.uuid(self.prod, 'SR', f'{name} sr')[:8]}": mib
            for name, mib in READ_MIB_PER_SECOND.items()
        }
        self.prod.do("fault", rates={**rates, "io_throughput": 0.0, "pif_": 1e8, "vif_": 0.0})
        tasks = {name: self.prod.do("begin_task", name=EXPORT.format(name)) for name in READ_MIB_PER_SECOND}
        dead = self.prod.call(lambda pool: pool.host("xcp3"))
        for name, host in (("dead host", dead), ("gone host", "OpaqueRef:gone")):
            tasks[name] = self.prod.do("begin_task", name=f"Export of VM: {name}")
            self.prod.do("set_fields", class_name="task", name_or_ref=tasks[name], resident_on=host)
        self.prod.do("set_live", host="xcp3", live=False)
        for task in tasks.values():
            self.prod.do("set_fields", class_name="task", name_or_ref=task, progress=0.4)
        return tasks

    def replicate(self, name: str) -> None:
        """A base in prod and its replica in dr."""
        sr = self.uuid(self.dr, "SR", "replicas")
        marks = {
            "xo:backup:job": REPLICATION,
            "xo:backup:vm": self.uuid(self.prod, "VM", name),
            "xo:backup:sr": sr,
            "xo:backup:datetime": self.moment.strftime("%Y%m%dT%H%M%SZ"),
        }
        base = self.snapshot(name, "to-dr", marks)
        disk = self.dr.do("add_vdi", sr=sr, name=f"{name} replica disk", other_config={"xo:copy_of": base})
        self.dr.do("add_vm", name=f"{name} replica", disks=[disk], other_config=marks, tags=["replica"])

    def snapshot(self, name: str, job: str, marks: Mapping[str, str]) -> str:
        """An exported snapshot; the uuid of its disk."""
        label = f"[XO Backup {job}] {name}"
        self.prod.do("snapshot_vm", vm=name, name=label)
        entries = {**marks, "xo:backup:exported": "true"}
        self.prod.do("put_other_config", class_name="VM", name=label, entries=entries)

        def disk(pool: XapiPool) -> str:
            vm = pool.database.get("VM", pool.estate.find("VM", label))
            vbd = pool.database.get("VBD", next(iter(vm["VBDs"])))
            return str(pool.database.get("VDI", vbd["VDI"])["uuid"])

        return self.prod.call(disk)

    def add_archive_disk(self) -> None:
        """Since the last backup the archive has a disk that no remote has room for."""
        self.snapshot("archive", "to-nas", {"xo:backup:job": "to-nas"})
        self.prod.do("add_vdi", sr="shared", name="archive data")
        sizes = {"virtual_size": ARCHIVE_BYTES, "physical_utilisation": ARCHIVE_BYTES}
        self.prod.do("set_fields", class_name="VDI", name_or_ref="archive data", **sizes)
        self.prod.call(
            lambda pool: pool.estate.attach(
                pool.estate.find("VM", "archive"), pool.estate.find("VDI", "archive data"), 1
            )
        )

    # --- Xen Orchestra --------------------------------------------------------------------------------------------

    def orchestra(self) -> dict[str, Any]:
        """Collections of its REST API: every job but the skipped one is run by hand."""
        running = {"power_state": "Running"}
        patterns: dict[str, Any] = {
            "by-power": {**running, "tags": {"__or": [["batch"]]}},
            "by-tag": {**running, "tags": {"__or": [["gold"]]}},
            "by-pool": {"$pool": self.dr.uuid, "tags": {"__or": [["branch"]]}},
            **{name: {"tags": {"__or": [[name]]}} for name in ("skipped", "fine")},
            "to-tape": {"tags": {"__or": [["tape"]]}},
            "to-nas": {"tags": {"__or": [["archive"]]}},
            REPLICATION: {"tags": {"__or": [["kept"], ["deleted"]]}},
        }
        remotes = {"fine": "roomy", "to-tape": "tape", "to-nas": "nas"}
        return {
            "backup-jobs": [self._job(name, pattern, remotes.get(name)) for name, pattern in patterns.items()],
            "schedules": [
                {
                    "id": f"of {job}",
                    "jobId": job,
                    "cron": f"{self.moment.minute} {self.moment.hour} * * *",
                    "enabled": True,
                }
                for job in ("skipped", "fine")
            ],
            "backup-repositories": [{"id": one, "name": one, "enabled": True} for one in remotes.values()],
            "servers": [
                {"id": "1", "status": "connected", "poolId": self.prod.uuid},
                {"id": "2", "status": "disconnected", "poolId": self.dr.uuid},
            ],
            "backup-logs": [
                self._run("skipped", "skipped", 7, "success"),
                *(self._run("skipped", "skipped", days, "skipped") for days in range(6, -1, -1)),
                *(self._run("fine", "fine", days, "success", "roomy") for days in range(7, -1, -1)),
                self._run("to-tape", "tape", 0, "failure", "tape", {"code": "ENOSPC", "message": "ENOSPC: write"}),
            ],
        }

    def _job(self, id_: str, pattern: Any, remote: str | None) -> dict[str, Any]:
        target = {"remotes": {"id": remote}} if remote else {}
        if id_ == REPLICATION:
            target = {"srs": {"id": self.uuid(self.dr, "SR", "replicas")}}
        name = "to-dr" if id_ == REPLICATION else id_
        return {"id": id_, "name": name, "type": "backup", "mode": "delta", "vms": {"type": "VM", **pattern}, **target}

    def _run(
        self, job: str, vm: str, days: int, status: str, remote: str = "", result: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        at = int((self.moment - timedelta(days=days)).timestamp() * 1000)
        export = {"data": {"type": "remote", "id": remote}, "status": status, "tasks": [{"result": result or {}}]}
        data = {"type": "VM", "id": self.uuid(self.prod, "VM", vm)}
        task = {"data": data, "start": at, "status": status, "tasks": [export] if remote else []}
        return {"id": f"{job} {at}", "jobId": job, "start": at, "status": status, "tasks": [task]}

    def configure(self, collector: CollectorProcess) -> None:
        """The pools, as somebody who may only read."""
        pools = collector.directory / "pools.d"
        pools.mkdir()
        for name, lab in (("prod", self.prod), ("dr", self.dr)):
            secret = pools / f"{name}.pw"
            secret.write_text(lab.reader_password)
            secret.chmod(0o600)
            (pools / f"{name}.toml").write_text(
                f'addresses = ["{lab.address}:{lab.port}"]\nusername = "{lab.reader}"\n'
                f'password_file = "{name}.pw"\nca_file = "{lab.ca_file}"\n'
            )

    # --- while it runs --------------------------------------------------------------------------------------------

    def deeds(self) -> None:
        """What empties patterns and takes a base away."""
        self.prod.do("vm_shutdown", vm="batch")
        self.prod.do("set_fields", class_name="VM", name_or_ref="gold", tags=["silver"])
        self.dr.do("delete_snapshot", name="deleted replica")


def wait(
    watcher: Watcher, holds: Callable[[list[Finding]], bool], meanwhile: Callable[[], None], seconds: float
) -> None:
    """Until it holds of what is open, or for so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if watcher.timeline and holds(list(watcher.timeline[-1].findings)):
            return
        meanwhile()
        time.sleep(0.25)


def an_hour_ago() -> datetime:
    """On the minute, as a schedule has it."""
    return (datetime.now(UTC) - timedelta(hours=1)).replace(second=0, microsecond=0)

"""Backups through a whole collector: a pool's XenAPI and its hosts' rates in, REST out."""

from collections.abc import Iterator
from typing import Any

import pytest
from collector.serve.live_collector import Rest
from collector.serve.test_estate import configure
from lab.collector_process import CollectorProcess
from lab.pki import Pki
from lab.xapi.handle import LabPool, lab_pool
from lab.xapi.pool import XapiPool

CONFIG = """
[[job]]
name = "nightly"
pattern = { tags = ["prod"] }
schedule = "0 1 * * *"
[thresholds]
agent_missing_seconds = 600
backup_stalled_seconds = 2
backup_stalled_unseen_seconds = 2
backup_pattern_seconds = 0
backup_base_seconds = 0
"""
EXPORT = "Exporting content of VDI db disk through NBD"
TARGET, JOB = "5a5a0000-0000-4000-8000-00000000000a", "10b00000-0000-4000-8000-000000000001"


def build(pool: XapiPool) -> None:
    sr = pool.estate.add_sr("nfs", "nfs-1")
    vdi = pool.disks.add_vdi(sr, "db disk")
    pool.estate.add_vm("db", pool.host("xcp1"), [pool.disks.ref(vdi)])


@pytest.fixture
def lab() -> Iterator[LabPool]:
    with lab_pool("xcp1", "xcp2", build=build, name="prod") as pool:
        pool.do("fault", rates={"pif_": 0.0, "io_throughput": 0.0, "vif_": 0.0})
        yield pool


@pytest.fixture
def rest(lab: LabPool, tmp_path: Any) -> Iterator[Rest]:
    collector = CollectorProcess(tmp_path / "collector", Pki(tmp_path / "pki"), extra=CONFIG)
    configure(collector, lab)
    collector.start()
    made = Rest(collector)
    yield made
    made.close()
    assert collector.stop() == 0
    assert "Traceback" not in collector.log.read_text()
    assert lab.writes_called == []


def of_code(rest: Rest, code: str) -> list[Any]:
    return [finding for finding in rest.findings() if finding["code"] == code]


async def test_exports_jobs_and_bases_on_every_surface(rest: Rest, lab: LabPool) -> None:
    task = lab.do("begin_task", name=EXPORT)
    (stalled,) = await rest.until(lambda: of_code(rest, "BACKUP_STALLED"))
    assert (stalled["subject"]["kind"], stalled["subject"]["name"]) == ("task", EXPORT)
    (row,) = rest.get("/tasks")["items"]
    assert (row["kind"], row["moving"], row["ghost"], row["subject"]["name"]) == ("export", False, False, "nfs-1")
    lab.do("end_task", task=task)
    await rest.until(lambda: not of_code(rest, "BACKUP_STALLED") or None)

    (empty,) = await rest.until(lambda: of_code(rest, "BACKUP_PATTERN_EMPTY"))
    assert 'clause tags = ["prod"] takes away all 1 VM' in empty["summary"]
    assert "matches no VM" in rest.get("/verdict", job="nightly")["job"]["sentence"]

    lab.do("snapshot_vm", vm="db", name="[XO Backup nightly] db")
    marks = {"xo:backup:job": JOB, "xo:backup:exported": "true", "xo:backup:datetime": "20261124T010000Z"}
    sr = next(one for one in lab.dump()["SR"].values() if one["name_label"] == "nfs-1")
    name = "[XO Backup nightly] db"
    lab.do("put_other_config", class_name="VM", name=name, entries={**marks, "xo:backup:sr": sr["uuid"]})
    (missing,) = await rest.until(lambda: of_code(rest, "BACKUP_BASE_MISSING"))
    assert (missing["subject"]["name"], missing["severity"]) == ("db", "warning")
    assert "job 'nightly'" in missing["summary"]

"""From one backup of an SR to the next, as jobs' schedules have it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from chainwatch_collector.backups.cycles import cycles
from chainwatch_collector.backups.seen import CycleSeen, JobSeen
from chainwatch_collector.chains.pool_index import PoolIndex
from collector.judge.scene import SR_REF, START, a_picture, a_vbd, a_vm, disk
from smlog import SR

HOUR = timedelta(hours=1)


def uuid(number: int) -> str:
    return f"{number:08d}-0000-4000-8000-000000000000"


def of_pool(*jobs: JobSeen, vms: int = 8, **disk_fields: Any) -> dict[str, CycleSeen]:
    """So many VMs with one disk each on one SR."""
    guests = [a_vm(uuid(number)) for number in range(vms)]
    disks = [disk(uuid(1000 + number), **disk_fields) for number in range(vms)]
    vbds = [a_vbd(vm, vdi) for vm, vdi in zip(guests, disks, strict=True)]
    picture = a_picture(disks, vms={vm.ref: vm for vm in guests}, vbds={vbd.ref: vbd for vbd in vbds})
    return cycles(PoolIndex(picture), jobs)


def job(name: str, hours: Sequence[float], vms: range, next_in: float | None = None) -> JobSeen:
    """Due so many hours ago."""
    due = tuple(START - hour * HOUR for hour in sorted(hours, reverse=True))
    next_at = START + next_in * HOUR if next_in is not None else None
    return JobSeen(uuid=name, name=name, vms=tuple(uuid(number) for number in vms), due=due, next_at=next_at)


NIGHTLY = [6, 30, 54, 78]


def test_a_nightly_job_gives_a_day() -> None:
    assert of_pool(job("nightly", NIGHTLY, range(8))) == {SR: CycleSeen(seconds=86400, job="nightly")}


@pytest.mark.parametrize(
    ("hours", "next_in", "expected"),
    [
        ([6, 30, 54, 126, 150, 174], None, 24),  # no run on Saturday and Sunday
        ([100], 68, 168),  # weekly, once in the time looked back to
        ([], 12, None),
        ([], None, None),
    ],
)
def test_the_usual_pause_counts(hours: list[float], next_in: float | None, expected: float | None) -> None:
    found = of_pool(job("job", hours, range(8), next_in))
    assert {one.seconds for one in found.values()} == ({expected * 3600} if expected is not None else set())


def test_one_vm_that_is_backed_up_every_hour_does_not_hurry_the_others() -> None:
    nightly, hourly = job("nightly", NIGHTLY, range(1, 8)), job("hourly", [1, 2, 3], range(1))
    assert of_pool(nightly, hourly)[SR].job == "nightly"
    many = job("hourly", [1, 2, 3], range(4))
    assert of_pool(nightly, many)[SR] == CycleSeen(seconds=3600, job="hourly")


def test_of_two_jobs_of_a_vm_the_more_frequent_counts() -> None:
    weekly = job("weekly full", [20, 188, 356], range(8))
    assert of_pool(weekly, job("nightly", NIGHTLY, range(8)))[SR].job == "nightly"


def test_disks_that_no_backup_takes_give_no_cycle() -> None:
    assert of_pool(job("nightly", NIGHTLY, range(8)), name="[NOBAK] scratch") == {}
    assert of_pool(job("nightly", NIGHTLY, range(100, 108))) == {}
    assert of_pool(job("nightly", NIGHTLY, range(8)), sr_ref=f"{SR_REF}-gone") == {}

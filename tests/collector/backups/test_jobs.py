"""Jobs over pools: whom they back up, and who is to blame when that is nobody."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from chainwatch_collector.backups.jobs import Job, Remote, VmRun, XoSeen, evaluate
from chainwatch_collector.backups.schedule import parse
from chainwatch_collector.backups.seen import JobSeen, TargetSeen
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Pool, Vm
from collector.judge.scene import POOL_UUID, START, a_picture, disk
from smlog import C

OTHER = "88888888-0000-4000-8000-000000000008"
GONE = "77777777-0000-4000-8000-000000000007"


def vm(number: int, **fields: Any) -> Vm:
    given = {"power_state": "Running", "tags": ("prod",), **fields}
    return Vm(ref=f"vm{number}", uuid=f"vm{number:06d}-0000-4000-8000-000000000000", name=f"vm-{number}", **given)


def pools(*first: Vm, second: tuple[Vm, ...] = ()) -> dict[str, Picture]:
    other = Pool(ref="OpaqueRef:other", uuid=OTHER, name="branch", master_ref=None)
    return {
        POOL_UUID: a_picture((disk(C),), vms={one.ref: one for one in first}),
        OTHER: a_picture((), pool=other, vms={one.ref: one for one in second}),
    }


def job(pattern: dict[str, Any], **fields: Any) -> Job:
    return Job(name="nightly", id="job-1", pattern=pattern, **fields)


def views(
    of: Job, pictures: dict[str, Picture], xo: XoSeen | None = None, now: datetime = START, **targets: TargetSeen
) -> dict[str, JobSeen]:
    return {pool: seen[0] for pool, seen in evaluate([of], pictures, xo or XoSeen(), targets, now).items()}


def blame(of: Job, pictures: dict[str, Picture], xo: XoSeen | None = None) -> str:
    (text,) = {seen.empty for seen in views(of, pictures, xo).values()}
    return text


def test_each_pool_has_its_vms_and_one_tells_the_job() -> None:
    seen = views(job({"tags": ["prod"]}), pools(vm(1), vm(2, tags=("dev",)), second=(vm(3),)))
    assert (seen[POOL_UUID].vms, seen[OTHER].vms) == ((vm(1).uuid,), (vm(3).uuid,))
    assert seen[POOL_UUID].total == 2
    assert [one.home for one in seen.values()].count(True) == 1
    assert seen[POOL_UUID].empty == ""


def test_templates_snapshots_and_control_domains_are_no_vms() -> None:
    others = (vm(1, is_a_template=True), vm(2, is_control_domain=True), vm(3, is_a_snapshot=True))
    assert blame(job({}), pools(*others)) == "there is no VM in any pool"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ({"power_state": "Running", "tags": ["prod"]}, 'clause power_state = "Running" takes away all 2 VMs'),
        ({"power_state": "Halted", "tags": [["prd"]]}, 'clause tags = [["prd"]] takes away all 2 VMs'),
        ({"$pool": OTHER, "power_state": "Halted"}, "clause $pool"),
        (
            {"$pool": {"__or": [GONE]}, "power_state": "Halted"},
            f"clause $pool: no pool that is configured here is {GONE}",
        ),
        (
            {"power_state": "Suspended", "tags": ["x"]},
            'clauses power_state = "Suspended" and tags = ["x"] each match no VM',
        ),
        ({"power_state": "Suspended"}, 'clause power_state = "Suspended" takes away all 2 VMs'),
    ],
)
def test_an_empty_pattern_names_who_empties_it(pattern: dict[str, Any], said: str) -> None:
    halted = (vm(1, power_state="Halted"), vm(2, power_state="Halted"))
    assert said in blame(job(pattern), pools(*halted))


def test_a_pool_that_xen_orchestra_lost_is_to_blame() -> None:
    pictures = pools(vm(1, tags=("dev",)), second=(vm(3),))
    servers = {POOL_UUID: "connected", OTHER: "disconnected"}
    assert blame(job({"tags": ["prod"]}), pictures) == ""
    said = blame(job({"tags": ["prod"]}), pictures, XoSeen(servers=servers))
    assert said == "Xen Orchestra is not connected to pool 'branch', where 1 VM would match"
    assert blame(job({"tags": ["prod"]}), pictures, XoSeen(servers={**servers, OTHER: "connected"})) == ""
    unknown = blame(job({"$pool": GONE}), pictures, XoSeen(servers={POOL_UUID: "connected", OTHER: "connected"}))
    assert unknown == f"clause $pool: Xen Orchestra has no server of {GONE}"


def test_tags_and_replicas_take_vms_away() -> None:
    excluded = vm(1, tags=("prod", "xo:no-bak=2026-12-01"))
    assert "xo:no-bak" in blame(job({"tags": ["prod"]}), pools(excluded))
    replica = vm(2, other_config={"xo:backup:job": "job-1"}, blocked_operations={"start": "replica"})
    assert "replicas that the job itself made" in blame(job({"tags": ["prod"]}), pools(replica))
    assert blame(job({"tags": ["prod"]}), pools(replica, vm(3))) == ""


def test_what_cannot_be_observed_is_not_judged() -> None:
    assert blame(job({"os_version": "x"}), pools(vm(1))) == ""
    never = {**pools(vm(1, tags=())), "x": Picture(pool=None, as_of=None, problem="network: no route")}
    assert {seen.empty for seen in views(job({"tags": ["prod"]}), never).values()} == {""}


def test_due_times_and_runs_become_a_history() -> None:
    day = timedelta(days=1)
    runs = [
        VmRun(job="job-1", vm="a", at=START - 5 * day, status="success"),
        *(VmRun(job="job-1", vm="a", at=START - n * day, status="skipped") for n in (4, 3, 2)),
        VmRun(job="job-2", vm="a", at=START, status="success"),
        VmRun(job="job-1", vm="b", at=START - 3 * day, status="failure"),
    ]
    seen = views(job({}, schedules=(parse("0 1 * * *"),)), pools(vm(1)), XoSeen(runs=tuple(runs)))[POOL_UUID]
    assert (seen.successes, seen.skipped) == ({"a": START - 5 * day}, {"a": 3})
    assert seen.tried == {"a": START - 5 * day, "b": START - 3 * day}
    assert len(seen.due) == 40
    assert seen.due[-1] == START.replace(hour=1)
    assert seen.next_at == START.replace(hour=1) + day


def test_a_target_is_full_since_its_last_enospc_until_a_run_succeeds() -> None:
    remote = Remote(uuid="r1", name="nas")
    of = job({}, remotes=(remote,))
    failed = VmRun(job="job-1", vm="a", at=START, status="failure", remotes=("r1",), no_space=("r1",))
    later = VmRun(job="job-1", vm="a", at=START + timedelta(hours=1), status="success", remotes=("r1",))
    (target,) = views(of, pools(vm(1)), XoSeen(runs=(failed,)))[POOL_UUID].targets
    assert (target.full_at, target.problem) == (START, "not observable: it is not mounted here")
    (target,) = views(
        of, pools(vm(1)), XoSeen(runs=(failed, later)), r1=TargetSeen(uuid="r1", name="nas", free_bytes=7)
    )[POOL_UUID].targets
    assert (target.full_at, target.free_bytes) == (None, 7)

"""What goes wrong with hosts, end to end: dead, in maintenance, cut off from a filer, failed over, a GC killed there.

Every expected finding is written by hand from what is done.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from lab.estate import PoolPlan, Storage
from lab.stage import Expected, Scenario, Stage, stage
from lab.stage_pools import straight

THRESHOLDS = """
[thresholds]
gc_not_running_seconds = 4
step_copy_without_progress_seconds = 3
"""
FILER = "filer1.lab.example"


def branch() -> PoolPlan:
    """Its second host dies."""
    storages = [
        Storage("nfs", "shared", straight(4), {"branch-vm": "disk"}),
        Storage("ext", "killed", straight(3), {"killed-vm": "disk"}, host="xcp-branch-1"),
    ]
    return PoolPlan("branch", ["xcp-branch-1", "xcp-branch-2"], storages)


def outpost() -> PoolPlan:
    """Its filer dies; its second host is put in maintenance and forgotten."""
    storages = [
        Storage("nfs", "dead-filer", straight(3), {"filer-vm": "disk"}, mounted_from=f"{FILER}:/export/sr"),
        Storage("ext", "local-2", straight(3), {"local-vm": "disk"}, host="xcp-outpost-2"),
    ]
    return PoolPlan("outpost", ["xcp-outpost-1", "xcp-outpost-2"], storages)


def standby() -> PoolPlan:
    """Its master dies in a leaf merge."""
    storages = [Storage("nfs", "moved", straight(2), {"moved-vm": "disk"}, guests={"moved-vm": "xcp-standby-2"})]
    return PoolPlan("standby", ["xcp-standby-1", "xcp-standby-2"], storages)


def member_dies(made: Stage) -> None:
    made.installation.power_off("branch", "xcp-branch-2")
    hosts = made.installation.pools["branch"].dump()["host"]
    [ref] = [ref for ref, record in hosts.items() if record["name_label"] == "xcp-branch-2"]
    made.collect("branch", "xcp-branch-1", "shared", unreachable_host=ref)


def member_back(made: Stage) -> None:
    made.installation.power_on("branch", "xcp-branch-2")
    made.collect("branch", "xcp-branch-1", "shared")


def gc_killed(made: Stage) -> None:
    """In a copy of three seconds: the agent has seen the process that is gone then."""
    made.collect("branch", "xcp-branch-1", "killed", killed_in_copy=True, bytes_per_second=0.25e6)
    time.sleep(4)


def filer_dies(made: Stage) -> None:
    kernel("kernel: [ 8123.456789] nfs: server filer1.lab.example not responding, still trying", made)
    made.installation.collect("outpost", "xcp-outpost-1", "dead-filer", stalls_in_copy=True)
    time.sleep(5)


def filer_back(made: Stage) -> None:
    kernel("kernel: [ 8199.000001] nfs: server filer1.lab.example OK", made)
    made.installation.dom0s["xcp-outpost-1"].tell(do="go_on").wait(10)


def kernel(text: str, made: Stage) -> None:
    made.installation.dom0s["xcp-outpost-1"].tell(do="log", log="kern.log", text=text).wait(10)


def forgotten_in_maintenance(made: Stage) -> None:
    made.installation.pools["outpost"].do("set_enabled", host="xcp-outpost-2", enabled=False)
    time.sleep(4)


def in_use_again(made: Stage) -> None:
    made.installation.pools["outpost"].do("set_enabled", host="xcp-outpost-2", enabled=True)
    made.collect("outpost", "xcp-outpost-2", "local-2")


def master_dies(made: Stage) -> None:
    """In mid-merge. The new master's first run takes the half merge back and begins it anew."""
    made.installation.collect("standby", "xcp-standby-1", "moved", stalls_in_copy=True)
    time.sleep(2)
    made.installation.power_off("standby", "xcp-standby-1")
    made.installation.pools["standby"].do("fail_over", to="xcp-standby-2")
    time.sleep(1)
    made.installation.collect("standby", "xcp-standby-2", "moved", undoes="disk", stalls_in_copy=True)
    time.sleep(1)


def master_back(made: Stage) -> None:
    made.installation.dom0s["xcp-standby-2"].tell(do="go_on").wait(10)
    made.installation.power_on("standby", "xcp-standby-1")


SCENARIOS = [
    Scenario(
        name="a pool member powered off with its PBD attached",
        pool="branch",
        sr="shared",
        act=member_dies,
        heal=member_back,
        expected=[
            Expected(code="HOST_DOWN", severity="error", subject="xcp-branch-2", says="not live"),
            Expected(
                code="GC_BLOCKED_BY_HOST",
                severity="error",
                subject="shared",
                because="HOST_DOWN",
                host="xcp-branch-1",
                line="HOST_OFFLINE",
                says="host xcp-branch-2 (down, says XenAPI)",
            ),
            Expected(
                code="GC_CRASHED",
                severity="error",
                subject="shared",
                because="GC_BLOCKED_BY_HOST",
                host="xcp-branch-1",
                line="HOST_OFFLINE",
                says="a pool member could not be asked",
            ),
        ],
        also=frozenset(("GC_NOT_RUNNING",)),
    ),
    Scenario(
        name="a GC killed, and nobody asks for another",
        pool="branch",
        sr="killed",
        act=gc_killed,
        heal=lambda made: made.collect("branch", "xcp-branch-1", "killed"),
        expected=[
            Expected(
                code="GC_NOT_RUNNING",
                severity="error",
                subject="killed",
                host="xcp-branch-1",
                line="Running VHD coalesce",
                says="the last run was killed",
            ),
        ],
    ),
    Scenario(
        name="a dead filer",
        pool="outpost",
        sr="dead-filer",
        act=filer_dies,
        heal=filer_back,
        expected=[
            Expected(
                code="SR_IO_ERRORS",
                severity="error",
                subject="dead-filer",
                host="xcp-outpost-1",
                line="nfs: server filer1.lab.example not responding",
                says="an NFS server does not answer",
            ),
            Expected(
                code="GC_STUCK",
                severity="error",
                subject="dead-filer",
                because="SR_IO_ERRORS",
                host="xcp-outpost-1",
                line="Running VHD coalesce",
                says="copies without progress",
            ),
        ],
        also=frozenset(("GC_NOT_RUNNING",)),
    ),
    Scenario(
        name="a host in maintenance",
        pool="outpost",
        sr="local-2",
        act=forgotten_in_maintenance,
        heal=in_use_again,
        expected=[
            Expected(
                code="GC_NOT_RUNNING",
                severity="warning",
                subject="local-2",
                says="xcp-outpost-2 is disabled or in maintenance",
            ),
        ],
    ),
    Scenario(
        name="the master fails over in mid-merge",
        pool="standby",
        sr="moved",
        act=master_dies,
        heal=master_back,
        expected=[
            Expected(code="HOST_DOWN", severity="error", subject="xcp-standby-1"),
            Expected(
                code="GC_INTERRUPTED",
                severity="warning",
                subject="moved",
                because="HOST_DOWN",
                host="xcp-standby-2",
                line="leaf-coalesce undo successful",
                says="had to be undone",
            ),
        ],
        also=frozenset(("GC_NOT_RUNNING", "GC_STUCK")),
    ),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """All scenarios, begun."""
    with stage(tmp_path_factory.mktemp("hosts"), [branch(), outpost(), standby()], THRESHOLDS, SCENARIOS) as made:
        yield made


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_is_raised(running: Stage, scenario: Scenario) -> None:
    print(f"{scenario.name}: {running.raises(scenario):.1f} s after its condition")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_clears_when_healed(running: Stage, scenario: Scenario) -> None:
    print(f"{scenario.name}: cleared {running.clears(scenario):.1f} s after it was healed")

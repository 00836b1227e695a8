"""What goes wrong on single SRs, end to end: real agents in simulated dom0s, a real collector, its findings by REST.

Every expected finding is written by hand from what is done. All scenarios run beside each other on SRs of their own.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab.stage import Expected, Scenario, Stage, stage
from lab.stage_deeds import (
    change_nothing,
    delete_snapshots,
    footer_lost,
    forgotten_switch_found,
    keep_snapshots,
    maintain,
    maintained,
    more_room,
    nightly_backup,
    nothing_to_do,
    one_host_again,
    outrun,
    parent_recorded,
    pause,
    run,
    snapshot_refused,
    unpause,
)
from lab.stage_pools import CALM_MEMBER, MASTER, calm, prod

THRESHOLDS = """
[thresholds]
flag_paused_seconds = 2
gc_ineffective_seconds = 2
leaf_gave_up_seconds = 1
snapshot_obstacle_seconds = 2
sr_detached_seconds = 1
verdict_seconds = 1
"""

SCENARIOS = [
    Scenario(
        name="a corrupt parent",
        pool="prod",
        sr="corrupt",
        act=run("corrupt", corrupt="base"),
        heal=run("corrupt"),
        expected=[
            Expected(
                code="VDI_CORRUPT",
                severity="error",
                subject="base",
                host=MASTER,
                line="corrupted",
                says="Data may be damaged",
            ),
            Expected(
                code="COALESCE_FAILED",
                severity="error",
                subject="merge-1",
                because="VDI_CORRUPT",
                host=MASTER,
                line="Coalescing *",
            ),
        ],
    ),
    Scenario(
        name="ENOSPC in mid-merge",
        pool="prod",
        sr="enospc",
        act=run("enospc", no_space_in_copy=True),
        heal=run("enospc"),
        expected=[
            Expected(
                code="COALESCE_NO_SPACE",
                severity="error",
                subject="enospc",
                host=MASTER,
                line="rc 28",
                says="died for lack of space",
            ),
            Expected(
                code="COALESCE_FAILED",
                severity="info",
                subject="merge-1",
                because="COALESCE_NO_SPACE",
                host=MASTER,
                line="Coalescing *",
            ),
        ],
    ),
    Scenario(
        name="refused for space",
        pool="prod",
        sr="full",
        act=run("full"),
        heal=more_room("full", 60),
        expected=[
            Expected(
                code="COALESCE_NO_SPACE",
                severity="error",
                subject="full",
                host=MASTER,
                line="No space to coalesce",
                says="refused for lack of space",
            ),
            Expected(code="SR_SPACE_LOW", severity="warning", subject="full", because="COALESCE_NO_SPACE"),
        ],
    ),
    Scenario(
        name="a guest outruns a leaf merge",
        pool="prod",
        sr="outrun",
        act=outrun,
        heal=run("outrun"),
        expected=[
            Expected(
                code="LEAF_COALESCE_GAVE_UP",
                severity="warning",
                subject="disk",
                host=MASTER,
                line="could not be coalesced",
                says="in 3 GC runs",
            ),
        ],
    ),
    Scenario(
        name="GC killed, footer lost",
        pool="prod",
        sr="footer",
        act=footer_lost,
        heal=run("footer"),
        expected=[
            Expected(
                code="VDI_CORRUPT",
                severity="error",
                subject="base",
                host=MASTER,
                line="corrupted",
                says="The data is probably whole",
            ),
            Expected(code="COALESCE_FAILED", severity="error", subject="merge-1", because="VDI_CORRUPT", host=MASTER),
        ],
    ),
    Scenario(
        name="GC disabled and forgotten",
        pool="prod",
        sr="switch",
        act=run("switch", disabled=True),
        heal=forgotten_switch_found,
        expected=[
            Expected(
                code="GC_DISABLED",
                severity="warning",
                subject="switch",
                host=MASTER,
                line="GC is disabled for this SR, abort",
                says="gc=false",
            ),
        ],
    ),
    Scenario(
        name="kept snapshots to 30",
        pool="prod",
        sr="kept",
        act=keep_snapshots,
        heal=delete_snapshots,
        expected=[Expected(code="CHAIN_AT_LIMIT", severity="error", subject="disk", says="29 kept")],
        also=frozenset(("CHAIN_NEAR_LIMIT",)),
    ),
    Scenario(
        name="a backlog to 30",
        pool="prod",
        sr="backlog",
        act=nothing_to_do,
        heal=run("backlog"),
        expected=[Expected(code="CHAIN_AT_LIMIT", severity="error", subject="disk", says="29 pending")],
        also=frozenset(("CHAIN_NEAR_LIMIT",)),
    ),
    Scenario(
        name="a thick SR at 60 %",
        pool="prod",
        sr="thick",
        act=snapshot_refused,
        heal=more_room("thick", 300),
        expected=[
            Expected(
                code="SNAPSHOT_NO_SPACE",
                severity="error",
                subject="thick",
                host=MASTER,
                line="Not enough space! free space: 42949672960, need: 53850669056",
                says="needed: 50.2 GiB",
            ),
        ],
    ),
    Scenario(
        name="QCOW2 active on two hosts",
        pool="prod",
        sr="qcow2",
        act=run("qcow2", several_hosts=True),
        heal=one_host_again,
        expected=[
            Expected(
                code="CHAIN_MULTI_HOST",
                severity="error",
                subject="merge-1",
                host=MASTER,
                line="chain activated more than once",
                says="ends the whole GC run",
            ),
            Expected(
                code="GC_CRASHED",
                severity="error",
                subject="qcow2",
                because="CHAIN_MULTI_HOST",
                host=MASTER,
                line="chain activated more than once",
            ),
        ],
        also=frozenset(("COALESCE_FAILED",)),
    ),
    Scenario(
        name="a stale paused key",
        pool="prod",
        sr="paused",
        act=pause,
        heal=unpause,
        expected=[Expected(code="VDI_STALE_FLAG", severity="warning", subject="disk", says="'paused' flag")],
    ),
    Scenario(
        name="a GC that runs and changes nothing",
        pool="prod",
        sr="nothing",
        act=change_nothing,
        heal=parent_recorded,
        expected=[
            Expected(
                code="GC_INEFFECTIVE",
                severity="error",
                subject="nothing",
                host=MASTER,
                line="GC process exiting",
                says="never done",
            ),
        ],
    ),
    Scenario(
        name="clone trees",
        pool="prod",
        sr="clones",
        act=run("clones"),
        heal=run("clones"),
        expected=[],
    ),
    Scenario(
        name="a healthy nightly backup",
        pool="calm",
        sr="nightly",
        act=nightly_backup,
        heal=nothing_to_do,
        expected=[],
        whole_pool=True,
    ),
    Scenario(
        name="planned maintenance",
        pool="calm",
        sr="nightly",
        act=maintain,
        heal=maintained,
        expected=[
            Expected(code="HOST_DOWN", severity="info", subject=CALM_MEMBER, says="after it was disabled"),
            Expected(
                code="SR_DETACHED", severity="info", subject="nightly", because="HOST_DOWN", says="in maintenance"
            ),
        ],
        whole_pool=True,
    ),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """All scenarios, begun."""
    with stage(tmp_path_factory.mktemp("scenarios"), [prod(), calm()], THRESHOLDS, SCENARIOS) as made:
        yield made


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_is_raised(running: Stage, scenario: Scenario) -> None:
    print(f"{scenario.name}: {running.raises(scenario):.1f} s after its condition")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_clears_when_healed(running: Stage, scenario: Scenario) -> None:
    print(f"{scenario.name}: cleared {running.clears(scenario):.1f} s after it was healed")


def test_clone_trees_are_kept_and_healthy(running: Stage) -> None:
    [clones] = [one for one in running.watcher.get("srs", limit=100)["items"] if one["name"] == "clones"]
    assert clones["state"] in ("idle", "quiet")
    assert (clones["inner_pending"], clones["leaf_pending"], clones["kept"], clones["blocked"]) == (0, 0, 2, 0)

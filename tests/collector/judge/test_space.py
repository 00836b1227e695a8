from __future__ import annotations

import pytest
from chainwatch_collector.inventory.records import Vdi
from chainwatch_collector.judge.answer import Step
from collector.judge.scene import START, TIB, an_sr, disk, offline, quiet_pool
from smlog import SR, A, B, C, Smlog

SR_REF = "OpaqueRef:sr"


def refused_snapshot(log: Smlog, pid: int = 200, command: str = "vdi_snapshot") -> Smlog:
    log.sm(pid, f"{command} {{'sr_uuid': '{SR}', 'vdi_uuid': '{C}'}}")
    log.sm(pid, "Not enough space! free space: 1073741824, need: 10737418240")
    log.sm(pid, "Raising exception [44, There is insufficient space]")
    return log.sm(
        pid,
        f"***** generic exception: {command}: EXCEPTION <class 'xs_errors.SROSError'>, There is insufficient space",
        '  File "/opt/xensource/sm/SRCommand.py", line 372, in run',
        "",
    )


# --- SNAPSHOT_NO_SPACE --------------------------------------------------------------------------------------


def test_error_44_has_both_numbers() -> None:
    found = offline(refused_snapshot(Smlog()))["SNAPSHOT_NO_SPACE"]
    assert (found.severity, found.subject.uuid) == ("error", SR)
    assert "free: 1.0 GiB, needed: 10.0 GiB" in found.summary
    assert any("Not enough space!" in line.text for line in found.evidence)


def test_room_again_clears_it() -> None:
    scene = quiet_pool(srs={SR_REF: an_sr(physical_utilisation_bytes=TIB - (1 << 30))})
    scene.log(refused_snapshot(scene.smlog()))
    assert "SNAPSHOT_NO_SPACE" in scene.codes()
    scene.seen(srs={SR_REF: an_sr()})
    assert "SNAPSHOT_NO_SPACE" not in scene.codes()


def test_a_snapshot_that_goes_well_clears_it() -> None:
    log = refused_snapshot(Smlog()).tick(60)
    log.sm(201, f"vdi_snapshot {{'sr_uuid': '{SR}', 'vdi_uuid': '{C}'}}").tick(900)
    log.sm(202, f"sr_scan {{'sr_uuid': '{SR}'}}")
    assert offline(log) == {}


def test_snapshots_as_such_are_normal() -> None:
    log = Smlog().sm(201, f"vdi_snapshot {{'sr_uuid': '{SR}', 'vdi_uuid': '{C}'}}").tick(5)
    assert offline(log) == {}


# --- SR_FULL, SR_SPACE_LOW ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "code", "severity"),
    [
        (TIB // 2, None, ""),
        (TIB // 4, "SR_SPACE_LOW", "info"),
        (TIB // 20, "SR_SPACE_LOW", "warning"),
        (1 << 20, "SR_FULL", "error"),
    ],
)
def test_free_space(free: int, code: str | None, severity: str) -> None:
    scene = quiet_pool(srs={SR_REF: an_sr(physical_utilisation_bytes=TIB - free)})
    found = scene.look()
    if code is None:
        assert found == {}
    else:
        assert found[code].severity == severity
        assert len(found) == 1
    scene.seen(srs={SR_REF: an_sr()})
    assert scene.codes() == set()


def test_room_is_made_by_snapshots_that_are_named() -> None:
    def step(*disks: Vdi) -> Step:
        scene = quiet_pool(*disks, srs={SR_REF: an_sr(physical_utilisation_bytes=TIB)})
        return next(one for one in scene.look()["SR_FULL"].next if "Make room" in one.text)

    taken = disk(B, A, is_a_snapshot=True, name="before update", snapshot_time=START)
    assert "(snapshot 'before update' of 2026-11-22 (bbbbbbb2))" in step(disk(A, hidden=True), taken, disk(C, A)).text
    none = step(disk(C))
    assert "(the inventory shows none here)" in none.text
    assert none.command == f"chainwatch chain {SR}"


def test_low_is_a_warning_where_the_largest_merge_has_no_room() -> None:
    chain = (
        disk(A, hidden=True, allocated_blocks=100),
        disk(B, A, hidden=True, allocated_blocks=60_000, merged_blocks=150_000, virtual_size_bytes=2 * TIB),
        disk(C, B),
    )
    scene = quiet_pool(*chain, srs={SR_REF: an_sr(physical_utilisation_bytes=TIB - TIB // 5)})
    found = scene.look()["SR_SPACE_LOW"]
    assert found.severity == "warning"
    assert "needs" in found.summary


@pytest.mark.parametrize("fields", [{"type": "iso", "content_type": "iso"}, {"physical_size_bytes": 0}])
def test_srs_without_space_of_their_own_are_left_alone(fields: dict[str, object]) -> None:
    scene = quiet_pool(srs={SR_REF: an_sr(**{"physical_utilisation_bytes": TIB, **fields})})
    assert scene.codes() == set()


def test_enospc_of_a_file_sr_is_full() -> None:
    log = Smlog().sm(200, f"vdi_snapshot {{'sr_uuid': '{SR}', 'vdi_uuid': '{C}'}}")
    text = "Failed to clone VDI [opterr=VDI clone failed error 28]"
    log.sm(200, f"Raising exception [81, {text}]")
    log.sm(200, f"***** generic exception: vdi_snapshot: EXCEPTION <class 'xs_errors.SROSError'>, {text}", "")
    assert "SR_FULL" in offline(log)
    scene = quiet_pool().log(log)
    assert "SR_FULL" not in scene.codes()  # half of it is free again

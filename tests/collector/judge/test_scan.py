from __future__ import annotations

from collector.judge.scene import offline
from smlog import SR, B, Smlog, path


def gc_scan_fails(log: Smlog, pid: int) -> Smlog:
    """Three tries, then the run is over: in systemd mode without a word."""
    log.start(pid)
    for attempt in range(3):
        log.sm(pid, f"***** VHD scan error: vhd={path(B)} scan-error=-22 error-message='opening file'")
        log.gc(pid, f"Scan error on attempt {attempt}").tick(10)
    return log.gc(pid, "GC process exiting, no work left", "In cleanup")


def driver_scan_fails(log: Smlog, pid: int) -> Smlog:
    log.sm(pid, f"sr_scan {{'sr_uuid': '{SR}'}}", "Raising exception [40, The SR scan failed  [opterr=bad]]")
    return log.sm(
        pid,
        "***** generic exception: sr_scan: EXCEPTION <class 'xs_errors.SROSError'>, The SR scan failed  [opterr=bad]",
        '  File "/opt/xensource/sm/SRCommand.py", line 372, in run',
        "",
    )


def test_gc_that_used_up_its_tries_names_the_image() -> None:
    found = offline(gc_scan_fails(Smlog(), 100))
    assert found["SR_SCAN_FAILED"].severity == "error"
    assert B[:8] in found["SR_SCAN_FAILED"].summary
    assert found["SR_SCAN_FAILED"].because == (found["VDI_CORRUPT"].id,)
    assert found["GC_CRASHED"].because == (found["VDI_CORRUPT"].id,)


def test_two_driver_scans_in_a_row() -> None:
    log = driver_scan_fails(Smlog(), 200)
    assert offline(log) == {}
    assert "SR_SCAN_FAILED" in offline(driver_scan_fails(log.tick(30), 201))


def test_a_tree_clears_it() -> None:
    log = gc_scan_fails(Smlog(), 100).tick().start(110).chain(110).finish(110)
    assert offline(log) == {}


def test_a_driver_scan_that_kicks_the_gc_has_gone_through() -> None:
    log = driver_scan_fails(driver_scan_fails(Smlog(), 200).tick(30), 201).tick(30)
    log.sm(202, f"sr_scan {{'sr_uuid': '{SR}'}}", "Kicking GC")
    assert offline(log) == {}


def test_one_try_that_failed_is_normal() -> None:
    log = Smlog().start(100).gc(100, "Scan error on attempt 0").tick(5).chain(100).finish(100)
    assert offline(log) == {}

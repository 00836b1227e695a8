"""The reasons that SMlog hides, in daemon.log, kern.log, user.log and drbd-kern.log."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from chainwatch_collector.read.facts import Fact, GcEnded, Line, ParentMissing, SystemLogged
from chainwatch_collector.read.reader import HostReader
from smlog import SR, A, B, Smlog

UNIT = SR.replace("-", "\\x2d")


def daemon(exception: str, pid: int = 100) -> Smlog:
    log = Smlog().raw(f"systemd[1]: Starting Garbage Collector for SR {SR}...").tick()
    for text in (
        "All output goes to log",
        "Traceback (most recent call last):",
        '  File "/opt/xensource/sm/cleanup.py", line 4257, in <module>',
        "    main()",
        exception,
    ):
        log.raw(f"cleanup.py[{pid}]: {text}")
    log.raw(f"systemd[1]: SMGC@{UNIT}.service: main process exited, code=exited, status=1/FAILURE")
    return log.raw(f"systemd[1]: Failed to start Garbage Collector for SR {SR}.")


def hidden_crash() -> Smlog:
    return Smlog().start(100).tick(1).finish(100, clean=False)


def both(smlog: Smlog, other: Smlog, *, smlog_first: bool) -> tuple[HostReader, list[Fact]]:
    logs = [smlog.as_lines(), other.as_lines(log="/var/log/daemon.log", ordinal=1)]
    reader = HostReader("", UTC)
    facts = [fact for lines in (logs if smlog_first else logs[::-1]) for fact in reader.feed(lines)]
    return reader, [*facts, *reader.finish()]


@pytest.mark.parametrize("smlog_first", [True, False])
@pytest.mark.parametrize(
    ("exception", "outcome", "reason"),
    [
        (f"util.SMException: Parent VDI {A} of {B} not found", "crashed", "parent_missing"),
        ("util.SMException: Scan error", "crashed", "scan_failed"),
        ("XenAPI.Failure: ['HANDLE_INVALID', 'host_metrics', 'OpaqueRef:NULL']", "crashed", "xapi"),
        ("XenAPI.XenAPI.Failure: ['HOST_OFFLINE', 'OpaqueRef:1']", "crashed", "host_unreachable"),
        ("Exception: Not coalesceable, chain activated more than once", "crashed", "multi_attach"),
        ("cleanup.AbortException: Aborting due to signal", "aborted", None),
        (f"util.SMException: SR {SR} not attached on this host", "not_here", None),
    ],
)
def test_hidden_end_is_explained(exception: str, outcome: str, reason: str | None, *, smlog_first: bool) -> None:
    reader, facts = both(hidden_crash(), daemon(exception), smlog_first=smlog_first)
    (run,) = reader.runs
    assert (run.outcome, run.reason if outcome == "crashed" else None) == (outcome, reason)
    ends = [fact for fact in facts if isinstance(fact, GcEnded)]
    assert ends[-1].outcome == outcome
    if reason == "parent_missing":
        assert [(f.parent, f.child) for f in facts if isinstance(f, ParentMissing)] == [(A, B)]


def test_traceback_of_another_pid_explains_nothing() -> None:
    reader, _ = both(hidden_crash(), daemon("util.SMException: Scan error", pid=999), smlog_first=True)
    assert (reader.runs[0].outcome, reader.runs[0].reason) == ("crashed", "unknown")


def test_unit_lines_name_the_sr() -> None:
    _, facts = both(hidden_crash(), daemon("util.SMException: Scan error"), smlog_first=True)
    said = [(fact.what, fact.sr) for fact in facts if isinstance(fact, SystemLogged)]
    assert said == [("unit_started", SR), ("unit_failed", SR), ("unit_failed", SR)]


@pytest.mark.parametrize(
    ("text", "what", "device"),
    [
        ("kernel: [ 12.5] blk_update_request: I/O error, dev sdb, sector 2048", "io_error", "sdb"),
        ("kernel: [12.5] print_req_error: critical medium error, dev sdc, sector 1", "io_error", "sdc"),
        ("kernel: [12.5] Buffer I/O error on dev dm-3, logical block 5, lost async page write", "io_error", "dm-3"),
        ("kernel: [12.5] EXT4-fs (dm-3): Remounting filesystem read-only", "read_only", "dm-3"),
        ("kernel: [12.5] nfs: server nas1 not responding, timed out", "nfs_down", "nas1"),
        ("kernel: [12.5] nfs: server nas1 OK", "nfs_up", "nas1"),
        ("kernel: [12.5] device-mapper: multipath: Failing path 8:16.", "path_down", "8:16"),
        ("kernel: [12.5] Out of memory: Kill process 4242 (vhd-util) score 9", "oom", None),
        ("kernel: [12.5] drbd xcp-volume-1/0 drbd1000: disk( UpToDate -> Failed )", "drbd", "xcp-volume-1/0 drbd1000"),
        ("vhd-util: libvhd::vhd_validate_footer: /x.vhd: invalid footer cookie", "vhd_error", None),
        ("multipathd[812]: 3600a0980: remaining active paths: 1", "path_down", "3600a0980"),
    ],
)
def test_literals(text: str, what: str, device: str | None) -> None:
    reader = HostReader("", UTC)
    data = f"Nov 22 08:00:00 h {text}".encode()
    facts = reader.feed([Line("/var/log/kern.log", 0, 0, data, datetime(2026, 11, 22, 9, tzinfo=UTC))])
    assert [
        (fact.what, (fact.device or "").rstrip(",.") or None) for fact in facts if isinstance(fact, SystemLogged)
    ] == [(what, device.rstrip(",.") if device else None)]
    assert reader.lines_unknown == 0

"""The excerpts from the field (SMlog catalogue, appendix B): every line is understood, and says what it should."""

from __future__ import annotations

from datetime import UTC, datetime

from chainwatch_collector.read.facts import (
    Fact,
    Line,
    LockWaited,
    MergeCopyStarted,
    ScanFailed,
    SmErrorRaised,
    VdiCorrupt,
)
from chainwatch_collector.read.reader import HostReader

NOW = datetime(2027, 1, 3, tzinfo=UTC)


def read(text: str) -> tuple[HostReader, list[Fact]]:
    lines = [line.encode() for line in text.strip("\n").split("\n")]
    reader = HostReader("", UTC)
    facts = reader.feed(Line("SMlog", 0, number, data, NOW) for number, data in enumerate(lines))
    facts += reader.finish()
    assert reader.lines_unknown == 0, reader.unknown_shapes
    return reader, facts


def test_b1_three_pids_of_one_merge() -> None:
    vg = "/dev/VG_XenStorage-25e96f21-b8d3-f880-3df5-f71897c52429"
    child = "ad1f957a-9f60-48d0-8833-e7b7fd19dde5"
    _, facts = read(f"""
Nov 13 12:31:26 XS-08 SMGC: [13829] === SR 25e96f21-b8d3-f880-3df5-f71897c52429: gc ===
Nov 13 12:31:27 XS-08 SMGC: [13829] Coalescing *ad1f957a[VHD](1800.000G//2.500G|n) -> *cf4a78da[VHD](1800.000G//9.500G|n)
Nov 13 12:31:27 XS-08 SMGC: [13829]   Running VHD coalesce on *ad1f957a[VHD](1800.000G//2.500G|n)
Nov 13 12:31:27 XS-08 SM: [27829] ['/usr/bin/vhd-util', 'coalesce', '--debug', '-n', '{vg}/VHD-{child}']
Nov 13 12:32:14 XS-08 SM: [13829] ['/sbin/lvremove', '-f', '{vg}/coalesce_{child}_1']
""")
    copies = [(fact.child, fact.copier) for fact in facts if isinstance(fact, MergeCopyStarted)]
    assert copies == [("ad1f957a", None), (child, 27829)]


def test_b2_relink_journal_replayed_on_lvm() -> None:
    reader, _ = read("""
Jan  2 16:01:16 h SMGC: [3802739] Coalescing *85ff84a8[VHD](65.000G///33.836G|n) -> *cf4a78da[VHD](65.000G///52.555G|n)
Jan  2 16:01:16 h SMGC: [3802739] ==> Coalesce apparently already done: skipping
Jan  2 16:01:16 h SM: [3802739] lock: tried lock /var/lock/sm/1f74d512-a410-be6f-c816-8a1e43ea1801/sr, acquired: True (exists: True)
Jan  2 16:01:16 h SMGC: [3802739] Got sm-config for 568e74bb[VHD](65.000G///65.133G|n): {'relinking': 'True'}
Jan  2 16:01:16 h SMGC: [3802739] Set relinking = True for 568e74bb[VHD](65.000G///65.133G|n)
Jan  2 16:01:17 h SMGC: [3802739] Starting asynch srUpdate for SR 1f74d512-a410-be6f-c816-8a1e43ea1801
""")
    (run,) = reader.runs
    assert (run.start_seen, run.sr) == (False, "1f74d512-a410-be6f-c816-8a1e43ea1801")
    assert [(merge.child, merge.outcome) for merge in run.merges] == [("85ff84a8", "done")]


def test_b4_launcher_worker_and_superseded() -> None:
    sr = "d1b230d9-cf5d-1653-a6f8-8945d50c9e7e"
    reader, facts = read(f"""
Jul 29 16:37:09 ng02 SM: [27171] Failed to lock /var/lock/sm/.nil/lvm on first attempt, blocked by PID 27183
Jul 29 16:37:15 ng02 SMGC: [27623] === SR {sr}: gc ===
Jul 29 16:37:15 ng02 SMGC: [27716] Will finish as PID [27719]
Jul 29 16:37:15 ng02 SM: [27719] lock: closed /var/lock/sm/.nil/lvm
Jul 29 16:37:15 ng02 SMGC: [27623] New PID [27716]
Jul 29 16:37:15 ng02 SM: [27719] lock: opening lock file /var/lock/sm/{sr}/gc_active
Jul 29 16:37:15 ng02 SM: [27719] LVMCache created for VG_XenStorage-{sr}
Jul 29 16:37:15 ng02 SM: [27719] lock: tried lock /var/lock/sm/{sr}/gc_active, acquired: False (exists: True)
Jul 29 16:37:15 ng02 SMGC: [27719] Another GC instance already active, exiting
Jul 29 16:37:15 ng02 SMGC: [27719] SR d1b2 ('RAID10-HDD') (0 VDIs in 0 VHD trees): no changes
""")
    (run,) = reader.runs
    assert (run.outcome, run.launcher_pid, run.pid, run.sr) == ("superseded", 27623, 27719, sr)
    assert [(f.path, f.holder_pid) for f in facts if isinstance(f, LockWaited)] == [("/var/lock/sm/.nil/lvm", 27183)]


def test_worker_speaks_before_it_is_named() -> None:
    sr = "d1b230d9-cf5d-1653-a6f8-8945d50c9e7e"
    reader, _ = read(f"""
Jul 29 16:37:15 ng02 SMGC: [27623] === SR {sr}: gc ===
Jul 29 16:37:15 ng02 SM: [27719] lock: opening lock file /var/lock/sm/{sr}/gc_active
Jul 29 16:37:15 ng02 SMGC: [27719] Another GC instance already active, exiting
Jul 29 16:37:15 ng02 SMGC: [27716] Will finish as PID [27719]
Jul 29 16:37:15 ng02 SMGC: [27623] New PID [27716]
""")
    (run,) = reader.runs
    assert (run.outcome, run.launcher_pid, run.pid) == ("superseded", 27623, 27719)


def test_b6_harmless_cbt_probe_is_no_error() -> None:
    _, facts = read("""
Aug 21 10:19:19 rigel SM: [11707] Ignoring exception for LV check: /dev/VG_XenStorage-f951f048/7ef76d55.cbtlog !
""")
    assert facts == []


def test_b8_errors_of_driver_calls() -> None:
    sr = "f951f048-dfcb-8bab-8339-463e9c9b708c"
    _, facts = read(f"""
Aug 25 17:49:29 h SM: [30697] sr_scan {{'sr_uuid': '{sr}', 'command': 'sr_scan', 'session_ref': '******'}}
Aug 25 17:49:30 h SM: [30697] Raising exception [40, The SR scan failed  [opterr=uuid=7ef76d55-683d-430f-91e6-39e5cceb9ec1]]
Aug 25 17:49:30 h SM: [30697] ***** generic exception: sr_scan: EXCEPTION <class 'SR.SROSError'>, The SR scan failed  [opterr=uuid=7ef76d55-683d-430f-91e6-39e5cceb9ec1]
Aug 25 17:49:30 h SM: [30697]   File "/opt/xensource/sm/SRCommand.py", line 113, in run
Aug 25 17:49:30 h SM: [30697]
Aug 25 17:49:30 h SM: [30697] ***** RBD: EXCEPTION <class 'SR.SROSError'>, The SR scan failed  [opterr=uuid=7ef76d55-683d-430f-91e6-39e5cceb9ec1]
Aug 25 17:49:30 h SM: [30697]
""")
    errors = [fact for fact in facts if isinstance(fact, SmErrorRaised)]
    assert [(fact.code, fact.name, fact.command, fact.sr) for fact in errors] == [(40, "SRScan", "sr_scan", sr)]
    scans = [fact for fact in facts if isinstance(fact, ScanFailed)]
    assert [(fact.by, fact.final, fact.vdis) for fact in scans] == [
        ("driver", True, ("7ef76d55-683d-430f-91e6-39e5cceb9ec1",))
    ]


def test_an_error_that_sm_handled_itself_is_none() -> None:
    _, facts = read("""
Aug 25 17:49:29 h SM: [30697] vdi_attach {'sr_uuid': 'f951f048-dfcb-8bab-8339-463e9c9b708c', 'command': 'vdi_attach'}
Aug 25 17:49:30 h SM: [30697] Raising exception [46, The VDI is not available [opterr=once]]
Aug 25 17:49:31 h SM: [30697] lock: released /var/lock/sm/f951f048-dfcb-8bab-8339-463e9c9b708c/sr
""")
    assert [type(fact).__name__ for fact in facts] == ["SmCommandStarted"]


def test_upstream_prints_the_text_alone() -> None:
    _, facts = read("""
Aug 25 17:49:29 h SM: [30697] vdi_snapshot {'sr_uuid': 'f951f048-dfcb-8bab-8339-463e9c9b708c', 'command': 'vdi_snapshot'}
Aug 25 17:49:29 h SM: [30697] Not enough space! free space: 1024, need: 4096
Aug 25 17:49:30 h SM: [30697] ***** generic exception: vdi_snapshot: EXCEPTION <class 'sm.core.xs_errors.XenError'>, There is insufficient space
Aug 25 17:49:30 h SM: [30697]
""")
    (error,) = [fact for fact in facts if isinstance(fact, SmErrorRaised)]
    assert (error.code, error.command, error.free_bytes, error.need_bytes) == (44, "vdi_snapshot", 1024, 4096)


def test_b7_failed_command_on_two_lines() -> None:
    _, facts = read("""
Jun 25 13:15:28 h SM: [27322] FAILED in util.pread: (rc 5) stdout: '', stderr: '  Failed to find logical volume "x"
Jun 25 13:15:28 h SM: [27322] '
Jun 25 13:15:28 h SM: [27322] lock: released /var/lock/sm/.nil/lvm
""")
    assert facts == []


def test_b9_bad_image_of_a_scan() -> None:
    _, facts = read("""
Aug 14 12:09:03 h SM: [330] WARN: vhd scan failed: output: Invalid argument
Aug 14 12:09:03 h SM: [330] ***** VHD scan error: vhd=VHD-b7b8b6a2-6326-4402-9f95-96135bb1d2f7 scan-error=-22 error-message='failure opening header'
Aug 14 12:09:03 h SM: [330] Refcount for lvm-e6c74423-9152-b3b9-f503-efccde0e3edb:b7b8b6a2 (0, 1) + (0, -1) => (0, 0)
""")
    (bad,) = [fact for fact in facts if isinstance(fact, VdiCorrupt)]
    assert (bad.vdi, bad.sure) == ("b7b8b6a2-6326-4402-9f95-96135bb1d2f7", False)

"""The simulated dom0 logs as the real one: its runs read right, and no line shape is its own."""

from __future__ import annotations

import gzip
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from chainwatch_collector.read import record
from chainwatch_collector.read.facts import Line
from chainwatch_collector.read.reader import HostReader
from chainwatch_collector.read.shapes import shape
from corpora import CORPORA, NAMES, needs_corpora

from lab.dom0.gc import Collection, kick
from lab.dom0.host import Dom0Process, HostDirectory
from lab.dom0.images import Image, Images
from lab.dom0.rsyslog import Rsyslog
from lab.dom0.steps import Merged, Refused, Run, Say, Step, Wait

SR = "413c9052-5f70-4775-811c-741aa8558a69"
ROOT, MIDDLE, UPPER, LEAF = (f"{letter * 8}-0000-4000-8000-000000000001" for letter in "abcd")


def images() -> Images:
    """Root ← middle ← upper ← leaf: two inner merges, then a leaf merge."""
    sr = Images(SR)
    size = 8 << 30
    sr.add(
        Image(ROOT, None, True, size, frozenset(range(600))),
        Image(MIDDLE, ROOT, True, size, frozenset(range(500, 900))),
        Image(UPPER, MIDDLE, True, size, frozenset(range(300))),
        Image(LEAF, UPPER, False, size, frozenset(range(40))),
    )
    return sr


def play(steps: list[Step], log: Rsyslog, at: datetime | None = None) -> datetime:
    """In no time: the clock is moved on instead."""
    now = at or datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
    for step in steps:
        if isinstance(step, Say):
            log.say(step, now)
        elif isinstance(step, Wait | Run):
            now += timedelta(seconds=step.seconds)
    return now


def read(path: Path) -> HostReader:
    reader, offset = HostReader("", UTC), 0
    lines = []
    for data in path.read_bytes().splitlines(keepends=True):
        lines.append(Line("SMlog", 0, offset, data.rstrip(b"\n"), datetime(2026, 11, 22, 9, tzinfo=UTC), None))
        offset += len(data)
    reader.feed(lines)
    reader.finish()
    return reader


def told(tmp_path: Path, collection: Collection) -> tuple[HostReader, list[Step]]:
    steps = [*kick(SR, collection.pid - 1), *collection.steps()]
    with Rsyslog(tmp_path / "SMlog") as log:
        play(steps, log)
    return read(tmp_path / "SMlog"), steps


def test_a_healthy_run_merges_everything(tmp_path: Path) -> None:
    sr = images()
    reader, steps = told(tmp_path, Collection(sr, 18930))
    [run] = reader.runs
    assert (run.sr, run.outcome) == (SR, "worked")
    assert [(m.kind, m.child[:8], m.parent[:8], m.outcome) for m in run.merges] == [
        ("inner", MIDDLE[:8], ROOT[:8], "done"),
        ("inner", UPPER[:8], ROOT[:8], "done"),
        ("leaf", LEAF[:8], ROOT[:8], "done"),
    ]
    assert [step.kind for step in steps if isinstance(step, Merged)] == ["inner", "inner", "leaf"]
    assert list(sr.by_uuid) == [LEAF]
    assert reader.lines_unknown == 0


def test_a_corrupt_parent_fails_its_merges(tmp_path: Path) -> None:
    sr = images()
    sr.by_uuid[ROOT].corrupt = True
    reader, _ = told(tmp_path, Collection(sr, 18930, leaf_coalesce=False))
    [run] = reader.runs
    assert run.outcome == "failed"
    assert ("inner", "failed", "corrupt") in [(m.kind, m.outcome, m.cause) for m in run.merges]


def test_no_room_is_refused_and_told(tmp_path: Path) -> None:
    sr = images()
    sr.free_bytes = 10 << 20
    reader, steps = told(tmp_path, Collection(sr, 18930))
    assert reader.runs[0].merges[0].outcome == "no_space"
    assert Refused(SR) in steps


@pytest.mark.parametrize(
    ("faults", "merge"),
    [
        ({"no_space_in_copy": True}, ("inner", "no_space", "no_space")),
        ({"guest_writes": True}, ("leaf", "gave_up", "guest_writes")),
        ({"several_hosts": True}, ("inner", "failed", "multi_attach")),
    ],
)
def test_merges_that_do_not_end_well(
    tmp_path: Path, faults: dict[str, bool], merge: tuple[str, str, str | None]
) -> None:
    reader, _ = told(tmp_path, Collection(images(), 18930, **faults))  # type: ignore[arg-type]
    assert merge in [(found.kind, found.outcome, found.cause) for found in reader.runs[0].merges]


def test_a_member_that_does_not_answer_ends_the_run(tmp_path: Path) -> None:
    reader, _ = told(tmp_path, Collection(images(), 18930, unreachable_host="OpaqueRef:1234"))
    assert (reader.runs[0].outcome, reader.runs[0].reason) == ("crashed", "host_unreachable")


def test_a_journal_is_undone(tmp_path: Path) -> None:
    sr = images()
    del sr.by_uuid[MIDDLE], sr.by_uuid[UPPER]
    sr.by_uuid[LEAF].parent = ROOT
    reader, _ = told(tmp_path, Collection(sr, 18930, undoes=LEAF))
    assert reader.runs[0].outcome == "worked"
    assert reader.lines_unknown == 0


@pytest.mark.parametrize(
    ("faults", "outcome"),
    [({"crash": True}, "crashed"), ({"disabled": True}, "disabled"), ({"killed_in_copy": True}, "running")],
)
def test_runs_that_do_not_end_well(tmp_path: Path, faults: dict[str, bool], outcome: str) -> None:
    reader, _ = told(tmp_path, Collection(images(), 18930, **faults))  # type: ignore[arg-type]
    assert reader.runs[0].outcome == outcome


READ_IN_SM = {
    "Checking with slave: ('<s>', '<s>', '<s>', {'<s>': '<s>'})": "T17, cleanup.py: FileSR._checkSlave",
    "gc: EXCEPTION <class '<s>'>, ['<s>', '<s>']": "E3 with tag gc, cleanup.py: gc(), Util.logException",
    "gc: EXCEPTION <class '<s>'>, Not coalesceable, chain activated more than once": "E3 of C15, since 3.2.12-17.2",
    "Not coalesceable, chain activated more than once": "C15, cleanup.py: VDI._doCoalesce, since 3.2.12-17.2",
    "Coalesce failed on SR <uuid>: No space left on device (Run out of space while coalescing.)": (
        "C26, cleanup.py: VDI._reportCoalesceError"
    ),
    "Child process failed with : (No space left on device)": "C21, cleanup.py: Util.runAbortable",
    "This exception has occured: EXCEPTION <class '<s>'>, No space left on device": "E3 of the child, after C21",
}
"""Line shapes that no real log here has: their id in the SMlog catalogue, and where SM prints them.

Each was compared with the catalogue's text: ident, wording, pid (C21, C26 and their E3 are the child's), and order. For
the last three the order is that of a real log of the same failure with another error.
"""
ALL_FAULTS: tuple[dict[str, Any], ...] = (
    {},
    {"crash": True},
    {"disabled": True},
    {"leaf_coalesce": False},
    {"no_space_in_copy": True},
    {"guest_writes": True},
    {"several_hosts": True},
    {"unreachable_host": "OpaqueRef:6f8f4664-a12f-971e-a1b2-bbabb74e511b"},
    {"undoes": LEAF},
)


@needs_corpora
@pytest.mark.corpora
def test_every_line_shape_is_a_real_one(tmp_path: Path) -> None:
    real = {shape_of(line) for name in NAMES for line in (CORPORA / name / "SMlog").read_bytes().splitlines()}
    for number, faults in enumerate(ALL_FAULTS):
        for spoilt in ("", "corrupt", "footer_lost"):
            sr = images()
            if spoilt:
                setattr(sr.by_uuid[ROOT], spoilt, True)
            sr.free_bytes = 1 << 40 if number else 700 << 20
            told(tmp_path, Collection(sr, 18930, **faults))
    ours = {shape_of(line) for line in (tmp_path / "SMlog").read_bytes().splitlines()}
    assert ours - real == set(READ_IN_SM), sorted((ours - real) ^ set(READ_IN_SM))


def shape_of(line: bytes) -> str:
    parsed = record.parse(line)
    assert parsed is not None
    return re.sub(r"<n>[GMK]\b", "<size>", shape(parsed.msg))


def test_rsyslog_writes_blocks_cuts_and_reduces(tmp_path: Path) -> None:
    at = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
    log = Rsyslog(tmp_path / "SMlog")
    for _ in range(3):
        log.line("SM: [7] lock: opening lock file /var/lock/sm/x/sr", at)
    assert (tmp_path / "SMlog").read_bytes() == b""
    log.line("SM: [7] " + "x" * 9000, at)
    assert (tmp_path / "SMlog").stat().st_size == 8192
    log.close()
    first, repeated, cut = (tmp_path / "SMlog").read_bytes().splitlines()
    assert first == b"Nov  2 08:00:00 xcp-lab1 SM: [7] lock: opening lock file /var/lock/sm/x/sr"
    assert repeated.endswith(b"SM: message repeated 2 times: [ [7] lock: opening lock file /var/lock/sm/x/sr]")
    assert len(cut) == 8191


def test_rotation_goes_on_in_the_old_inode_until_the_hup(tmp_path: Path) -> None:
    log = Rsyslog(tmp_path / "SMlog", block_bytes=0)
    log.line("SM: [7] one")
    log.rotate()
    log.line("SM: [7] two")
    log.rename()
    log.line("SM: [7] three")
    assert not (tmp_path / "SMlog").exists()
    log.hup()
    log.line("SM: [7] four")
    log.close()
    assert gzip.decompress((tmp_path / "SMlog.2.gz").read_bytes()).endswith(b"one\n")
    assert [line[-5:] for line in (tmp_path / "SMlog.1").read_bytes().splitlines()] == [b"] two", b"three"]
    assert (tmp_path / "SMlog").read_bytes().endswith(b"four\n")


def test_a_dom0_runs_real_copies_with_the_real_argv(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    host = Dom0Process(HostDirectory(tmp_path / "h", "xcp-1", "40a1f9b0-0000-4000-8000-000000000001"), [], heard.append)
    host.start()
    try:
        done = host.tell(do="collect", sr=two_images(), faults={"bytes_per_second": 10e6})
        argv = None
        while argv is None and not done.is_set():
            argv = image_process(tmp_path / "h/proc")
        assert argv == ["/usr/bin/vhd-util", "coalesce", "--debug", "-n", f"/var/run/sr-mount/{SR}/{LEAF}.vhd"]
        assert done.wait(60)
    finally:
        host.stop()
    assert [message["merged"]["kind"] for message in heard] == ["leaf"]
    assert read(tmp_path / "h/var/log/SMlog").runs[0].outcome == "worked"


def two_images() -> dict[str, Any]:
    images = [
        {"uuid": ROOT, "parent": None, "hidden": True, "virtual_bytes": 8 << 30, "blocks": [0, 20]},
        {"uuid": LEAF, "parent": ROOT, "hidden": False, "virtual_bytes": 8 << 30, "blocks": [0, 4]},
    ]
    return {"uuid": SR, "images": images}


def test_a_stalled_copy_goes_on_when_told_and_no_process_outlives_the_power(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    directory = HostDirectory(tmp_path / "h", "xcp-1", "40a1f9b0-0000-4000-8000-000000000001")
    host = Dom0Process(directory, [], heard.append, scale=0.1)
    host.start()
    try:
        done = host.tell(do="collect", sr=two_images(), faults={"stalls_in_copy": True})
        assert not done.wait(2)
        assert image_process(tmp_path / "h/proc") is not None
        assert host.tell(do="log", log="kern.log", text="kernel: [1.0] nfs: server filer OK").wait(10)
        assert host.tell(do="go_on").wait(10)
        assert done.wait(20)
        assert [message["merged"]["kind"] for message in heard] == ["leaf"]
        host.tell(do="collect", sr=two_images(), faults={"stalls_in_copy": True}).wait(1)
    finally:
        host.power_off()
    assert image_process(tmp_path / "h/proc") is None
    assert (tmp_path / "h/var/log/kern.log").read_text().endswith("nfs: server filer OK\n")


def image_process(proc: Path) -> list[str] | None:
    """As the machine sees it: a namespace's own /proc is not mounted out here."""
    for directory in (Path("/proc") if not any(proc.iterdir()) else proc).glob("[0-9]*"):
        try:
            argv = (directory / "cmdline").read_bytes().decode().split("\0")[:-1]
        except OSError:
            continue
        if argv and argv[0] == "/usr/bin/vhd-util" and SR in argv[-1]:
            return argv
    return None

"""Backups that go well and wrong on two pools at once: what the collector says of each, and of whom it says nothing.

Every expected finding is written by hand from what is done (`backup_course.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from collector.backups.test_xo_rest import TOKEN, Handler, Orchestra, url
from e2e.backup_course import EXPORT, THRESHOLDS, Course, an_hour_ago, build_dr, build_prod, wait
from lab.collector_process import CollectorProcess
from lab.pki import Pki
from lab.stage import Finding, Watcher
from lab.xapi.handle import lab_pool

PATIENCE_SECONDS = 60.0
PREFIX = "BACKUP_"
Findings = dict[tuple[str, str], Finding]
"""(code, subject's name) → finding."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """`late`: done while the collector runs; nothing is said before. No code: nothing is ever said."""

    name: str
    subject: str
    code: str = ""
    severity: str = "warning"
    says: tuple[str, ...] = ()
    late: bool = False


ROWS = (
    Row(name="a healthy export", subject=EXPORT.format("healthy")),
    Row(name="a slow export", subject=EXPORT.format("slow")),
    Row(
        name="a stalled export",
        subject=EXPORT.format("stalled"),
        code="BACKUP_STALLED",
        says=("progress and its bytes have stood still", "at 40"),
    ),
    Row(
        name="a ghost of a dead host",
        subject="Export of VM: dead host",
        code="BACKUP_STALLED",
        says=("is a ghost", "host xcp3, which ran it, is not live"),
    ),
    Row(
        name="a ghost of a host that is gone",
        subject="Export of VM: gone host",
        code="BACKUP_STALLED",
        says=("is a ghost", "no longer in the pool"),
    ),
    Row(name="a replica that is there", subject="kept"),
    Row(
        name="a deleted replica",
        subject="deleted",
        code="BACKUP_BASE_MISSING",
        says=("job 'to-dr'", "the replica of its base is gone", "'[XO Backup to-dr] deleted'", "deleted first"),
        late=True,
    ),
    Row(
        name="a disk added since",
        subject="archive",
        code="BACKUP_BASE_MISSING",
        says=("job 'to-nas'", "1 disk was added since", "about 32.0 PiB"),
    ),
    Row(
        name="a pattern emptied by power state",
        subject="by-power",
        code="BACKUP_PATTERN_EMPTY",
        says=('clause power_state = "Running" takes away all 1 VM',),
        late=True,
    ),
    Row(
        name="a pattern emptied by tag",
        subject="by-tag",
        code="BACKUP_PATTERN_EMPTY",
        says=('clause tags = {"__or": [["gold"]]} takes away all',),
        late=True,
    ),
    Row(
        name="a pattern emptied by a lost pool",
        subject="by-pool",
        code="BACKUP_PATTERN_EMPTY",
        says=("Xen Orchestra is not connected to pool 'dr', where 1 VM would match",),
    ),
    Row(name="a remote with room", subject="roomy"),
    Row(
        name="a remote with less room than the next run needs",
        subject="nas",
        code="BACKUP_TARGET_FULL",
        severity="error",
        says=("of to-nas", "free, and the next run exports 32.0 PiB whole"),
    ),
    Row(
        name="a remote that is full and not mounted here",
        subject="tape",
        code="BACKUP_TARGET_FULL",
        severity="error",
        says=("of to-tape", "ended with ENOSPC at"),
    ),
    Row(name="a job that runs", subject="fine"),
    Row(
        name="a job skipped for a week",
        subject="skipped",
        code="BACKUP_OVERDUE",
        severity="error",
        says=("by job 'skipped' since", "7 runs missed", "7 runs were skipped"),
    ),
)

SENTENCES = {
    "fine": ("backs up 1 VM; its whole window has room on every SR.",),
    "to-dr": ("backs up 2 VMs", "1 VM will be exported whole"),
    "to-nas": ("its window needs", "1 VM will be exported whole, 32.0 PiB", "the next run exports 32.0 PiB whole"),
    "to-tape": ("backs up 1 VM", "Backup target 'tape' of to-tape: a run ended with ENOSPC"),
    "by-power": ("matches no VM: clause power_state",),
    "by-pool": ("matches no VM: Xen Orchestra is not connected to pool 'dr'",),
}


@dataclass
class Seen:
    """What the collector said, from moment to moment, before the deeds and after its restart.

    `jobs`: name → its verdict's sentence.
    """

    before: list[Findings]
    after: list[Findings]
    tasks: dict[str, Any]
    jobs: dict[str, str]
    log: str
    writes: list[str]


def of_backups(findings: list[Finding]) -> Findings:
    return {(one["code"], one["subject"]["name"]): one for one in findings if one["code"].startswith(PREFIX)}


def are_open(rows: list[Row]) -> Callable[[list[Finding]], bool]:
    wanted = {(row.code, row.subject) for row in rows if row.code}
    return lambda findings: wanted <= of_backups(findings).keys()


@contextmanager
def serving(answers: dict[str, Any]) -> Iterator[Orchestra]:
    """Xen Orchestra's REST API."""
    with Orchestra(("127.0.0.1", 0), Handler) as server:
        server.answers, server.asked = answers, []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def settings(orchestra: Orchestra, directory: Path) -> str:
    return (
        f'[xen_orchestra]\nurl = "{url(orchestra)}"\ntoken_file = "xo.token"\n'
        f'mounts = {{ nas = "{directory}", roomy = "{directory}" }}\n{THRESHOLDS}'
    )


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[Seen]:
    directory = tmp_path_factory.mktemp("backups")
    with (
        lab_pool("xcp1", "xcp2", "xcp3", build=build_prod, name="prod") as prod,
        lab_pool("dr1", build=build_dr, name="dr") as dr,
    ):
        course = Course(prod, dr, an_hour_ago())
        tasks = course.begin_exports()
        course.replicate("kept")
        course.replicate("deleted")
        course.add_archive_disk()
        with serving(course.orchestra()) as orchestra:
            collector = CollectorProcess(directory / "collector", pki, extra=settings(orchestra, directory))
            course.configure(collector)
            secret = collector.directory / "xo.token"
            secret.write_text(TOKEN)
            secret.chmod(0o600)
            yield run(course, collector, tasks["healthy"])


def run(course: Course, collector: CollectorProcess, healthy: str) -> Seen:
    """The deeds while it runs, then a restart: it looks anew at once, and clears nothing of what it said."""
    progress = iter(range(400, 1000))

    def goes_on() -> None:
        course.prod.do("set_fields", class_name="task", name_or_ref=healthy, progress=next(progress) / 1000)

    with watched(collector) as before:
        wait(before, are_open([row for row in ROWS if not row.late]), goes_on, PATIENCE_SECONDS)
        settled = list(before.timeline)
        course.deeds()
    with watched(collector) as after:
        wait(after, are_open(list(ROWS)), goes_on, PATIENCE_SECONDS)
        tasks = {one["name"]: one for one in after.get("tasks")["items"]}
        jobs = {name: after.get("verdict", job=name)["job"]["sentence"] for name in SENTENCES}
    writes = [*course.prod.writes_called, *course.dr.writes_called]
    said = [of_backups(list(one.findings)) for one in settled]
    said_after = [of_backups(list(one.findings)) for one in after.timeline]
    return Seen(said, said_after, tasks, jobs, collector.log.read_text(), writes)


@contextmanager
def watched(collector: CollectorProcess) -> Iterator[Watcher]:
    """It runs and is asked all the time."""
    collector.start()
    try:
        with Watcher(f"https://127.0.0.1:{collector.web_port}", collector.pki.ca) as watcher:
            yield watcher
    finally:
        status = collector.stop()
    assert status == 0


@pytest.mark.parametrize("row", [row for row in ROWS if row.code], ids=lambda row: row.name)
def test_what_goes_wrong_is_said(seen: Seen, row: Row) -> None:
    key = row.code, row.subject
    assert (key in seen.before[-1]) is not row.late
    finding = seen.after[-1][key]
    assert finding["severity"] == row.severity
    assert [words for words in row.says if words not in finding["summary"]] == [], finding["summary"]


@pytest.mark.parametrize("row", [row for row in ROWS if not row.code], ids=lambda row: row.name)
def test_of_what_goes_well_nothing_is_ever_said(seen: Seen, row: Row) -> None:
    moments = (*seen.before, *seen.after)
    assert [one["summary"] for said in moments for (_, name), one in said.items() if name == row.subject] == []


def test_nothing_else_is_said_of_backups(seen: Seen) -> None:
    expected = {(row.code, row.subject) for row in ROWS if row.code}
    assert {key for said in (*seen.before, *seen.after) for key in said} == expected


@pytest.mark.parametrize("row", [row for row in ROWS if row.code and not row.late], ids=lambda row: row.name)
def test_a_restart_clears_nothing(seen: Seen, row: Row) -> None:
    key = row.code, row.subject
    pool = seen.before[-1][key]["pool_uuid"]
    moments = [said for said in seen.after if pool in {one["pool_uuid"] for one in said.values()}]
    assert [said.keys() for said in moments if key not in said] == []
    assert seen.after[-1][key]["since"] == seen.before[-1][key]["since"]


def test_tasks_say_who_moves(seen: Seen) -> None:
    told = {name: (one["kind"], one["moving"], bool(one["ghost"])) for name, one in seen.tasks.items()}
    assert told == {
        EXPORT.format("healthy"): ("export", True, False),
        EXPORT.format("slow"): ("export", True, False),
        EXPORT.format("stalled"): ("export", False, False),
        "Export of VM: dead host": ("export", False, True),
        "Export of VM: gone host": ("export", False, True),
    }


@pytest.mark.parametrize("job", SENTENCES)
def test_a_jobs_verdict_says_whether_it_will_work(seen: Seen, job: str) -> None:
    assert [words for words in SENTENCES[job] if words not in seen.jobs[job]] == [], seen.jobs[job]


def test_the_collector_only_reads_and_keeps_its_token(seen: Seen) -> None:
    assert seen.writes == []
    assert "Traceback" not in seen.log
    assert TOKEN not in seen.log

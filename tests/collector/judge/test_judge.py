from __future__ import annotations

import json

from chainwatch_collector.judge import families
from chainwatch_collector.judge.catalogue import CATALOGUE
from chainwatch_collector.judge.judge import Judge, restored_ledger
from chainwatch_collector.judge.ledger import Ledger
from collector.judge.scene import START, pending_chain, quiet_pool

ELSEWHERE = {
    "BACKUP_BASE_MISSING",
    "BACKUP_OVERDUE",
    "BACKUP_PATTERN_EMPTY",
    "BACKUP_STALLED",
    "BACKUP_TARGET_FULL",
    "CBT_BROKEN",
    "CERTIFICATE_EXPIRING",
    "COALESCE_BEHIND",
    "COALESCE_SLOW",
    "SR_FULL_SOON",
}
"""Codes of the catalogue that need history or a backup software's own data."""


def test_every_code_is_of_the_catalogue_and_nearly_all_of_it_is_raised() -> None:
    assert families.codes() <= set(CATALOGUE)
    assert set(CATALOGUE) - families.codes() <= ELSEWHERE


def test_rows_only_when_something_changed() -> None:
    scene = quiet_pool(*pending_chain())
    scene.log(scene.smlog().start(100).chain(100).finish(100, clean=False))
    scene.look()
    assert scene.last is not None
    assert [row.code for row in scene.last.findings] == ["GC_CRASHED"]
    assert [row.change for row in scene.last.transitions] == ["raised"]
    json.dumps(scene.last.findings[0].body)
    json.dumps(scene.last.transitions[0].body)
    scene.look()
    assert (scene.last.findings, scene.last.transitions) == ((), ())
    scene.log(scene.smlog().start(110).chain(110).finish(110))
    scene.look()
    assert [(row.code, row.cleared_at is not None) for row in scene.last.findings] == [("GC_CRASHED", True)]
    assert [row.change for row in scene.last.transitions] == ["cleared"]


def test_restored_ledger_keeps_the_first_time_and_raises_nothing_anew() -> None:
    scene = quiet_pool(*pending_chain())
    scene.log(scene.smlog().start(100).chain(100).finish(100, clean=False))
    first = scene.look()["GC_CRASHED"]
    assert scene.last is not None
    stored = scene.last.findings
    scene.wait(1000)
    scene.ledger, scene.judge = restored_ledger(stored), Judge()
    again = scene.look()["GC_CRASHED"]
    assert scene.last.transitions == ()
    assert (again.id, again.since) == (first.id, first.since)
    scene.log(scene.smlog().start(110).chain(110).finish(110))
    assert "GC_CRASHED" not in scene.codes()


def test_rows_of_another_make_are_raised_anew() -> None:
    scene = quiet_pool(*pending_chain())
    scene.log(scene.smlog().start(100).chain(100).finish(100, clean=False))
    scene.look()
    assert scene.last is not None
    broken = [row._replace(body={}) for row in scene.last.findings]
    assert restored_ledger(broken).entries == Ledger().entries


def test_findings_have_steps_evidence_and_a_summary_that_ends() -> None:
    scene = quiet_pool(*pending_chain())
    scene.log(scene.smlog().start(100).chain(100).finish(100, clean=False))
    found = scene.look()["GC_CRASHED"]
    assert found.next
    assert found.summary.endswith(".")
    assert found.evidence[0].source.startswith("xcp1:/var/log/SMlog")
    assert found.since >= START


def test_answers_list_the_runs_of_every_sr() -> None:
    scene = quiet_pool(*pending_chain())
    scene.log(scene.smlog().start(100).chain(100).inner_start(100).copy(101).tick(60))
    scene.look()
    assert scene.last is not None
    run = scene.last.answer.runs[0]
    assert (run.outcome, run.merges[0].outcome) == ("running", "running")
    assert scene.sr().state == "running"

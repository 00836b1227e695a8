"""`why SR` over scenes of a pool and over logs alone: the lines in their order, the conclusion, what proves it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from chainwatch_collector.diagnose.answer import tracked
from chainwatch_collector.diagnose.offline import Options, read_paths
from chainwatch_collector.diagnose.sources import zone_named
from chainwatch_collector.judge.answer import Answer
from chainwatch_collector.judge.checklist import Check, Subject, Why
from chainwatch_collector.judge.judge import Judge
from chainwatch_collector.judge.ledger import Ledger
from chainwatch_collector.judge.why import why
from chainwatch_collector.read.reader import HostReader
from chainwatch_collector.track.tracker import PoolTracker
from collector.judge.pages import asked, finding, line, worked
from collector.judge.scene import (
    GIB,
    MASTER,
    MEMBER,
    SR_REF,
    TIB,
    a_host,
    a_pbd,
    an_sr,
    disk,
    pending_chain,
    process,
    quiet_pool,
)
from corpora import CORPORA, NAMES, expected, needs_corpora
from smlog import SR, A, B, C, Smlog, path
from smlog import disk as printed

SR_LINES = [
    "pool reachable",
    "agent on the GC host reporting",
    "log known",
    "SR attached on the GC host",
    "GC host up and enabled",
    "storage answers",
    "scan works",
    "gc, coalesce, leaf-coalesce on",
    "last GC run",
    "what the run waits for",
    "merges to do",
    "free space for the next merge",
    "merge running",
    "failed merges",
    "chain depth",
]


# --- SR -------------------------------------------------------------------------------------------------------


def test_a_root_that_only_xenapi_shows_is_proved_by_what_it_does() -> None:
    scene = quiet_pool(*pending_chain(), srs={SR_REF: an_sr(physical_utilisation_bytes=TIB)})
    scene.log(scene.smlog().start(100).chain(100).gc(100, f"No space to coalesce {printed(B)} (free space: 0)"))
    scene.log(scene.smlog().finish(100))
    page = asked(scene, "sr", SR, "store")
    assert page.code == "SR_FULL"
    assert "No space to coalesce" in page.evidence[0].text


def test_the_lines_come_in_the_order_of_a_seasoned_engineer() -> None:
    assert [check.name for check in asked(worked(quiet_pool())).checks] == SR_LINES


def test_a_healthy_sr_is_fine_and_its_last_run_proves_it() -> None:
    scene = quiet_pool()
    scene.log(scene.smlog().start(100).tree(100, (0, printed(C, hidden=False))).finish(100))
    page = asked(scene)
    assert (page.status, page.code, page.findings) == ("ok", None, ())
    assert page.sentence == "store is fine: nothing to merge."
    assert {check.status for check in page.checks} <= {"ok", "skipped"}
    assert "found nothing to merge" in line(page, "last GC run").detail
    assert [one.text.split("] ")[-1] for one in page.evidence] == [
        f"=== SR {SR}: gc ===",
        "GC process exiting, no work left",
    ]
    assert page.as_of == scene.now


def test_no_room_to_merge_is_the_reason_and_the_line_proves_it() -> None:
    scene = quiet_pool(*pending_chain())
    refused = f"No space to coalesce {printed(B)} (free space: 1048576)"
    scene.log(scene.smlog().start(100).chain(100).gc(100, refused).finish(100))
    page = asked(scene)
    assert page.sentence == "store is NOT coalescing: no room to merge."
    assert (page.status, page.code) == ("error", "COALESCE_NO_SPACE")
    assert line(page, "free space for the next merge").status == "error"
    assert line(page, "merge running") == Check(
        "merge running", "skipped", "not expected, blocked above: free space for the next merge"
    )
    assert refused in page.evidence[0].text
    assert page.findings[0].startswith("COALESCE_NO_SPACE")


def test_a_corrupt_image_is_no_failed_scan() -> None:
    scene = quiet_pool(*pending_chain())
    log = scene.smlog().start(100).chain(100).gc(100, f"Coalescing {printed(B)} -> {printed(A)}")
    log.sm(100, f"['/usr/bin/vhd-util', 'check', '--debug', '-n', '{path(B)}']").failed_command(100, 22, "clobbers")
    log.banner(100, "coalesce", f"VHD {printed(B)} corrupted").gc(100, "Coalesce failed, skipping")
    page = asked(scene.log(log.updated(100).finish(100)))
    assert page.code == "VDI_CORRUPT"
    assert line(page, "scan works").status == "ok"
    assert line(page, "failed merges").status == "error"


def test_merges_pending_and_no_run() -> None:
    scene = quiet_pool(*pending_chain())
    scene.look()
    page = asked(scene.wait(1801))
    assert page.sentence == "store is NOT coalescing: merges are pending and no GC run starts."
    assert line(page, "last GC run").status == "error"
    assert line(page, "scan works").status == "unknown"
    assert "1 inner and 1 leaf pending, the oldest for 30 min" in line(page, "merges to do").detail


def test_a_merge_that_runs_shows_how_far_it_is() -> None:
    todo = (disk(A, hidden=True), disk(B, A, hidden=True, allocated_blocks=4096, merged_blocks=4096), disk(C, B))
    scene = quiet_pool(*todo)
    scene.log(scene.smlog().start(100).chain(100).inner_start(100).copy(101))
    scene.processes = {MASTER: (process(written=GIB),)}
    scene.look()
    scene.wait(100)
    scene.processes = {MASTER: (process(written=2 * GIB),)}
    page = asked(scene)
    told = line(page, "merge running")
    assert told.status == "ok"
    assert "2.0 GiB of 8.0 GiB" in told.detail
    assert "left" in told.detail
    assert page.sentence == "store is coalescing: a GC run is at work."
    assert "copies the data of a merge" in line(page, "what the run waits for").detail


def test_a_merge_that_nobody_sees_is_unknown() -> None:
    scene = quiet_pool(*pending_chain())
    scene.log(scene.smlog().start(100).chain(100).inner_start(100).copy(101))
    told = line(asked(scene), "merge running")
    assert told.status == "unknown"
    assert "inner merge of bbbbbbb2 into aaaaaaa1" in told.detail


def test_a_silent_agent_makes_unknown_and_not_ok() -> None:
    scene = worked(quiet_pool(*pending_chain()))
    scene.look()
    scene.agents = set()
    page = asked(scene.wait(300))
    assert page.sentence == "Whether store coalesces is not known: an agent has stopped reporting (xcp1)."
    assert (page.status, page.code) == ("error", "AGENT_SILENT")
    rests_on_the_log = ("log known", "storage answers", "last GC run", "what the run waits for", "merge running")
    for name in (*rests_on_the_log, "failed merges"):
        assert line(page, name).status == "unknown", name
    assert line(page, "SR attached on the GC host").status == "ok"


def test_without_any_agent_nothing_of_the_log_is_called_well() -> None:
    scene = quiet_pool(*pending_chain())
    scene.agents = set()
    page = asked(scene)
    assert page.status in ("unknown", "error")
    assert "not known" in page.sentence
    assert line(page, "last GC run").status == "unknown"


def test_a_pool_that_cannot_be_asked() -> None:
    scene = worked(quiet_pool())
    scene.look()
    scene.seen(problem="connection refused", problem_since=scene.now)
    page = asked(scene.wait(120))
    assert line(page, "pool reachable").status == "error"
    assert "connection refused" in line(page, "pool reachable").detail
    assert page.status in ("unknown", "error")


def test_an_sr_that_is_detached_on_its_gc_host() -> None:
    scene = worked(quiet_pool(*pending_chain()))
    off = [a_pbd(MASTER, currently_attached=False), a_pbd(MEMBER)]
    scene.seen(pbds={pbd.ref: pbd for pbd in off})
    assert line(asked(scene), "SR attached on the GC host").status != "ok"
    page = asked(scene.wait(400))
    assert line(page, "SR attached on the GC host").status == "error"
    assert page.code == "SR_DETACHED"


def test_a_gc_host_in_maintenance_is_told_without_alarm() -> None:
    hosts = (a_host(MASTER, enabled=False), a_host(MEMBER))
    page = asked(worked(quiet_pool(hosts={host.ref: host for host in hosts})))
    assert line(page, "GC host up and enabled") == Check(
        "GC host up and enabled", "info", "xcp1 is disabled (maintenance): SM waits until it is enabled"
    )
    assert page.status == "ok"


def test_a_switch_that_is_off() -> None:
    scene = worked(quiet_pool(*pending_chain(), srs={SR_REF: an_sr(other_config={"gc": "false"})}))
    page = asked(scene.wait(60))
    assert line(page, "gc, coalesce, leaf-coalesce on").status == "warning"
    assert page.code == "GC_DISABLED"
    assert page.sentence == "store is NOT coalescing: garbage collection or coalesce is switched off."


def test_a_switch_that_is_off_and_holds_nothing_back_is_only_told() -> None:
    page = asked(worked(quiet_pool(srs={SR_REF: an_sr(other_config={"gc": "false"})})))
    assert line(page, "gc, coalesce, leaf-coalesce on").status == "info"
    assert page.status == "ok"


def test_a_run_that_crashed_says_why() -> None:
    scene = quiet_pool(*pending_chain())
    log = scene.smlog().start(100).chain(100)
    log.banner(100, "gc", "Unable to acquire the SR lock").gc(100, f"* * * * * SR {SR}: ERROR", "")
    scene.log(log.finish(100, clean=False))
    page = asked(scene)
    assert page.code == "GC_CRASHED"
    assert line(page, "last GC run").status in ("error", "warning")
    assert "was ended by an error" in line(page, "last GC run").detail
    assert "NOT coalescing" in page.sentence


def test_a_long_chain_of_kept_snapshots_is_no_failure_of_coalesce() -> None:
    chain = [disk("a0000000-0000-4000-8000-000000000000", hidden=True)]
    for number in range(1, 25):
        parent = chain[-1].uuid if number == 1 else f"a{number - 1:07d}-0000-4000-8000-000000000000"
        uuid = f"a{number:07d}-0000-4000-8000-000000000000"
        snapshot = f"b{number:07d}-0000-4000-8000-000000000000"
        chain += [disk(uuid, parent, hidden=number < 24), disk(snapshot, parent, is_a_snapshot=True, name="nightly")]
    scene = quiet_pool(*chain)
    scene.log(scene.smlog().start(100).finish(100))
    page = asked(scene)
    assert line(page, "chain depth").status == "warning"
    assert scene.last is not None
    near = next(one for one in scene.last.answer.findings if one.code == "CHAIN_NEAR_LIMIT")
    deleting = next(step for step in near.next if "snapshots that nobody needs" in step.text)
    assert "snapshot 'nightly' (b0000001), " in deleting.text
    assert "and 19 more" in deleting.text
    assert page.sentence.startswith("store has nothing to merge, snapshots or clones keep what is there, but ")
    assert page.code == "CHAIN_NEAR_LIMIT"


def test_an_sr_without_gc_is_told_so_and_no_more() -> None:
    scene = quiet_pool(srs={SR_REF: an_sr(type="iso", content_type="iso")})
    page = asked(scene)
    assert [check.name for check in page.checks] == ["pool reachable", "SM's GC works on it"]
    assert page.status == "ok"
    assert "not observable" in page.sentence


def test_an_effect_names_its_cause_and_the_causes_steps_come_first() -> None:
    scene = worked(quiet_pool(*pending_chain()))
    scene.look()
    assert scene.last is not None
    state = scene.tracker.state(scene.now)
    root = finding("f-root", "HOST_DOWN", "error", "host", MEMBER, "xcp2")
    effect = replace(finding("f-effect", "GC_BLOCKED_BY_HOST", "error", "sr", SR, "store"), because=("f-root",))
    answer = Answer(findings=(effect, root), srs=(replace(scene.last.answer.srs[0], state="blocked"),))
    page = why(state, answer, Subject("sr", SR, "store"), scene.now)
    assert page.sentence == (
        "store is NOT coalescing: a pool member holds up garbage collection, because a host is not alive (xcp2)."
    )
    assert page.code == "HOST_DOWN"
    assert page.findings == ("f-root", "f-effect")
    assert [one.text for one in page.evidence] == ["proof of f-root", "proof of f-effect"]


def test_what_has_nothing_to_do_with_merges_is_not_why_merges_stand_still() -> None:
    scene = worked(quiet_pool(*pending_chain()))
    scene.look()
    assert scene.last is not None
    off = finding("f-off", "GC_DISABLED", "warning", "sr", SR, "store")
    space = finding("f-space", "SNAPSHOT_NO_SPACE", "error", "sr", SR, "store")
    answer = Answer(findings=(space, off), srs=(replace(scene.last.answer.srs[0], state="disabled"),))
    page = why(scene.tracker.state(scene.now), answer, Subject("sr", SR, "store"), scene.now)
    assert page.sentence == "store is NOT coalescing: garbage collection or coalesce is switched off."
    assert page.findings == ("f-off", "f-space")


def test_a_stale_finding_is_unknown_and_says_so() -> None:
    scene = worked(quiet_pool(*pending_chain()))
    scene.look()
    assert scene.last is not None
    old = replace(finding("f-old", "SR_SCAN_FAILED", "error", "sr", SR, "store"), stale=True)
    page = why(
        scene.tracker.state(scene.now),
        Answer(findings=(old,), srs=scene.last.answer.srs),
        Subject("sr", SR, "store"),
        scene.now,
    )
    assert line(page, "scan works").status == "unknown"
    assert "As last seen" in line(page, "scan works").detail


# --- offline --------------------------------------------------------------------------------------------------


def offline(log: Smlog) -> Why:
    """The page of an SR from one log, as `diagnose` has it."""
    reader = HostReader("", UTC)
    facts = [*reader.feed(log.as_lines()), *reader.finish()]
    tracker = PoolTracker(None, offline=True)
    tracker.take(reader.host, facts, reader.runs)
    now = log.now + timedelta(seconds=60)
    state = tracker.state(now)
    answer = Judge().judge(state, now, Ledger()).answer
    return why(state, answer, Subject("sr", SR, "Local storage"), now)


def test_a_log_alone_answers_what_it_can() -> None:
    page = offline(Smlog().start(100).chain(100).gc(100, "Coalesce failed, skipping").finish(100, clean=False))
    assert [check.name for check in page.checks] == SR_LINES
    assert line(page, "pool reachable").status == "skipped"
    assert line(page, "agent on the GC host reporting").status == "skipped"
    assert line(page, "log known").status == "ok"
    assert line(page, "SR attached on the GC host").status == "unknown"
    assert "by the tree that SM printed" in line(page, "merges to do").detail


def test_a_merge_refused_for_space_in_a_log_alone() -> None:
    refused = f"No space to coalesce {printed(B)} (free space: 1048576)"
    page = offline(Smlog().start(100).chain(100).gc(100, refused).finish(100))
    assert page.code == "COALESCE_NO_SPACE"
    assert "no room to merge" in page.sentence
    assert any(refused in one.text for one in page.evidence)


@pytest.mark.corpora
@needs_corpora
@pytest.mark.parametrize("name", NAMES)
def test_the_real_logs_are_explained_by_what_they_hold(name: str) -> None:
    want = expected(name)
    options = Options(now=datetime.fromisoformat(want["now"]), timezone=zone_named(want["timezone"]))
    state = tracked(read_paths([str(CORPORA / name / file) for file in want["files"]], options), None)
    answer = Judge().judge(state, state.now, Ledger()).answer
    for sr in state.srs.values():
        page = why(state, answer, Subject("sr", sr.uuid, sr.name), state.now)
        assert page.code not in want["must_not_have_codes"]
        assert page.evidence
        assert "\n" not in page.sentence
        assert all(check.detail for check in page.checks)

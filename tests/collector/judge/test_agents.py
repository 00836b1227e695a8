from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from chainwatch_collector.track.coverage import Coverage
from chainwatch_collector.track.observations import AgentFaults, DuplicateRefused, ProcessesObserved, Revocation
from chainwatch_collector.track.tracker import PoolTracker
from chainwatch_collector.words import clock
from collector.judge.scene import (
    GIB,
    MASTER,
    MEMBER,
    START,
    Scene,
    a_host,
    a_picture,
    merged_chain,
    pending_chain,
    process,
    quiet_pool,
)
from smlog import Smlog


def test_agents_that_report_are_fine() -> None:
    scene = quiet_pool()
    scene.look()
    assert scene.wait(3600).codes() == set()


def test_silent_agent_makes_its_srs_unknown_and_keeps_their_findings_stale() -> None:
    scene = quiet_pool(*pending_chain())
    log = scene.smlog().start(100).chain(100).finish(100, clean=False)
    scene.log(log)
    assert scene.look()["GC_CRASHED"].stale is False
    scene.agents = {MEMBER}
    assert "AGENT_SILENT" not in scene.wait(60).codes()
    found = scene.wait(2).look()
    assert found["AGENT_SILENT"].severity == "error"
    assert found["AGENT_SILENT"].subject.uuid == MASTER
    assert found["GC_CRASHED"].stale is True
    assert scene.sr().state == "unknown"
    scene.agents = {MASTER, MEMBER}
    found = scene.look()
    assert "AGENT_SILENT" not in found
    assert found["GC_CRASHED"].stale is False


def test_silent_while_down_or_in_maintenance() -> None:
    scene = quiet_pool()
    scene.look()
    scene.agents = {MASTER}
    down = a_host(MEMBER, live=False, enabled=False)
    scene.seen(hosts={host.ref: host for host in (a_host(MASTER), down)})
    found = scene.wait(600).look()
    assert "AGENT_SILENT" not in found
    assert found["HOST_DOWN"].severity == "info"
    resting = a_host(MEMBER, enabled=False)
    scene.seen(hosts={host.ref: host for host in (a_host(MASTER), resting)})
    assert scene.look()["AGENT_SILENT"].severity == "info"


def test_host_without_an_agent() -> None:
    scene = Scene(a_picture(merged_chain()), agents={MASTER})
    scene.look()
    assert "AGENT_MISSING" not in scene.wait(299).codes()
    assert scene.wait(2).look()["AGENT_MISSING"].subject.uuid == MEMBER
    scene.agents = {MASTER, MEMBER}
    assert scene.codes() == set()


def test_a_pool_without_any_agent_is_unknown_not_idle() -> None:
    scene = Scene(a_picture(merged_chain()), agents=set())
    scene.look()
    assert scene.wait(400).codes() == {"AGENT_MISSING"}
    assert scene.sr().state == "unknown"


def test_late_evidence() -> None:
    scene = quiet_pool()
    scene.coverage = Coverage(since=START, until=START)
    scene.look()
    scene.wait(400)
    assert "AGENT_BEHIND" in scene.wait(400).codes()
    scene.coverage = None
    assert "AGENT_BEHIND" in scene.codes()
    assert "AGENT_BEHIND" not in scene.wait(30).codes()


def test_a_log_that_is_quiet_is_not_late() -> None:
    scene = quiet_pool().log(Smlog(host="xcp1", now=START).start(100).chain(100).finish(100))
    scene.look()
    assert "AGENT_BEHIND" not in scene.wait(86_400).codes()


def test_host_that_no_pool_has() -> None:
    scene = quiet_pool()
    scene.seen(hosts={host.ref: host for host in (a_host(MASTER),)})
    scene.look()
    assert scene.wait(301).look()["HOST_UNASSIGNED"].subject.uuid == MEMBER
    scene.seen(hosts={host.ref: host for host in (a_host(MASTER), a_host(MEMBER))})
    assert "HOST_UNASSIGNED" not in scene.codes()


def test_a_host_that_no_pool_has_and_that_was_revoked_is_not_told_of() -> None:
    scene = quiet_pool()
    scene.seen(hosts={host.ref: host for host in (a_host(MASTER),)})
    scene.look()
    assert "HOST_UNASSIGNED" in scene.wait(301).codes()
    revoke(scene)
    assert scene.codes() == set()
    scene.agents = {MASTER}
    assert scene.wait(86_400).codes() == set()
    scene.tracker.revoked({})
    assert "AGENT_SILENT" in scene.codes()


def test_a_revoked_host_of_the_pool_is_told_as_such() -> None:
    scene = quiet_pool()
    scene.look()
    revoke(scene)
    found = scene.look()["AGENT_REVOKED"]
    assert (found.subject.uuid, found.severity) == (MEMBER, "warning")
    assert "was revoked by anna" in found.summary
    assert f"chainwatch agent enroll --host {MEMBER}" in {step.command for step in found.next}
    scene.agents = {MASTER}
    assert scene.wait(600).codes() == {"AGENT_REVOKED"}
    # Down as well: one finding about it is enough.
    down = a_host(MEMBER, live=False, enabled=False)
    scene.seen(hosts={host.ref: host for host in (a_host(MASTER), down)})
    assert scene.codes() == {"HOST_DOWN"}
    scene.seen(hosts={host.ref: host for host in (a_host(MASTER), a_host(MEMBER))})
    scene.tracker.revoked({})
    assert scene.codes() == {"AGENT_SILENT"}


def test_a_revoked_host_that_reports_has_a_certificate_that_no_table_names() -> None:
    scene = quiet_pool()
    scene.look()
    revoke(scene)
    assert "AGENT_REVOKED" in scene.wait(60).codes()
    assert "AGENT_REVOKED" not in scene.wait(61).codes()


def test_what_a_revoked_gc_host_hides_is_because_of_it() -> None:
    scene = quiet_pool(*pending_chain())
    scene.look()
    revoke(scene, MASTER)
    scene.agents = {MEMBER}
    assert scene.wait(600).sr().state == "unknown"
    assert "AGENT_REVOKED" in scene.codes()


def revoke(scene: Scene, host: str = MEMBER) -> None:
    scene.tracker.revoked({host: Revocation(at=scene.now, by="anna")})


def clone_comes(scene: Scene) -> None:
    scene.tracker.duplicate_refused(
        DuplicateRefused(
            host_uuid=MEMBER,
            at=scene.now,
            live_machine_id="a" * 32,
            machine_id="b" * 32,
            hostname="clone",
            peer="ipv4:192.0.2.9:40000",
        )
    )


def test_second_dom0_with_the_certificate_of_a_connected_host() -> None:
    scene = quiet_pool()
    assert "HOST_DUPLICATE" not in scene.look()
    clone_comes(scene)
    found = scene.look()["HOST_DUPLICATE"]
    assert (found.subject.kind, found.subject.uuid, found.severity) == ("host", MEMBER, "error")
    for told in ("a" * 32, "b" * 32, "clone", "192.0.2.9"):
        assert told in found.summary
    assert f"chainwatch agent enroll --host {MEMBER}" in {step.command for step in found.next}
    for _ in range(3):
        clone_comes(scene.wait(599))
        assert "HOST_DUPLICATE" in scene.codes()
    assert "HOST_DUPLICATE" in scene.wait(600).codes()
    assert "HOST_DUPLICATE" not in scene.wait(1).codes()


def test_second_dom0_is_no_word_of_the_host_and_outlives_a_restart() -> None:
    scene = quiet_pool()
    scene.look()
    scene.agents = {MASTER}
    scene.wait(120)
    clone_comes(scene)
    scene.tracker = PoolTracker.load(scene.tracker.dump())
    assert {"AGENT_SILENT", "HOST_DUPLICATE"} <= scene.codes()


def breaks_a_rule(scene: Scene, times: int) -> None:
    text = "span.to_offset: 5 is not behind from_offset 7"
    faults = AgentFaults(since=START, at=scene.now, times=times, text=text, peer="ipv4:192.0.2.9:40000")
    scene.tracker.faulty({MEMBER: faults})


def test_an_agent_that_breaks_the_rules_of_its_stream() -> None:
    scene = quiet_pool()
    assert "AGENT_MISBEHAVES" not in scene.look()
    breaks_a_rule(scene, 1)
    found = scene.look()["AGENT_MISBEHAVES"]
    assert (found.subject.kind, found.subject.uuid, found.severity) == ("host", MEMBER, "error")
    assert (
        "ended the stream of xcp2 for a fault of its agent at ipv4:192.0.2.9:40000: span.to_offset: 5" in found.summary
    )
    assert f"chainwatch agent revoke {MEMBER}" in {step.command for step in found.next}
    breaks_a_rule(scene.wait(599), 7)
    found = scene.look()["AGENT_MISBEHAVES"]
    assert f"7 times since {clock(START)}" in found.summary
    assert found.count == 7
    assert "AGENT_MISBEHAVES" in scene.wait(600).codes()
    assert "AGENT_MISBEHAVES" not in scene.wait(1).codes()


def test_an_agent_that_is_slowed_for_minutes() -> None:
    scene = quiet_pool()
    faults = AgentFaults(since=START, at=scene.now, times=3, text="says too much", peer="ipv4:192.0.2.9:1", slowed=True)
    scene.tracker.faulty({MEMBER: faults})
    found = scene.look()["AGENT_MISBEHAVES"]
    assert found.severity == "warning"
    assert f"xcp2 at ipv4:192.0.2.9:1 says too much since {clock(START)}: the collector reads it" in found.summary


def test_one_that_was_never_welcomed_is_named_as_well() -> None:
    scene = quiet_pool()
    scene.agents = {MASTER}
    breaks_a_rule(scene, 3)
    assert {"AGENT_MISBEHAVES"} <= scene.codes()


def test_gap_is_told_for_a_day() -> None:
    scene = quiet_pool().log(Smlog(host="xcp1", now=START).start(100).chain(100).finish(100))
    facts = scene.readers[MASTER].gap(None, 4096)
    scene.tracker.take(MASTER, facts, scene.readers[MASTER].take_changed_runs())
    found = scene.look()["EVIDENCE_GAP"]
    assert "4.0 KiB" in found.summary
    assert "EVIDENCE_GAP" not in scene.wait(86_500).codes()


def test_observations_that_did_not_fit() -> None:
    scene = quiet_pool()
    samples = ProcessesObserved(host_uuid=MASTER, at=START, processes=(), ended=(), dropped_total=7)
    scene.agents = {MEMBER}
    scene.tracker.observe(samples, START)
    assert "EVIDENCE_GAP" not in scene.look()
    scene.now += timedelta(seconds=5)
    scene.tracker.observe(dataclasses.replace(samples, at=scene.now, dropped_total=9), scene.now)
    assert "did not fit" in scene.look()["EVIDENCE_GAP"].summary


def test_log_that_is_off() -> None:
    scene = quiet_pool()
    scene.host_fields = {"no_sm_log": True}
    assert "no_sm_log" in scene.look()["LOG_OFF"].summary
    scene.host_fields = {}
    assert "LOG_OFF" not in scene.wait(1).wait(30).codes()
    scene.sm_log = {"problem": "permission denied"}
    assert "permission denied" in scene.look()["LOG_OFF"].summary


def test_log_that_does_not_grow_while_a_merge_runs() -> None:
    scene = quiet_pool(*pending_chain())
    scene.log(scene.smlog().start(100).chain(100).finish(100))
    scene.look()
    scene.wait(7200)
    assert "LOG_OFF" not in scene.codes()
    for turn in range(4):
        scene.processes[MASTER] = (process(written=turn << 20),)
        scene.wait(600)
    assert "did not grow" in scene.look()["LOG_OFF"].summary


@pytest.mark.parametrize(("free", "raised"), [(GIB, False), (10 << 20, True)])
def test_log_partition(free: int, raised: bool) -> None:
    scene = quiet_pool()
    scene.host_fields = {"log_free_bytes": free}
    assert ("LOG_PARTITION_FULL" in scene.codes()) is raised
    scene.host_fields = {}
    assert "LOG_PARTITION_FULL" not in scene.codes()


def test_clock_of_a_host() -> None:
    scene = quiet_pool()
    scene.look()
    state = scene.tracker.state(scene.now)
    status = state.hosts[MEMBER].status
    assert status is not None
    scene.agents = {MASTER}
    ahead = dataclasses.replace(status, at=scene.now + timedelta(seconds=90))
    scene.tracker.observe(ahead, scene.now)
    assert "ahead" in scene.look()["CLOCK_SKEW"].summary
    scene.tracker.observe(dataclasses.replace(status, at=scene.now + timedelta(seconds=2)), scene.now)
    scene.look()
    scene.now += timedelta(seconds=25)
    assert "CLOCK_SKEW" not in scene.look()

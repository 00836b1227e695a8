"""Which changes a channel is told, and how incidents are grouped and worded."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from chainwatch_collector.judge.answer import Finding
from chainwatch_collector.keep.notices import Known, Telling
from chainwatch_collector.notify.bodies import alerts, incident_body, line, webhook
from chainwatch_collector.notify.decide import Settling, tellings
from chainwatch_collector.notify.incident import Incident, incidents, why_over
from chainwatch_collector.show.views import Mute
from collector.notify.findings import AT, POOL, body, finding

FULL = finding("SR_FULL")
NO_SPACE = finding("COALESCE_NO_SPACE", because=("SR_FULL-1",))


def found(*findings: Finding, mutes: tuple[Mute, ...] = ()) -> list[Incident]:
    return list(incidents([body(one, mutes) for one in findings]))


def mute(code: str) -> Mute:
    return Mute("1", code, None, "", None, AT + timedelta(days=1), "op", "disks ordered", AT)


def changes(known: Sequence[Known], present: Sequence[Incident], pools: set[str] | None = None) -> list[Telling]:
    judged = {POOL} if pools is None else pools
    return list(tellings(known, present, present, judged, {}, lambda one: incident_body(one, "https://c.example")))


def as_known(telling: Telling) -> Known:
    return Known(telling.incident, telling.severity, telling.body)


def test_a_root_and_what_hangs_on_it_are_one_incident() -> None:
    [one] = found(FULL, NO_SPACE, finding("SNAPSHOT_NO_SPACE", because=("COALESCE_NO_SPACE-1",)))
    assert (one.key, [effect.code for effect in one.effects]) == (
        "SR_FULL-1",
        ["COALESCE_NO_SPACE", "SNAPSHOT_NO_SPACE"],
    )


def test_an_incident_is_as_bad_as_its_worst_effect() -> None:
    root = finding("HOST_DOWN", "info")
    assert [one.severity for one in found(root, finding("SR_DETACHED", because=("HOST_DOWN-1",)))] == ["error"]
    assert found(root) == []


def test_a_muted_root_silences_what_hangs_on_it() -> None:
    assert found(FULL, NO_SPACE, mutes=(mute("SR_FULL"),)) == []
    [one] = found(FULL, NO_SPACE, mutes=(mute("COALESCE_NO_SPACE"),))
    assert one.effects == ()


def test_raised_once_then_worse_then_resolved() -> None:
    [raised] = changes([], found(finding("SR_SPACE_LOW", "warning")))
    assert (raised.event, raised.severity, raised.body["incident"]["pool"]["name"]) == ("raised", "warning", "prod")
    assert changes([as_known(raised)], found(finding("SR_SPACE_LOW", "warning", count=9))) == []
    [worse] = changes([as_known(raised)], found(finding("SR_SPACE_LOW")))
    assert (worse.event, worse.before, worse.severity) == ("worse", "warning", "error")
    [better] = changes([as_known(worse)], found(finding("SR_SPACE_LOW", "warning")))
    assert better.event == "better"
    [over] = changes([as_known(better)], [])
    assert (over.event, over.body["why"], over.body["incident"]["code"]) == (
        "resolved",
        "it has cleared",
        "SR_SPACE_LOW",
    )


def test_what_nobody_has_judged_yet_is_not_over() -> None:
    [raised] = changes([], found(FULL))
    assert changes([as_known(raised)], [], pools=set()) == []


def test_an_incident_is_told_when_it_has_been_there_for_a_while() -> None:
    settling = Settling(timedelta(seconds=30))
    assert settling.settled(found(NO_SPACE), AT) == []
    assert settling.settled(found(FULL, NO_SPACE), AT + timedelta(seconds=20)) == []
    later = settling.settled(found(FULL, NO_SPACE), AT + timedelta(seconds=50))
    assert [one.key for one in later] == ["SR_FULL-1"], "the effect, seen first, is not told by itself"


def test_why_it_is_over() -> None:
    bodies = [body(FULL), body(NO_SPACE)]
    assert why_over("SR_FULL-2", bodies) == "it has cleared"
    assert why_over("COALESCE_NO_SPACE-1", bodies) == "it is part of SR_FULL on nfs-1"
    assert why_over("SR_FULL-1", [body(FULL, (mute("SR_FULL"),))]) == "it was muted by op: disks ordered"
    assert why_over("SR_FULL-1", [body(finding("SR_FULL", "info"))]) == "it is no more than info now"


def test_the_message_says_it_in_a_line_with_proof_and_the_next_step() -> None:
    [raised] = changes([], found(FULL, NO_SPACE))
    message = webhook("7-1", "raised", raised.body, AT)
    assert message["text"] == "ERROR SR_FULL on nfs-1 (pool prod): SR_FULL it is. 1 more hang on it."
    assert (message["version"], message["message"], message["event"]) == (1, "7-1", "raised")
    incident = message["incident"]
    assert incident["evidence"][0]["text"] == "No space to coalesce"
    assert incident["next"][0] == {"risk": "safe", "text": "Grow the storage.", "command": None}
    assert incident["url"] == "https://c.example/finding/SR_FULL-1"
    assert line("resolved", {"incident": incident, "why": "it has cleared"}).startswith("RESOLVED SR_FULL on nfs-1")


def test_alertmanager_is_told_of_a_severity_as_of_another_alert() -> None:
    [raised] = changes([], found(finding("SR_SPACE_LOW", "warning")))
    [worse] = changes([as_known(raised)], found(finding("SR_SPACE_LOW")))
    firing: list[dict[str, Any]] = alerts("worse", worse.body, AT)
    assert [(one["labels"]["severity"], one["endsAt"]) for one in firing] == [
        ("warning", "2026-11-22T08:00:00Z"),
        ("error", "2026-11-22T08:15:00Z"),
    ]
    assert firing[0]["labels"]["alertname"] == "ChainwatchSrSpaceLow"
    [over] = changes([as_known(worse)], [])
    [ended] = alerts("resolved", over.body, AT)
    assert (ended["labels"], ended["endsAt"]) == (firing[1]["labels"], "2026-11-22T08:00:00Z")

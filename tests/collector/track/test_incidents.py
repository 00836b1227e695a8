from __future__ import annotations

from datetime import UTC, datetime, timedelta

from chainwatch_collector.read.words import LineRef, RunKey
from chainwatch_collector.track.incidents import PROOFS_KEPT, Incident, Incidents, seconds_between

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def line(number: int) -> LineRef:
    return LineRef("h", "/log", 0, number, START + timedelta(seconds=number), f"line {number}")


def met(incidents: Incidents, number: int, run: int | None = None, **fields: object) -> Incident:
    found = Incident(kind="merge_failed", key="k", first=line(number), last=line(number), **fields)  # type: ignore[arg-type]
    return incidents.met(found, None if run is None else RunKey("h", 0, run))


def test_counts_once_per_run_and_once_per_line_where_no_run_is() -> None:
    incidents = Incidents()
    met(incidents, 1, run=1)
    assert met(incidents, 2, run=1).count == 1
    assert met(incidents, 3, run=2).count == 2
    assert met(incidents, 4).count == 3


def test_keeps_the_first_proof_and_the_newest() -> None:
    incidents = Incidents()
    for number in range(20):
        found = met(incidents, number, run=number)
    assert [ref.offset for ref in found.proofs] == [0, 16, 17, 18, 19]
    assert len(found.proofs) == PROOFS_KEPT
    assert (found.first, found.last) == (line(0), line(19))
    assert seconds_between(found.first, found.last) == 19


def test_longer_names_and_newer_numbers_win() -> None:
    incidents = Incidents()
    met(incidents, 1, vdi="aaaaaaa1-full", free_bytes=5)
    found = met(incidents, 2, vdi="aaaaaaa1")
    assert (found.vdi, found.free_bytes) == ("aaaaaaa1-full", 5)


def test_heals_by_kind_key_and_run() -> None:
    incidents = Incidents()
    met(incidents, 1, run=1)
    incidents.heal("merge_failed", unless_run=RunKey("h", 0, 1))
    assert incidents.get("merge_failed", "k") is not None
    incidents.heal("merge_failed", key="other")
    assert incidents.of("merge_failed")
    incidents.heal("merge_failed")
    assert list(incidents) == []


def test_bounded() -> None:
    incidents = Incidents(limit=10)
    for number in range(50):
        ref = line(number)
        incidents.met(Incident(kind="corrupt", key=str(number), first=ref, last=ref))
    assert [incident.key for incident in incidents] == [str(number) for number in range(40, 50)]

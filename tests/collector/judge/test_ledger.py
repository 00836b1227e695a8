from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from chainwatch_collector.judge.answer import FindingSubject
from chainwatch_collector.judge.condition import Condition
from chainwatch_collector.judge.ledger import Ledger
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
NOTHING: frozenset[str] = frozenset()


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def condition(**fields: object) -> Condition:
    given_fields = {
        "code": "GC_CRASHED",
        "subject": FindingSubject("sr", "sr1", "store"),
        "severity": "warning",
        "summary": "it crashed",
        "since": START,
        "sources": frozenset(("host:h1",)),
        **fields,
    }
    return Condition(**given_fields)  # type: ignore[arg-type]


def changes(ledger: Ledger, seconds: float, *holding: Condition, lost: frozenset[str] = NOTHING) -> list[str]:
    _, transitions = ledger.update([("id", one) for one in holding], at(seconds), lost)
    return [transition.change for transition in transitions]


def test_raised_worse_better_cleared() -> None:
    ledger = Ledger()
    assert changes(ledger, 0, condition()) == ["raised"]
    assert changes(ledger, 1, condition()) == []
    assert changes(ledger, 2, condition(severity="error")) == ["worse"]
    assert changes(ledger, 3, condition(severity="info")) == ["better"]
    assert changes(ledger, 4) == ["cleared"]
    assert changes(ledger, 5) == []


def test_held_down_until_it_has_held_so_long() -> None:
    ledger = Ledger()
    held = condition(hold_seconds=60)
    assert changes(ledger, 0, replace(held, since=at(0))) == []
    assert changes(ledger, 59, replace(held, since=at(59))) == []
    assert changes(ledger, 60, replace(held, since=at(60))) == ["raised"]
    assert ledger.entries["id"].first_seen == START


def test_a_blink_of_a_held_condition_starts_anew() -> None:
    ledger = Ledger()
    held = condition(hold_seconds=60)
    changes(ledger, 0, held)
    changes(ledger, 50)
    assert changes(ledger, 70, replace(held, since=at(70))) == []


def test_clears_only_after_it_was_absent_so_long() -> None:
    ledger = Ledger()
    changes(ledger, 0, condition(clear_seconds=20))
    assert changes(ledger, 10) == []
    assert changes(ledger, 29) == []
    assert changes(ledger, 30) == ["cleared"]


def test_back_in_between_it_never_cleared() -> None:
    ledger = Ledger()
    changes(ledger, 0, condition(clear_seconds=20))
    changes(ledger, 10)
    assert changes(ledger, 15, condition(clear_seconds=20)) == []
    assert changes(ledger, 31) == []


def test_what_nobody_can_tell_stays_and_is_stale() -> None:
    ledger = Ledger()
    changes(ledger, 0, condition())
    assert changes(ledger, 10, lost=frozenset(("host:h1",))) == []
    assert ledger.entries["id"].stale is True
    assert changes(ledger, 20, lost=frozenset(("inventory",))) == ["cleared"]


def test_still_seen_but_from_an_old_picture_is_stale() -> None:
    ledger = Ledger()
    changes(ledger, 0, condition(), lost=frozenset(("host:h1",)))
    assert ledger.entries["id"].stale is True
    changes(ledger, 1, condition())
    assert ledger.entries["id"].stale is False


@given(st.lists(st.sampled_from([None, "info", "warning", "error"]), max_size=30))
def test_transitions_alternate(severities: list[str | None]) -> None:
    """Raised and cleared take turns, whatever comes."""
    ledger, told = Ledger(), []
    for second, severity in enumerate(severities):
        told += changes(ledger, second, *((condition(severity=severity),) if severity else ()))
    ends = [change for change in told if change in ("raised", "cleared")]
    assert ends == [("raised", "cleared")[number % 2] for number in range(len(ends))]
    assert ("id" in ledger.entries) == (severities != [] and severities[-1] is not None)

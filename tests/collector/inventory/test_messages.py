"""Messages polled: overlap without doubles, the newest kept, withdrawn ones gone."""

from datetime import UTC, datetime, timedelta

from chainwatch_collector.inventory.messages import MOST_KEPT, MessageLog

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)


def record(uuid: str, seconds: int = 0, name: str = "X") -> dict[str, str]:
    at = NOW + timedelta(seconds=seconds)
    return {"uuid": uuid, "name": name, "timestamp": at.strftime("%Y%m%dT%H:%M:%SZ"), "priority": "3"}


def test_the_first_poll_reads_a_week_and_the_next_ones_overlap() -> None:
    log = MessageLog()
    assert log.since(NOW).value == "20261118T10:00:00Z"
    log.add({"OpaqueRef:a": record("a", 5)})
    assert log.since(NOW).value == "20261125T10:00:03Z"


def test_the_same_message_again_is_no_change() -> None:
    log = MessageLog()
    log.add({"OpaqueRef:b": record("b", 1), "OpaqueRef:a": record("a", 1), "OpaqueRef:c": record("c")})
    shown = log.messages
    assert [message.uuid for message in shown] == ["c", "a", "b"]
    log.add({"OpaqueRef:b": record("b", 1)})
    assert log.messages is shown
    assert MessageLog(shown).messages == shown


def test_only_the_newest_are_kept() -> None:
    log = MessageLog()
    log.add({f"OpaqueRef:{number}": record(f"m{number}", number) for number in range(MOST_KEPT + 10)})
    assert len(log.messages) == MOST_KEPT
    assert log.messages[0].uuid == "m10"


def test_what_may_be_withdrawn_is_asked_for() -> None:
    log = MessageLog()
    log.add({"OpaqueRef:a": record("a", name="SM_GC_NO_SPACE"), "OpaqueRef:b": record("b")})
    assert log.standing() == ["a"]
    log.withdraw("a")
    log.withdraw("never")
    assert [message.uuid for message in log.messages] == ["b"]

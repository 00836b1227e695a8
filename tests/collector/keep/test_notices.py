"""What a channel knows and what is still to be sent change together, whoever else writes."""

from datetime import UTC, datetime, timedelta
from functools import partial

from chainwatch_collector.keep.notices import Telling, claim, known, sent, tell, try_later, waiting_count
from collector.keep.conftest import Store

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
RAISED = Telling("raised", "SR_FULL-1", "", "warning", {"incident": {"id": "SR_FULL-1"}})
WORSE = Telling("worse", "SR_FULL-1", "warning", "error", {"incident": {"id": "SR_FULL-1"}, "before": "warning"})
OVER = Telling("resolved", "SR_FULL-1", "error", "error", {"why": "it has cleared"})


def test_each_change_is_told_once_also_by_two_collectors(store: Store) -> None:
    for telling in (RAISED, WORSE, OVER):
        assert store.writer.write(partial(tell, channel="chat", tellings=[telling], now=NOW)) == 1
        assert store.writer.write(partial(tell, channel="chat", tellings=[telling], now=NOW)) == 0
    assert store.readers.call(waiting_count) == 3
    assert store.readers.call(lambda c: known(c, "chat")) == []


def test_channels_know_for_themselves(store: Store) -> None:
    store.writer.write(lambda c: tell(c, "chat", [RAISED], NOW))
    assert [one.severity for one in store.readers.call(lambda c: known(c, "chat"))] == ["warning"]
    assert store.readers.call(lambda c: known(c, "pager")) == []
    assert store.writer.write(lambda c: claim(c, "pager", NOW, 60)) is None


def test_messages_leave_in_order_and_one_that_fails_holds_up_the_rest(store: Store) -> None:
    store.writer.write(lambda c: tell(c, "chat", [RAISED, WORSE], NOW))
    first = store.writer.write(lambda c: claim(c, "chat", NOW, 60))
    assert first is not None
    assert (first.event, first.tries, first.created_at) == ("raised", 0, NOW)
    assert store.writer.write(lambda c: claim(c, "chat", NOW, 60)) is None, "another collector has it"
    store.writer.write(lambda c: try_later(c, first.message_id, NOW + timedelta(seconds=5)))
    assert store.writer.write(lambda c: claim(c, "chat", NOW, 60)) is None
    again = store.writer.write(lambda c: claim(c, "chat", NOW + timedelta(seconds=5), 60))
    assert again is not None
    assert (again.message_id, again.tries) == (first.message_id, 1)
    store.writer.write(lambda c: sent(c, again.message_id))
    then = store.writer.write(lambda c: claim(c, "chat", NOW, 60))
    assert then is not None
    assert then.event == "worse"


def test_what_is_only_noted_is_not_sent(store: Store) -> None:
    store.writer.write(lambda c: tell(c, "chat", [RAISED], NOW))
    better = Telling("better", "SR_FULL-1", "warning", "info", {}, is_sent=False)
    assert store.writer.write(lambda c: tell(c, "chat", [better], NOW)) == 1
    assert store.readers.call(waiting_count) == 1

"""What the event loop leaves is taken once, the newest of what replaces itself, and never grows without bound."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from chainwatch_collector.fold import inbox as module
from chainwatch_collector.fold.inbox import Inbox
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.track.observations import DuplicateRefused, ProcessesObserved, StatusObserved
from collector.judge.scene import host_seen

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
STATUS = StatusObserved(
    host_uuid="h",
    at=NOW,
    host=host_seen("xcp1"),
    locks=(),
    srs=(),
    mounts=(),
    logs=(),
    counters={},
    problems=(),
    dropped_total=0,
)
DUPLICATE = DuplicateRefused(
    host_uuid="h", at=NOW, live_machine_id="a", machine_id="b", hostname="xcp1", peer="ipv4:192.0.2.2:1"
)
SAMPLES = ProcessesObserved(host_uuid="h", at=NOW, processes=(), ended=(), dropped_total=0)


def test_everything_is_taken_once() -> None:
    inbox = Inbox()
    inbox.evidence("h")
    inbox.evidence("h")
    later = replace(STATUS, at=NOW + timedelta(seconds=10))
    for one in (STATUS, SAMPLES, later):
        inbox.observed(one, NOW)
    inbox.stream_changed("h", True, NOW)
    inbox.picture("p", Picture(pool=None, as_of=None))
    newest = Picture(pool=None, as_of=NOW)
    inbox.picture("p", newest)
    inbox.retired("q")
    inbox.duplicate_refused(replace(DUPLICATE, peer="ipv4:192.0.2.1:1"))
    inbox.duplicate_refused(DUPLICATE)
    mail = inbox.take(10)
    assert mail.evidence == {"h"}
    assert mail.observations == [(SAMPLES, NOW), (later, NOW)]
    assert mail.streams == [("h", True, NOW)]
    assert mail.pictures == {"p": newest}
    assert mail.retired == {"q"}
    assert mail.duplicates == {"h": DUPLICATE}
    assert inbox.take(0) == module.Mail()


def test_the_oldest_samples_go_and_are_counted() -> None:
    inbox = Inbox()
    for number in range(module.MAX_SAMPLES + 3):
        inbox.observed(replace(SAMPLES, dropped_total=number), NOW)
    mail = inbox.take(0)
    assert len(mail.observations) == module.MAX_SAMPLES
    assert mail.observations[0][0].dropped_total == 3
    assert inbox.samples_dropped == 3


def test_who_waits_is_woken_by_mail_and_by_the_end() -> None:
    wakes: list[Callable[[Inbox], None]] = [lambda box: box.evidence("h"), Inbox.close]
    for wake in wakes:
        inbox = Inbox()
        done = threading.Event()

        def wait(box: Inbox = inbox, told: threading.Event = done) -> None:
            box.take(60)
            told.set()

        thread = threading.Thread(target=wait)
        thread.start()
        wake(inbox)
        thread.join(30)
        assert done.is_set()

"""The real logs as they come in live, piece by piece: no finding at any moment that would be wrong at the end."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from chainwatch_collector.judge.judge import Judge
from chainwatch_collector.judge.ledger import Ledger
from chainwatch_collector.read.facts import Line
from chainwatch_collector.read.reader import HostReader
from chainwatch_collector.track.tracker import PoolTracker
from corpora import CORPORA, NAMES, expected, needs_corpora

pytestmark = [pytest.mark.corpora, needs_corpora]
LINES_AT_ONCE = 25


@pytest.mark.parametrize("name", NAMES)
def test_no_moment_tells_what_is_wrong(name: str) -> None:
    want = expected(name)
    now = datetime.fromisoformat(want["now"])
    reader, tracker = HostReader("h", UTC), PoolTracker(None, offline=True)
    judge, ledger, raised, offset = Judge(), Ledger(), set(), 0
    data = b"".join((CORPORA / name / file).read_bytes() for file in want["files"]).split(b"\n")
    for begin in range(0, len(data), LINES_AT_ONCE):
        lines = []
        for text in data[begin : begin + LINES_AT_ONCE]:
            lines.append(Line("SMlog", 0, offset, text, now, None))
            offset += len(text) + 1
        tracker.take("h", reader.feed(lines), reader.take_changed_runs())
        at = reader.newest_at or now
        raised |= {one.code for one in judge.judge(tracker.state(at), at, ledger).transitions if one.change == "raised"}
    assert not raised & set(want["must_not_have_codes"])
    assert set(want["must_have_codes"]) <= {entry.condition.code for entry in ledger.entries.values()}

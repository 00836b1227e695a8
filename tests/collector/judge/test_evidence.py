from __future__ import annotations

from datetime import UTC, datetime

import pytest
from chainwatch_collector.judge import evidence
from chainwatch_collector.read.facts import LineRef
from chainwatch_collector.track.state import PoolState

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def lines(count: int) -> list[LineRef]:
    return [LineRef("xcp1", "/logs/SMlog", 0, 10 * n, NOW, f"line {n}") for n in range(count)]


def test_first_ones_and_newest_ones_each_once() -> None:
    state = PoolState(pool_uuid=None, now=NOW, offline=True)
    assert [one.text for one in evidence.shown(lines(3) * 2, state)] == ["line 0", "line 1", "line 2"]
    assert [one.offset for one in evidence.shown(lines(9), state)] == [0, 10, 60, 70, 80]


def test_offline_the_source_is_the_path_and_live_it_names_the_host() -> None:
    offline = PoolState(pool_uuid=None, now=NOW, offline=True)
    live = PoolState(pool_uuid="p", now=NOW)
    assert evidence.shown(lines(1), offline)[0].source == "/logs/SMlog"
    assert evidence.shown(lines(1), live)[0].source == "xcp1:/logs/SMlog"


@pytest.mark.parametrize(
    "text",
    [
        "sr_attach {'device_config': {'chappassword': 'hunter2', 'target': '10.0.0.1'}}",
        "vdi_attach {'session_ref': 'hunter2', 'sr_uuid': 'x'}",
        "mount -o password=hunter2,username=x",
    ],
)
def test_secrets_are_masked(text: str) -> None:
    assert "hunter2" not in evidence.scrub(text)
    assert "******" in evidence.scrub(text)


def test_ordinary_lines_stay_as_they_are() -> None:
    text = "Nov 22 08:00:00 xcp1 SMGC: [100] Coalescing *a(4.000G/1.000M?) -> *b(4.000G/1.000M?)"
    assert evidence.scrub(text) == text

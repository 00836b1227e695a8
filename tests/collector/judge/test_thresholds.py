from __future__ import annotations

from typing import Any

import pytest
from chainwatch_collector.judge.catalogue import CATALOGUE
from chainwatch_collector.judge.thresholds import ThresholdError, Thresholds, parse


def test_defaults_are_those_of_the_catalogue() -> None:
    limits = parse({})
    assert (limits.gc_not_running_seconds, limits.agent_silent_seconds) == (1800, 60)
    assert (limits.chain_near_limit_depth, limits.chain_at_limit_depth) == (20, 30)
    assert limits == Thresholds()


def test_given_values_are_taken() -> None:
    limits = parse({"gc_not_running_seconds": 5, "space_low_ratio": 0.4, "gc_crashed_runs": 4})
    assert (limits.gc_not_running_seconds, limits.space_low_ratio, limits.gc_crashed_runs) == (5.0, 0.4, 4)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"gc_not_runing_seconds": 5}, "the nearest is gc_not_running_seconds"),
        ({"gc_not_running_seconds": "5"}, "is no number"),
        ({"gc_not_running_seconds": True}, "is no number"),
        ({"gc_not_running_seconds": float("nan")}, "is no number"),
        ({"gc_not_running_seconds": -1}, "write 0 or more"),
        ({"space_low_ratio": 30}, "write 0.1 for 10 %"),
        ({"gc_crashed_runs": 2.5}, "no whole number"),
    ],
)
def test_what_cannot_be_used_names_the_key_and_the_fix(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ThresholdError, match=f"thresholds.{next(iter(table))}.*{said}"):
        parse(table)


def test_every_setting_that_the_catalogue_names_exists() -> None:
    named = {name for entry in CATALOGUE.values() for name in entry.settings}
    assert named <= set(Thresholds.__dataclass_fields__)

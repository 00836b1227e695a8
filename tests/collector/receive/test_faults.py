"""How often an agent may break the rules, and what of it is told. The clock is the test's."""

from dataclasses import dataclass, field

import pytest
from chainwatch_collector.receive.faults import FREE, LENIENT, RUN_SECONDS, TELL_SECONDS, Fault, Faults
from hypothesis import given
from hypothesis import strategies as st

HOST, OTHER = "host", "other"


@dataclass
class Told:
    """What was told, and the faults that tell it."""

    told: list[Fault] = field(default_factory=list)
    faults: Faults = field(init=False)

    def __post_init__(self) -> None:
        self.faults = Faults(self.told.append, 60.0, 10)

    def met(self, at: float, host: str = HOST, *, lenient: bool = False) -> None:
        self.faults.met(host, f"text at {at:g}", "ipv4:192.0.2.1:1", at, lenient=lenient)


def test_waits_grow_from_the_fourth_fault_on_and_end() -> None:
    told = Told()
    waits = []
    for number in range(12):
        told.met(100.0 + number)
        waits.append(told.faults.wait_seconds(HOST, 100.0 + number))
    assert waits == [0.0] * FREE + [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0]
    assert told.faults.wait_seconds(HOST, 111.0 + 45.0) == 15.0
    assert told.faults.wait_seconds(HOST, 111.0 + 61.0) == 0.0
    assert told.faults.wait_seconds(OTHER, 111.0) == 0.0


def test_a_run_is_over_after_its_time() -> None:
    told = Told()
    for _ in range(8):
        told.met(100.0)
    told.met(100.0 + RUN_SECONDS + 1)
    assert told.faults.times(HOST) == 1
    assert told.faults.wait_seconds(HOST, 100.0 + RUN_SECONDS + 1) == 0.0
    assert told.told[-1].times == 1


def test_the_first_is_told_at_once_and_then_all_that_came_once_in_a_while() -> None:
    told = Told()
    for number in range(101):
        told.met(100.0 + number * TELL_SECONDS / 50)
    assert [(one.times, one.text) for one in told.told] == [
        (1, "text at 100"),
        (50, "text at 110"),
        (50, "text at 120"),
    ]


def test_what_an_honest_agent_may_have_is_told_when_it_goes_on() -> None:
    told = Told()
    for number in range(LENIENT):
        told.met(100.0 + number, lenient=True)
    assert told.told == []
    told.met(104.0, lenient=True)
    assert [one.times for one in told.told] == [LENIENT + 1]
    told.met(200.0, OTHER)
    assert told.told[-1].host_uuid == OTHER


@pytest.mark.parametrize("hosts", [10, 1000])
def test_so_many_hosts_are_remembered_and_not_more(hosts: int) -> None:
    told = Told()
    for number in range(hosts):
        for _ in range(5):
            told.met(100.0, str(number))
    assert sum(told.faults.times(str(number)) > 0 for number in range(hosts)) == 10
    assert told.faults.times(str(hosts - 1)) == 5


@given(st.lists(st.tuples(st.floats(0, 700), st.booleans()), max_size=60))
def test_nobody_waits_longer_than_the_most_and_no_fault_is_told_twice(steps: list[tuple[float, bool]]) -> None:
    told = Told()
    now = 0.0
    for pause, lenient in steps:
        now += pause
        told.met(now, lenient=lenient)
        assert 0.0 <= told.faults.wait_seconds(HOST, now) <= 60.0
    assert sum(one.times for one in told.told) <= len(steps)
